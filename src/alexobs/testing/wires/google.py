"""Gemini ``generateContent``, ``streamGenerateContent`` and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.testing.script import Failure, pieces
from alexobs.testing.wires import Exchange, sse
from alexobs.testing.wires.openai_chat import vectors_of

if TYPE_CHECKING:
    from alexobs.records import Usage

FINISH = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "stop_sequence": "STOP",
}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
Part = dict[str, Any]


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return usage metadata: the prompt has the cached part in it, candidates leave thoughts out.

    Gemini has no count of tokens written to a cache.
    """
    counts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.cache_read_tokens:
        counts["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    return counts


class GoogleGenerate:
    """``POST .../models/{model}:generateContent`` and ``:streamGenerateContent``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return one response with all parts."""
        return _response(exchange, _parts(exchange), last=True)

    def events(self, exchange: Exchange) -> list[bytes]:
        """Return responses with a part each; the last has the finish reason and all usage."""
        reply = exchange.reply
        parts: list[Part] = []
        for part in _parts(exchange):
            if "text" in part:
                split = pieces(part["text"], reply.chunk_chars) or [""]
                parts += [{**part, "text": piece} for piece in split]
            else:
                parts.append(part)
        return [
            sse(_response(exchange, [part], last=number == len(parts)))
            for number, part in enumerate(parts, 1)
        ]

    def error_event(self, message: str) -> bytes:
        """Return the error object in place of a response."""
        return sse(self.error(Failure(503, message)))

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return Google's error body."""
        return error_object(failure)


class GoogleEmbeddings:
    """``POST .../models/{model}:embedContent`` and ``:batchEmbedContents``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return one embedding, or one for each request of a batch."""
        requests = exchange.asked.get("requests")
        vectors = vectors_of(exchange, requests or [])
        if requests is None:
            return {"embedding": {"values": vectors[0]}}
        return {"embeddings": [{"values": vector} for vector in vectors]}

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return Google's error body."""
        return error_object(failure)


def error_object(failure: Failure) -> dict[str, Any]:
    """Return Google's error body."""
    status = STATUS.get(failure.status, "INTERNAL")
    return {"error": {"code": failure.status, "message": failure.message, "status": status}}


def _parts(exchange: Exchange) -> list[Part]:
    reply = exchange.reply
    parts: list[Part] = []
    if reply.reasoning:
        parts.append({"text": reply.reasoning, "thought": True})
    if reply.text or not reply.tool_calls:
        parts.append({"text": reply.text})
    parts += [
        {
            "functionCall": {
                "id": exchange.call_id("call_", index),
                "name": call.name,
                "args": dict(call.arguments),
            }
        }
        for index, call in enumerate(reply.tool_calls)
    ]
    return parts


def _response(exchange: Exchange, parts: list[Part], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = FINISH[exchange.reply.finish_or_default]
    response: dict[str, Any] = {
        "candidates": [candidate],
        "modelVersion": exchange.model,
        "responseId": f"response-{exchange.number:04d}",
    }
    if exchange.usage is not None:
        counts = usage_object(exchange.usage)
        if not last:  # what has been said so far is not counted before the end
            counts = {name: counts[name] for name in ("promptTokenCount", "totalTokenCount")}
            counts["totalTokenCount"] = exchange.usage.input_tokens
        response["usageMetadata"] = counts
    return response
