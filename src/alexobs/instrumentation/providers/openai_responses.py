"""OpenAI's Responses API: items in, items out, events between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import (
    Part,
    as_mapping,
    blob_part,
    call_part,
    file_part,
    integer,
    listed,
    named_definition,
    other_part,
    reasoning_part,
    refusal_part,
    result_part,
    server_call_part,
    set_present,
    text_part,
    texts,
    uri_part,
)
from alexobs.instrumentation.providers.hosts import behind_openai
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
    if body.get("status") == "failed" and not facts.error_type and facts.billed:
        facts.status, facts.error_type = semconv.ERROR, error_type(body.get("error"))


def read_stored(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a stored response: what it was asked with stands in it."""
    facts.request_model = str(body.get("model") or "")
    facts.attributes["openai.api.type"] = "responses"
    read_response(body, facts)


def usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """Return the tokens of a response; input includes cached ones already."""
    if not raw:
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


TOOL_CALLS = frozenset(("function_call", "custom_tool_call"))
# Tools of the provider's that the application runs: the call asks for an answer as well.
RUN_HERE = frozenset(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"))
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


# -- items ---------------------------------------------------------------------------------------


def instruction(item: Any) -> Part:
    """Return one system instruction."""
    if isinstance(item, str):
        return text_part(item)
    message = item_message(item)
    parts: list[Part] = message["parts"]
    return parts[0] if parts else text_part("")


def item_message(source: Any) -> dict[str, Any]:
    """Return one input item as a message."""
    if isinstance(source, str):
        return {"role": "user", "parts": [text_part(source)]}
    item = as_mapping(source)
    if "role" in item:
        return {"role": str(item["role"]), "parts": texts(item.get("content"), block)}
    part = item_part(item)
    role = "tool" if part["type"] == "tool_call_response" else "assistant"
    return {"role": role, "parts": [part]}


def output_message(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return all output items of a response as one message."""
    parts: list[Part] = []
    for source in answer["output"]:
        item = as_mapping(source)
        if item.get("type") == "message":
            parts += texts(item.get("content"), block)
        else:
            parts.append(item_part(item))
    reason = answer["finish_reason"]
    reason = "tool_call" if reason == "tool_calls" else reason  # the word of the message's schema
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def item_part(item: Mapping[str, Any]) -> Part:
    """Return an item that is no message."""
    kind = str(item.get("type") or "")
    if kind == "reasoning":
        said = [*(item.get("summary") or ()), *(item.get("content") or ())]
        return reasoning_part("\n".join(str(as_mapping(part).get("text") or "") for part in said))
    if kind.endswith("_output"):
        return result_part(item.get("call_id") or item.get("id"), item.get("output"))
    if kind in TOOL_CALLS:
        arguments = item.get("arguments") if "arguments" in item else item.get("input")
        return call_part(item.get("call_id"), item.get("name"), arguments)
    if kind == "image_generation_call":
        return blob_part(item.get("result") or "", f"image/{item.get('output_format') or 'png'}")
    return _tools_call(kind, item) if kind.endswith("_call") else other_part(item)


def _tools_call(kind: str, item: Mapping[str, Any]) -> Part:
    rest = {key: value for key, value in item.items() if key not in {"type", "id", "status"}}
    name = item.get("name") or kind.removesuffix("_call")
    if kind in RUN_HERE:
        return call_part(rest.pop("call_id", None), name, rest)
    return server_call_part(item.get("id"), name, rest)


def block(item: Mapping[str, Any]) -> Part:
    """Return one content block of a message item."""
    convert = BLOCKS.get(str(item.get("type")))
    return other_part(item) if convert is None else convert(item)


def _text(item: Mapping[str, Any]) -> Part:
    return text_part(item.get("text"))


def _image(item: Mapping[str, Any]) -> Part:
    if item.get("image_url"):
        return uri_part(str(item["image_url"]), "image")
    return file_part(str(item.get("file_id")), "image")


def audio(item: Mapping[str, Any]) -> Part:
    """Return audio that was sent in."""
    found = as_mapping(item.get("input_audio"))
    return blob_part(found.get("data"), f"audio/{found.get('format')}", "audio")


def file(item: Mapping[str, Any]) -> Part:
    """Return a file: uploaded before, elsewhere, or inline."""
    if item.get("file_id"):
        return file_part(str(item["file_id"]))
    return uri_part(str(item.get("file_data") or item.get("file_url") or ""))


BLOCKS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": lambda item: refusal_part(item.get("refusal")),
    "input_image": _image,
    "input_audio": audio,
    "input_file": file,
}


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


def retrieval(method: str, path: str) -> Operation | None:
    """Return the operation of fetching a stored response by its id."""
    if method == "get" and path.startswith("/responses/") and path.count("/") == 2:
        return RETRIEVE
    return None
