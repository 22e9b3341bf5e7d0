"""Anthropic's SDK: messages, also through Bedrock, Vertex and compatible gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import (
    Part,
    as_mapping,
    blob_part,
    call_part,
    counts_any,
    file_part,
    integer,
    listed,
    other_part,
    parsed_json,
    plain,
    reasoning_part,
    result_part,
    server_call_part,
    server_result_part,
    set_present,
    text_part,
    texts,
    uri_part,
)
from alexobs.instrumentation.providers.hosts import behind_anthropic
from alexobs.instrumentation.stainless import Family, clones, methods
from alexobs.instrumentation.wrap import Target
from alexobs.records import CallFacts, Messages, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = {
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "top_k": semconv.GEN_AI_REQUEST_TOP_K,
    "stop_sequences": semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    "service_tier": "anthropic.request.service_tier",
}
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}


def read_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a request for a message."""
    attributes = facts.attributes
    facts.request_model = str(body.get("model") or facts.request_model)
    set_present(attributes, body, PARAMETERS)
    wanted = as_mapping(body.get("output_config"))
    if wanted.get("effort"):
        attributes[semconv.GEN_AI_REQUEST_REASONING_LEVEL] = wanted["effort"]
    if wanted.get("format") or body.get("output_format"):
        attributes[semconv.GEN_AI_OUTPUT_TYPE] = "json"
    facts.content = {
        key: Messages(items, convert)
        for key, items, convert in (
            (semconv.GEN_AI_SYSTEM_INSTRUCTIONS, listed(body.get("system")), instruction),
            (semconv.GEN_AI_INPUT_MESSAGES, listed(body.get("messages")), message),
            (semconv.GEN_AI_TOOL_DEFINITIONS, listed(body.get("tools")), tool_definition),
        )
        if items
    }


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a message."""
    attributes = facts.attributes
    facts.response_model = str(body.get("model") or "")
    set_present(attributes, body, {"id": semconv.GEN_AI_RESPONSE_ID})
    reason = str(body.get("stop_reason") or "")
    reason = FINISH_REASONS.get(reason, reason)
    if reason:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = [reason]
    raw = body.get("usage") or {}
    facts.service_tier = str(raw.get("service_tier") or "")
    if facts.service_tier:
        attributes["anthropic.response.service_tier"] = facts.service_tier
    facts.usage = usage(raw)
    if body.get("content"):
        answer = {"content": body["content"], "finish_reason": reason}
        facts.content = {
            **facts.content,
            semconv.GEN_AI_OUTPUT_MESSAGES: Messages([answer], output_message),
        }


def usage(raw: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a message; the provider counts cached ones outside the input.

    A turn in which the provider itself sampled several times (compaction, a fallback) counts only
    the last one at the top level; what was paid for is the sum of the iterations.
    """
    if not counts_any(raw, "input_tokens", "output_tokens"):
        return None
    extra = [item for item in raw.get("iterations") or () if item.get("type") in UNCOUNTED]
    counted = [raw, *extra]

    def total(*path: str) -> int:
        return sum(integer(part, *path) for part in counted)

    cache_read = total("cache_read_input_tokens")
    cache_write = total("cache_creation_input_tokens")
    return Usage(
        input_tokens=total("input_tokens") + cache_read + cache_write,
        output_tokens=total("output_tokens"),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=total("cache_creation", "ephemeral_1h_input_tokens"),
        reasoning_tokens=total("output_tokens_details", "thinking_tokens"),
        raw=raw,
    )


UNCOUNTED = frozenset(("compaction",))


# -- messages ------------------------------------------------------------------------------------


def instruction(item: Any) -> Part:
    """Return one block of the system prompt."""
    return text_part(item) if isinstance(item, str) else block(as_mapping(item))


def message(source: Any) -> dict[str, Any]:
    """Return one message in the conventions' form."""
    item = as_mapping(source)
    return {"role": str(item.get("role") or "user"), "parts": texts(item.get("content"), block)}


