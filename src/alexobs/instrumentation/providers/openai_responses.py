"""OpenAI's Responses API: items in, items out, events between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import (
    as_mapping,
    counts_any,
    integer,
    listed,
    named_definition,
    set_present,
)
from alexobs.instrumentation.providers.hosts import behind_openai
from alexobs.instrumentation.providers.openai_items import (
    RUN_HERE,
    TOOL_CALLS,
    instruction,
    item_message,
    output_message,
)
from alexobs.records import CallFacts, Messages, Usage

PARAMETERS = {
    "max_output_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "previous_response_id": semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
    "service_tier": "openai.request.service_tier",
}
RESPONSE_FIELDS = {
    "id": semconv.GEN_AI_RESPONSE_ID,
    "service_tier": "openai.response.service_tier",
    "system_fingerprint": "openai.response.system_fingerprint",
}
_FINAL = frozenset(("response.completed", "response.incomplete", "response.failed"))


def read_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a request for a response."""
    attributes = facts.attributes
    facts.request_model = str(body.get("model") or facts.request_model)
    attributes["openai.api.type"] = "responses"
    set_present(attributes, body, PARAMETERS)
    effort = as_mapping(body.get("reasoning")).get("effort")
    if effort:
        attributes[semconv.GEN_AI_REQUEST_REASONING_LEVEL] = effort
    kind = output_type(as_mapping(body.get("text")).get("format"))
    if kind:
        attributes[semconv.GEN_AI_OUTPUT_TYPE] = kind
    conversation = body.get("conversation")
    if conversation:
        attributes[semconv.GEN_AI_CONVERSATION_ID] = (
            conversation if isinstance(conversation, str) else as_mapping(conversation).get("id")
        )
    facts.content = {
        key: Messages(items, convert)
        for key, items, convert in (
            (semconv.GEN_AI_SYSTEM_INSTRUCTIONS, listed(body.get("instructions")), instruction),
            (semconv.GEN_AI_INPUT_MESSAGES, listed(body.get("input")), item_message),
            (semconv.GEN_AI_TOOL_DEFINITIONS, listed(body.get("tools")), named_definition),
        )
        if items
    }


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a response."""
    attributes = facts.attributes
    facts.response_model = str(body.get("model") or "")
    facts.service_tier = str(body.get("service_tier") or "")
    set_present(attributes, body, RESPONSE_FIELDS)
    output = body.get("output") or []
    reasons = finish_reasons(body)
    if reasons:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    if output:
        items = [{"finish_reason": reasons[-1] if reasons else "", "output": output}]
        facts.content = {
            **facts.content,
            semconv.GEN_AI_OUTPUT_MESSAGES: Messages(items, output_message),
        }
    facts.usage = usage(body.get("usage"))
    if body.get("status") == "failed" or not (output or facts.usage):
        note_error(body, facts)


def read_stored(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a stored response: what it was asked with stands in it."""
    facts.request_model = str(body.get("model") or "")
    facts.attributes["openai.api.type"] = "responses"
    read_response(body, facts)


def usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """Return the tokens of a response; input includes cached ones already."""
    if not counts_any(raw, "input_tokens", "output_tokens"):
        return None
    return Usage(
        input_tokens=integer(raw, "input_tokens"),
        output_tokens=integer(raw, "output_tokens"),
        cache_read_tokens=integer(raw, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=integer(raw, "input_tokens_details", "cache_write_tokens"),
        reasoning_tokens=integer(raw, "output_tokens_details", "reasoning_tokens"),
        raw=raw,
    )


def finish_reasons(body: Mapping[str, Any]) -> list[str]:
    """Return why a response ended: what it asks for, its status, or what made it incomplete."""
    status = str(body.get("status") or "")
    if status == "incomplete":
        reason = str(as_mapping(body.get("incomplete_details")).get("reason") or status)
        return [INCOMPLETE.get(reason, reason)]
    if status in {"failed", "cancelled"}:
        return ["error"]
    if status != "completed":
        return []
    kinds = [as_mapping(item).get("type") for item in body.get("output") or ()]
    reasons = ["stop" if kind == "message" else "tool_calls" for kind in kinds if kind in ENDING]
    return list(dict.fromkeys(reasons)) or ["stop"]


ENDING = TOOL_CALLS | RUN_HERE | {"message"}
INCOMPLETE = {"max_output_tokens": "length"}


def output_type(wanted: Any) -> str:
    """Return ``gen_ai.output.type`` of a response format."""
    kind = as_mapping(wanted).get("type") if not isinstance(wanted, type) else "json_schema"
    return {"json_schema": "json", "json_object": "json", "text": "text"}.get(str(kind), "")


def error_type(error: Any) -> str:
    """Return a name for an error that came as data."""
    found = as_mapping(error)
    return str(found.get("code") or found.get("type") or "error")


def note_error(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Take a failure that was answered with status 200, as gateways do; of a fetch it is none."""
    failed = body.get("error") or body.get("status") == "failed"
    if failed and not facts.error_type and facts.billed:
        facts.status, facts.error_type = semconv.ERROR, error_type(body.get("error"))


class ResponseFold:
    """A response out of its events: the last one has it whole, a cut stream only its items."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._response: dict[str, Any] = {}
        self._items: dict[int, Any] = {}
        self._texts: dict[tuple[int, int], list[str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = event.get("type")
        if isinstance(event.get("response"), Mapping):
            self._response = {**event["response"]}
        if kind in _FINAL:
            self.complete = True
        elif kind == "error":
            self.error = error_type(event.get("error") or event)
        elif kind == "response.output_item.done":
            self._items[event.get("output_index", len(self._items))] = event.get("item")
        elif kind == "response.output_text.delta":
            place = (event.get("output_index", 0), event.get("content_index", 0))
            self._texts.setdefault(place, []).append(str(event.get("delta") or ""))
        if kind == "response.failed":
            self.error = error_type(self._response.get("error"))

    def response(self) -> dict[str, Any]:
        """Return the response so far."""
        if not self._response.get("output"):
            items = dict(self._items)
            for (index, _), said in sorted(self._texts.items()):
                text = {"type": "output_text", "text": "".join(said)}
                items.setdefault(index, {"type": "message", "content": [text]})
            self._response["output"] = [items[index] for index in sorted(items)]
        return self._response


RESPONSES = Operation("chat", behind_openai, read_request, read_response, ResponseFold)
RETRIEVE = Operation(
    "fetch_response", behind_openai, read_request, read_stored, ResponseFold, billed=False
)


COMPACT = Operation("compact_response", behind_openai, read_request, read_response)
OPERATIONS = {
    ("post", "/responses"): RESPONSES,
    ("post", "/responses?beta=true"): RESPONSES,
    ("post", "/responses/compact"): COMPACT,
    ("post", "/responses/compact?beta=true"): COMPACT,
}


def retrieval(method: str, path: str) -> Operation | None:
    """Return the operation of fetching a stored response by its id."""
    if method == "get" and path.startswith("/responses/") and path.count("/") == 2:
        return RETRIEVE
    return None
