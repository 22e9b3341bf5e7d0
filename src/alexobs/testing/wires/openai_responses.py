"""OpenAI responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.testing.script import Failure, pieces
from alexobs.testing.wires import Exchange, sse
from alexobs.testing.wires.openai_chat import error_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.records import Usage

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
Item = dict[str, Any]
Event = dict[str, Any]


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return responses' usage: cached and reasoning tokens are parts of the totals."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


class OpenAIResponses:
    """``POST /v1/responses``."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return a finished ``response``."""
        reason = INCOMPLETE.get(exchange.reply.finish)
        usage = exchange.usage
        return {
            **_shell(exchange),
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": _items(exchange),
            "usage": usage_object(usage) if usage is not None else None,
        }

    def events(self, exchange: Exchange) -> list[bytes]:
        """Return the typed events, numbered, ending in ``response.completed``."""
        opening = {**_shell(exchange), "status": "in_progress", "output": [], "usage": None}
        done = self.body(exchange)
        events: list[Event] = [
            {"type": "response.created", "response": opening},
            {"type": "response.in_progress", "response": opening},
        ]
        for index, item in enumerate(done["output"]):
            events += _item_events(item, index, exchange.reply.chunk_chars)
        events.append({"type": f"response.{done['status']}", "response": done})
        return [
            sse({**event, "sequence_number": number}, event["type"])
            for number, event in enumerate(events)
        ]

    def error_event(self, message: str) -> bytes:
        """Return the ``error`` event."""
        event = {
            "type": "error",
            "code": "server_error",
            "message": message,
            "param": None,
            "sequence_number": 0,
        }
        return sse(event, "error")

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return OpenAI's error body."""
        return error_object(failure)


def _shell(exchange: Exchange) -> dict[str, Any]:
    asked = exchange.asked
    return {
        "id": f"resp_{exchange.number:04d}",
        "object": "response",
        "created_at": exchange.created_s,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "metadata": asked.get("metadata") or {},
        "model": exchange.model,
        "parallel_tool_calls": True,
        "previous_response_id": asked.get("previous_response_id"),
        "service_tier": exchange.reply.service_tier or "default",
        "temperature": asked.get("temperature", 1.0),
        "text": asked.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": asked.get("tools") or [],
        "top_p": asked.get("top_p", 1.0),
        "truncation": "disabled",
    }


def _items(exchange: Exchange) -> list[Item]:
    reply, number = exchange.reply, exchange.number
    items: list[Item] = []
    if reply.reasoning:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        items.append({"id": f"rs_{number:04d}", "type": "reasoning", "summary": summary})
    if reply.text or not reply.tool_calls:
        items.append(
            {
                "id": f"msg_{number:04d}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [_text_part(reply.text)],
            }
        )
    items += [
        {
            "id": f"fc_{number:04d}_{index}",
            "type": "function_call",
            "status": "completed",
            "call_id": exchange.call_id("call_", index),
            "name": call.name,
            "arguments": call.arguments_json,
        }
        for index, call in enumerate(reply.tool_calls)
    ]
    return items


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item_events(item: Item, index: int, size: int) -> Iterator[Event]:
    place = {"output_index": index}
    inside = {"output_index": index, "item_id": item["id"]}
    inner = {
        "reasoning": _reasoning_events,
        "message": _message_events,
        "function_call": _function_call_events,
    }[item["type"]]
    emptied = {"reasoning": "summary", "message": "content", "function_call": "arguments"}
    empty: Any = "" if item["type"] == "function_call" else []
    opening = {**item, emptied[item["type"]]: empty}
    if "status" in item:
        opening["status"] = "in_progress"
    yield {"type": "response.output_item.added", **place, "item": opening}
    for event in inner(item, size):
        yield {**event, **inside}
    yield {"type": "response.output_item.done", **place, "item": item}


def _reasoning_events(item: Item, size: int) -> Iterator[Event]:
    (part,) = item["summary"]
    family = "response.reasoning_summary"
    empty = {**part, "text": ""}
    yield {"type": f"{family}_part.added", "summary_index": 0, "part": empty}
    for piece in pieces(part["text"], size):
        yield {"type": f"{family}_text.delta", "summary_index": 0, "delta": piece}
    yield {"type": f"{family}_text.done", "summary_index": 0, "text": part["text"]}
    yield {"type": f"{family}_part.done", "summary_index": 0, "part": part}


def _message_events(item: Item, size: int) -> Iterator[Event]:
    (part,) = item["content"]
    text = part["text"]
    yield {"type": "response.content_part.added", "content_index": 0, "part": _text_part("")}
    for piece in pieces(text, size):
        delta = {"content_index": 0, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.delta", **delta}
    yield {"type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", "content_index": 0, "part": part}


def _function_call_events(item: Item, size: int) -> Iterator[Event]:
    family = "response.function_call_arguments"
    for piece in pieces(item["arguments"], size):
        yield {"type": f"{family}.delta", "delta": piece}
    yield {"type": f"{family}.done", "name": item["name"], "arguments": item["arguments"]}