def output_message(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer, with why it ended."""
    parts = texts(answer["content"], block)
    return {"role": "assistant", "parts": parts, "finish_reason": answer["finish_reason"]}


def block(source: Any) -> Part:
    """Return one content block."""
    item = as_mapping(source)
    kind = str(item.get("type"))
    if kind == "text":
        return text_part(item.get("text"))
    if kind == "thinking":
        return reasoning_part(item.get("thinking"))
    if kind == "tool_use":
        return call_part(item.get("id"), item.get("name"), item.get("input"))
    if kind in {"image", "document"} and isinstance(item.get("source"), dict):
        return media(item["source"], kind)
    return _tool_block(item, kind)


def _tool_block(item: Mapping[str, Any], kind: str) -> Part:
    if kind == "tool_result":
        content = item.get("content")
        found = content if isinstance(content, str | None) else texts(content, block)
        return result_part(item.get("tool_use_id"), found)
    if kind in {"server_tool_use", "mcp_tool_use"}:
        return server_call_part(item.get("id"), item.get("name"), item.get("input"))
    if kind.endswith("_tool_result"):
        return server_result_part(item.get("tool_use_id"), kind, item.get("content"))
    return other_part(item)


def media(source: Mapping[str, Any], kind: str) -> Part:
    """Return an image or a document, inline or by reference."""
    if source.get("type") == "base64":
        return blob_part(source.get("data"), source.get("media_type"))
    if source.get("type") == "url":
        return uri_part(str(source.get("url")), kind)
    if source.get("type") == "file":
        return file_part(str(source.get("file_id")), kind)
    return text_part(plain(source.get("data") or source.get("content")))


def tool_definition(source: Any) -> dict[str, Any]:
    """Return the definition of a tool; the provider's own tools keep their type."""
    tool = as_mapping(source)
    if "input_schema" not in tool:
        return dict(tool)
    found = {"type": "function", "name": tool.get("name"), "parameters": tool["input_schema"]}
    return found | ({"description": tool["description"]} if tool.get("description") else {})


class MessageFold:
    """A message out of its events."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = event.get("type")
        if kind == "message_start":
            self._message = dict(event.get("message") or {})
            self._add_usage(self._message.get("usage"))
        elif kind == "content_block_start":
            self._blocks[int(event["index"])] = dict(event.get("content_block") or {})
        elif kind == "content_block_delta":
            self._add_delta(int(event["index"]), event.get("delta") or {})
        elif kind == "message_delta":
            self._message.update(event.get("delta") or {})
            self._add_usage(event.get("usage"))
            self.complete = self.complete or bool(self._message.get("stop_reason"))
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            self.error = str(as_mapping(event.get("error")).get("type") or "error")

    def _add_usage(self, raw: Any) -> None:
        """Later counts are totals, and replace earlier ones; nulls say nothing."""
        self._usage.update({key: value for key, value in (raw or {}).items() if value is not None})

    def _add_delta(self, index: int, delta: Mapping[str, Any]) -> None:
        for field in ("text", "thinking", "partial_json"):
            if isinstance(delta.get(field), str):
                self._pieces.setdefault((index, field), []).append(delta[field])

    def response(self) -> dict[str, Any]:
        """Return the message so far."""
        for (index, field), pieces in self._pieces.items():
            said = "".join(pieces)
            kept = self._blocks.setdefault(index, {"type": "text"})
            if field != "partial_json":
                kept[field] = said
            elif said:
                kept["input"] = parsed_json(said)
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return {**self._message, "content": content, "usage": self._usage}


MESSAGES = Operation("chat", behind_anthropic, read_request, read_response, MessageFold)
FAMILY = Family(
    {("post", "/v1/messages"): MESSAGES, ("post", "/v1/messages?beta=true"): MESSAGES},
    traces=True,
)
TARGETS = (
    Target("anthropic._base_client", "SyncAPIClient", methods(FAMILY, asynchronous=False)),
    Target("anthropic._base_client", "AsyncAPIClient", methods(FAMILY, asynchronous=True)),
)
CLIENTS = {
    ("anthropic._base_client", "SyncAPIClient"): clones(FAMILY, asynchronous=False),
    ("anthropic._base_client", "AsyncAPIClient"): clones(FAMILY, asynchronous=True),
}
