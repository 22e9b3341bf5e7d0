"""Anthropic messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alexobs.records import Usage
from alexobs.testing.script import Failure, pieces
from alexobs.testing.wires import Exchange, sse

if TYPE_CHECKING:
    from collections.abc import Iterator

FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "stop_sequence": "stop_sequence",
}
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
Block = dict[str, Any]
Event = dict[str, Any]


def usage_object(usage: Usage, service_tier: str = "") -> dict[str, Any]:
    """Return messages' usage: ``input_tokens`` leaves out what was read from or put in caches."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "input_tokens": usage.input_tokens - cached,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "service_tier": service_tier or "standard",
    }


class AnthropicMessages:
    """``POST /v1/messages``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return a ``message``."""
        usage = exchange.usage or Usage()  # the API always reports usage
        return {
            "id": f"msg_{exchange.number:04d}",
            "type": "message",
            "role": "assistant",
            "model": exchange.model,
            "content": _blocks(exchange),
            "stop_reason": FINISH[exchange.reply.finish_or_default],
            "stop_sequence": _stop_sequence(exchange),
            "usage": usage_object(usage, exchange.reply.service_tier),
        }

    def events(self, exchange: Exchange) -> list[bytes]:
        """Return the events from ``message_start`` to ``message_stop``."""
        done = self.body(exchange)
        usage = done["usage"]
        started = {name: count for name, count in usage.items() if name != "output_tokens_details"}
        opening = {
            **done,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**started, "output_tokens": min(1, usage["output_tokens"])},
        }
        events: list[Event] = [{"type": "message_start", "message": opening}]
        for index, block in enumerate(done["content"]):
            events += _block_events(block, index, exchange.reply.chunk_chars)
            if index == 0:
                events.insert(2, {"type": "ping"})
        final = ("cache_creation", "service_tier")
        counts = {name: count for name, count in usage.items() if name not in final}
        stop = {name: done[name] for name in ("stop_reason", "stop_sequence")}
        events.append({"type": "message_delta", "delta": stop, "usage": counts})
        events.append({"type": "message_stop"})
        return [sse(event, event["type"]) for event in events]

    def error_event(self, message: str) -> bytes:
        """Return the ``error`` event."""
        return sse(self.error(Failure(529, message)), "error")

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return Anthropic's error body."""
        kind = ERRORS.get(failure.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": failure.message}}


def _stop_sequence(exchange: Exchange) -> str | None:
    if exchange.reply.finish != "stop_sequence":
        return None
    sequences = exchange.asked.get("stop_sequences") or [""]
    return str(sequences[0])


def _blocks(exchange: Exchange) -> list[Block]:
    reply = exchange.reply
    blocks: list[Block] = []
    if reply.reasoning:
        signature = f"signature_{exchange.number:04d}"
        thinking = {"type": "thinking", "thinking": reply.reasoning, "signature": signature}
        blocks.append(thinking)
    if reply.text or not reply.tool_calls:
        blocks.append({"type": "text", "text": reply.text})
    blocks += [
        {
            "type": "tool_use",
            "id": exchange.call_id("toolu_", index),
            "name": call.name,
            "input": dict(call.arguments),
        }
        for index, call in enumerate(reply.tool_calls)
    ]
    return blocks


def _block_events(block: Block, index: int, size: int) -> Iterator[Event]:
    opening, deltas = _opened(block, size)
    yield {"type": "content_block_start", "index": index, "content_block": opening}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _opened(block: Block, size: int) -> tuple[Block, list[dict[str, Any]]]:
    """Return a block as it starts, and the deltas that complete it."""
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], size)]
        return {**block, "text": ""}, deltas
    if block["type"] == "thinking":
        thought = pieces(block["thinking"], size)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in thought]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    text = json.dumps(block["input"], ensure_ascii=False)
    fragments = ["", *pieces(text, size)]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in fragments]
    return {**block, "input": {}}, deltas
