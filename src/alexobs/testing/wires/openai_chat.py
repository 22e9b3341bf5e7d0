"""OpenAI chat completions, and OpenAI's error object and usage details."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from alexobs.testing.script import Failure, pieces
from alexobs.testing.wires import Exchange, sse

if TYPE_CHECKING:
    from alexobs.records import Usage

FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "stop_sequence": "stop",
}
ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return chat completions' usage: cached and reasoning tokens are parts of the totals."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error_object(failure: Failure) -> dict[str, Any]:
    """Return OpenAI's error body."""
    kind, code = ERRORS.get(failure.status, ("server_error", None))
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}


class OpenAIChat:
    """``POST /v1/chat/completions``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return a ``chat.completion``."""
        choices = range(int(exchange.asked.get("n") or 1))
        answer = self._shell(exchange, "chat.completion")
        answer["choices"] = [self._choice(exchange, index) for index in choices]
        if exchange.usage is not None:
            answer["usage"] = usage_object(exchange.usage)
        return answer

    def events(self, exchange: Exchange) -> list[bytes]:
        """Return ``chat.completion.chunk`` events, ``[DONE]`` at the end."""
        reply = exchange.reply
        options = exchange.asked.get("stream_options") or {}
        with_usage = bool(options.get("include_usage")) and exchange.usage is not None
        chunks = []
        for index in range(int(exchange.asked.get("n") or 1)):
            deltas = [{"role": "assistant", "content": None if reply.tool_calls else ""}]
            deltas += [{"content": piece} for piece in pieces(reply.text, reply.chunk_chars)]
            deltas += self._tool_deltas(exchange)
            chunks += [self._chunk(exchange, index, delta, None) for delta in deltas]
            chunks.append(self._chunk(exchange, index, {}, FINISH[reply.finish_or_default]))
        if with_usage and exchange.usage is not None:
            for chunk in chunks:
                chunk["usage"] = None
            last = self._shell(exchange, "chat.completion.chunk")
            chunks.append({**last, "choices": [], "usage": usage_object(exchange.usage)})
        return [*map(sse, chunks), sse("[DONE]")]

    def error_event(self, message: str) -> bytes:
        """Return the error that OpenAI sends in place of a chunk."""
        return sse(error_object(Failure(500, message)))

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return OpenAI's error body."""
        return error_object(failure)

    def _shell(self, exchange: Exchange, kind: str) -> dict[str, Any]:
        shell = {
            "id": f"chatcmpl-{exchange.number:04d}",
            "object": kind,
            "created": exchange.created_s,
            "model": exchange.model,
            "system_fingerprint": "fp_scripted",
        }
        if exchange.reply.service_tier:
            shell["service_tier"] = exchange.reply.service_tier
        return shell

    def _choice(self, exchange: Exchange, index: int) -> dict[str, Any]:
        reply = exchange.reply
        message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
        if reply.tool_calls:
            message["content"] = reply.text or None
            message["tool_calls"] = [
                {
                    "id": exchange.call_id("call_", number),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments_json},
                }
                for number, call in enumerate(reply.tool_calls)
            ]
        finish = FINISH[reply.finish_or_default]
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}

    def _tool_deltas(self, exchange: Exchange) -> list[dict[str, Any]]:
        deltas: list[dict[str, Any]] = []
        for index, call in enumerate(exchange.reply.tool_calls):
            opening = {
                "index": index,
                "id": exchange.call_id("call_", index),
                "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }
            deltas.append({"tool_calls": [opening]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in pieces(call.arguments_json, exchange.reply.chunk_chars)
            ]
        return deltas

    def _chunk(
        self, exchange: Exchange, index: int, delta: dict[str, Any], finish: str | None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._shell(exchange, "chat.completion.chunk"), "choices": [choice]}


class OpenAIEmbeddings:
    """``POST /v1/embeddings``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return a list of embeddings, as base64 when asked for."""
        packed = exchange.asked.get("encoding_format") == "base64"
        answer: dict[str, Any] = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _base64(vector) if packed else list(vector),
                }
                for index, vector in enumerate(vectors_of(exchange, exchange.asked.get("input")))
            ],
            "model": exchange.model,
        }
        if exchange.usage is not None:
            tokens = exchange.usage.input_tokens
            answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return answer

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return OpenAI's error body."""
        return error_object(failure)


def vectors_of(exchange: Exchange, inputs: Any) -> list[list[float]]:
    """Return the scripted vectors, or made-up ones: one for each input."""
    if exchange.reply.vectors:
        return [list(vector) for vector in exchange.reply.vectors]
    many = isinstance(inputs, list) and bool(inputs) and not isinstance(inputs[0], int)
    count = len(inputs) if many else 1
    size = int(exchange.asked.get("dimensions") or 3)
    return [[round(1 / (1 + index + place), 6) for place in range(size)] for index in range(count)]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
