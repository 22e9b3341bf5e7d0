"""Google's interactions: steps in, steps out, events between."""

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
    integer,
    listed,
    named_definition,
    other_part,
    parsed_json,
    plain_http,
    reasoning_part,
    result_part,
    server_call_part,
    server_result_part,
    set_present,
    text_part,
    texts,
    uri_part,
)
from alexobs.instrumentation.providers.hosts import behind_google
from alexobs.instrumentation.sse import END
from alexobs.records import CallFacts, Messages, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = {
    "max_output_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "stop_sequences": semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    "thinking_level": semconv.GEN_AI_REQUEST_REASONING_LEVEL,
}
FINISH_REASONS = {
    "completed": "stop",
    "requires_action": "tool_call",
    "incomplete": "length",
    "budget_exceeded": "length",
    "failed": "error",
    "cancelled": "error",
}


def read_request(sent: Any, facts: CallFacts) -> None:
    """Read an HTTP request for an interaction."""
    body = as_mapping(plain_http(sent))
    attributes = facts.attributes
    facts.request_model = str(body.get("model") or "")
    if body.get("agent"):
        attributes[semconv.GEN_AI_AGENT_NAME] = body["agent"]
    set_present(attributes, as_mapping(body.get("generation_config")), PARAMETERS)
    previous = body.get("previous_interaction_id")
    if previous:
        attributes[semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID] = previous
    if "json" in str(body.get("response_mime_type") or body.get("response_format") or ""):
        attributes[semconv.GEN_AI_OUTPUT_TYPE] = "json"
    facts.content = {
        key: Messages(items, convert)
        for key, items, convert in (
            (semconv.GEN_AI_SYSTEM_INSTRUCTIONS, listed(body.get("system_instruction")), block),
            (semconv.GEN_AI_INPUT_MESSAGES, listed(body.get("input")), input_message),
            (semconv.GEN_AI_TOOL_DEFINITIONS, listed(body.get("tools")), named_definition),
        )
        if items
    }


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read an interaction."""
    attributes = facts.attributes
    facts.response_model = str(body.get("model") or "")
    facts.service_tier = str(body.get("service_tier") or "")
    set_present(attributes, body, {"id": semconv.GEN_AI_RESPONSE_ID})
    reason = FINISH_REASONS.get(str(body.get("status") or ""), "")
    if reason:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = [reason]
    steps = [as_mapping(step) for step in body.get("steps") or body.get("outputs") or ()]
    steps = [step for step in steps if step.get("type") != "user_input"]
    if steps:
        found = Messages([{"steps": steps, "finish_reason": reason}], output_message)
        facts.content = {**facts.content, semconv.GEN_AI_OUTPUT_MESSAGES: found}
    facts.usage = usage(body.get("usage") or {})
    if body.get("status") == "failed" and facts.billed and not facts.error_type:
        facts.status, facts.error_type = semconv.ERROR, error_type(body)


def error_type(body: Mapping[str, Any]) -> str:
    """Return a name for why an interaction has failed."""
    found = as_mapping(body.get("error"))
    return str(found.get("status") or found.get("code") or "failed")


def read_stored(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a stored interaction: what it was asked with stands in it."""
    facts.request_model = str(body.get("model") or "")
    read_response(body, facts)


def usage(raw: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of an interaction; thoughts and tool use are counted apart."""
    if not counts_any(raw, "total_input_tokens", "total_output_tokens"):
        return None
    thoughts = integer(raw, "total_thought_tokens")
    return Usage(
        input_tokens=integer(raw, "total_input_tokens") + integer(raw, "total_tool_use_tokens"),
        output_tokens=integer(raw, "total_output_tokens") + thoughts,
        cache_read_tokens=integer(raw, "total_cached_tokens"),
        reasoning_tokens=thoughts,
        input_audio_tokens=audio(raw.get("input_tokens_by_modality"))
        + audio(raw.get("tool_use_tokens_by_modality")),
        output_audio_tokens=audio(raw.get("output_tokens_by_modality")),
        cache_read_audio_tokens=audio(raw.get("cached_tokens_by_modality")),
        raw=raw,
    )


def audio(counts: Any) -> int:
    """Return the tokens of sound in a count by modality."""
    return sum(integer(one, "tokens") for one in counts or () if one.get("modality") == "audio")


# -- steps ---------------------------------------------------------------------------------------


def input_message(source: Any) -> dict[str, Any]:
    """Return one input (a text, a content, a turn or a step) as a message."""
    if isinstance(source, str):
        return {"role": "user", "parts": [text_part(source)]}
    item = as_mapping(source)
    if "role" in item:
        role = "assistant" if item["role"] == "model" else str(item["role"])
        return {"role": role, "parts": texts(item.get("content"), block)}
    parts = step_parts(item)
    kinds = {part["type"] for part in parts}
    if kinds == {"tool_call_response"}:
        return {"role": "tool", "parts": parts}
    of_model = item.get("type") in {"model_output", "thought"} or "tool_call" in kinds
    return {"role": "assistant" if of_model else "user", "parts": parts}


def output_message(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return all steps of an interaction as one message."""
    parts = [part for step in answer["steps"] for part in step_parts(step)]
    return {"role": "assistant", "parts": parts, "finish_reason": answer["finish_reason"]}


def step_parts(step: Mapping[str, Any]) -> list[Part]:
    """Return the parts of one step."""
    kind = str(step.get("type") or "")
    if kind in {"user_input", "model_output"}:
        return texts(step.get("content"), block)
    if kind == "thought":
        said = texts(step.get("summary"), block)
        return [reasoning_part("\n".join(str(part.get("content")) for part in said))]
    if kind == "function_call":
        return [call_part(step.get("id"), step.get("name"), step.get("arguments"))]
    if kind == "function_result":
        return [result_part(step.get("call_id"), step.get("result"))]
    return [_server_part(step, kind)]


def _server_part(step: Mapping[str, Any], kind: str) -> Part:
    rest = {key: value for key, value in step.items() if key not in {"type", "id", "call_id"}}
    if kind.endswith("_call"):
        name = step.get("name") or kind.removesuffix("_call")
        return server_call_part(step.get("id"), name, rest)
    if kind.endswith("_result"):
        return server_result_part(step.get("call_id"), kind.removesuffix("_result"), rest)
    return block(step)


def block(source: Any) -> Part:
    """Return one content."""
    item = {"type": "text", "text": source} if isinstance(source, str) else as_mapping(source)
    kind = str(item.get("type") or "")
    if kind == "text":
        return text_part(item.get("text"))
    if item.get("data"):
        return blob_part(item["data"], item.get("mime_type"), kind)
    if item.get("uri"):
        return uri_part(str(item["uri"]), kind, item.get("mime_type"))
    return other_part(item)


class InteractionFold:
    """An interaction out of its events."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._head: dict[str, Any] = {}
        self._steps: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, list[str]] = {}
        self._arguments: dict[int, list[str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        kind = str(event.get("event_type") or event.get("type"))
        self._head.update(event.get("interaction") or {})
        if event.get("status"):
            self._head["status"] = event["status"]
        if kind == "step.start":
            self._steps[int(event["index"])] = dict(event.get("step") or {})
        elif kind == "step.delta":
            self._add_delta(int(event["index"]), as_mapping(event.get("delta")))
        elif kind == "error":
            self.error = str(as_mapping(event.get("error")).get("code") or "error")
        self.complete = self.complete or kind in {END, "interaction.completed"}

    def _add_delta(self, index: int, delta: Mapping[str, Any]) -> None:
        step = self._steps.setdefault(index, {"type": "model_output"})
        if delta.get("type") == "text":
            self._texts.setdefault(index, []).append(str(delta.get("text") or ""))
        elif isinstance(delta.get("arguments"), str):
            self._arguments.setdefault(index, []).append(delta["arguments"])
        elif delta.get("type") == "thought_summary":
            step.setdefault("summary", []).append(delta.get("content"))
        elif delta.get("data") or delta.get("uri"):
            step.setdefault("content", []).append(dict(delta))
        else:
            step.update({key: value for key, value in delta.items() if key != "type"})

    def response(self) -> dict[str, Any]:
        """Return the interaction so far."""
        steps = []
        for index, kept in sorted(self._steps.items()):
            step = dict(kept)
            if index in self._texts:
                text = {"type": "text", "text": "".join(self._texts[index])}
                step["content"] = [*step.get("content", ()), text]
            if index in self._arguments:
                step["arguments"] = parsed_json("".join(self._arguments[index]))
            steps.append(step)
        return {"steps": steps, **self._head}


CREATE = Operation(
    "chat", behind_google, read_request, read_response, InteractionFold, load=plain_http
)
FETCH = Operation(
    "fetch_response",
    behind_google,
    read_request,
    read_stored,
    InteractionFold,
    billed=False,
    load=plain_http,
)
INTERACTIONS = {"CreateInteraction": CREATE, "getInteractionById": FETCH}
