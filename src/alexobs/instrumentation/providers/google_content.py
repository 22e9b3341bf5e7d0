"""Generated content of Google's models: requests, answers, chunks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.plain import (
    Part,
    as_mapping,
    blob_part,
    call_part,
    counts_any,
    integer,
    listed,
    other_part,
    plain,
    reasoning_part,
    result_part,
    server_call_part,
    server_result_part,
    set_present,
    text_part,
    uri_part,
)
from alexobs.records import CallFacts, Messages, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PARAMETERS = {
    "maxOutputTokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "topP": semconv.GEN_AI_REQUEST_TOP_P,
    "topK": semconv.GEN_AI_REQUEST_TOP_K,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "stopSequences": semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    "frequencyPenalty": semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presencePenalty": semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
}
FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}


def read_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a request for content."""
    attributes = facts.attributes
    wanted = as_mapping(body.get("generationConfig"))
    set_present(attributes, wanted, PARAMETERS)
    if (wanted.get("candidateCount") or 1) != 1:
        attributes[semconv.GEN_AI_REQUEST_CHOICE_COUNT] = wanted["candidateCount"]
    level = as_mapping(wanted.get("thinkingConfig")).get("thinkingLevel")
    if level:
        attributes[semconv.GEN_AI_REQUEST_REASONING_LEVEL] = str(level).lower()
    mime_type = wanted.get("responseMimeType")
    if mime_type:
        attributes[semconv.GEN_AI_OUTPUT_TYPE] = "json" if "json" in mime_type else "text"
    instructions = as_mapping(body.get("systemInstruction")).get("parts")
    facts.content = {
        key: Messages(items, convert)
        for key, items, convert in (
            (semconv.GEN_AI_SYSTEM_INSTRUCTIONS, listed(instructions), part),
            (semconv.GEN_AI_INPUT_MESSAGES, listed(body.get("contents")), message),
            (semconv.GEN_AI_TOOL_DEFINITIONS, declarations(body.get("tools") or ()), as_mapping),
        )
        if items
    }


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read generated content."""
    attributes, candidates = facts.attributes, body.get("candidates") or []
    facts.response_model = str(body.get("modelVersion") or "")
    set_present(attributes, body, {"responseId": semconv.GEN_AI_RESPONSE_ID})
    reasons = [str(one["finishReason"]).lower() for one in candidates if one.get("finishReason")]
    blocked = as_mapping(body.get("promptFeedback")).get("blockReason")
    if reasons or blocked:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = reasons or [str(blocked).lower()]
    if candidates:
        found = Messages(candidates, candidate_message)
        facts.content = {**facts.content, semconv.GEN_AI_OUTPUT_MESSAGES: found}
    raw = body.get("usageMetadata") or {}
    facts.usage = usage(raw)
    facts.service_tier = str(raw.get("serviceTier") or raw.get("trafficType") or "").lower()
    failed = as_mapping(body.get("error"))
    if failed and not facts.error_type:
        facts.status = semconv.ERROR
        facts.error_type = str(failed.get("status") or failed.get("code") or "error")


# Zeros are left out: one of these is enough.
COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")


def usage(raw: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a generation.

    Cached ones are inside the prompt; thoughts are outside the candidates, and what tools at the
    provider's read is outside the prompt.
    """
    if not counts_any(raw, *COUNTS):
        return None
    thoughts = integer(raw, "thoughtsTokenCount")
    return Usage(
        input_tokens=integer(raw, "promptTokenCount") + integer(raw, "toolUsePromptTokenCount"),
        output_tokens=integer(raw, "candidatesTokenCount") + thoughts,
        cache_read_tokens=integer(raw, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        input_audio_tokens=audio(raw.get("promptTokensDetails"))
        + audio(raw.get("toolUsePromptTokensDetails")),
        output_audio_tokens=audio(raw.get("candidatesTokensDetails")),
        cache_read_audio_tokens=audio(raw.get("cacheTokensDetails")),
        raw=raw,
    )


def audio(details: Sequence[Mapping[str, Any]] | None) -> int:
    """Return the tokens of sound in a count by modality."""
    return sum(
        integer(one, "tokenCount") for one in details or () if one.get("modality") == "AUDIO"
    )


# -- messages ------------------------------------------------------------------------------------


def message(source: Any) -> dict[str, Any]:
    """Return one content in the conventions' form."""
    item = as_mapping(source)
    parts = [part(one) for one in item.get("parts") or ()]
    role = str(item.get("role") or "user")
    if parts and all(one["type"] == "tool_call_response" for one in parts):
        role = "tool"
    return {"role": "assistant" if role == "model" else role, "parts": parts}


def candidate_message(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate, with why it ended."""
    found = message({"role": "model", **(candidate.get("content") or {})})
    reason = str(candidate.get("finishReason") or "")
    return {**found, "finish_reason": FINISH_REASONS.get(reason, reason.lower())}


def part(source: Any) -> Part:
    """Return one part."""
    item: Any = {"text": source} if isinstance(source, str) else as_mapping(source)
    if "text" in item:
        return reasoning_part(item["text"]) if item.get("thought") else text_part(item["text"])
    for key, convert in _PARTS.items():
        if isinstance(item.get(key), dict):
            return convert(item[key])
    return other_part(item)


_PARTS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "functionCall": lambda call: call_part(call.get("id"), call.get("name"), call.get("args")),
    "functionResponse": lambda given: result_part(
        given.get("id") or given.get("name"), given.get("response")
    ),
    "inlineData": lambda data: blob_part(data.get("data"), data.get("mimeType")),
    "fileData": lambda data: uri_part(str(data.get("fileUri")), mime_type=data.get("mimeType")),
    "executableCode": lambda code: server_call_part(code.get("id"), "code_execution", code),
    "codeExecutionResult": lambda result: server_result_part(
        result.get("id"), "code_execution", result
    ),
}


def declarations(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the definitions of tools, the provider's own by their names."""
    found: list[dict[str, Any]] = []
    for source in tools:
        for name, value in as_mapping(source).items():
            if name not in {"functionDeclarations", "function_declarations"}:
                kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
                found.append({"type": kind, "name": kind})
                continue
            found += [{"type": "function", **_with_parameters(plain(one))} for one in value]
    return found


def _with_parameters(declaration: dict[str, Any]) -> dict[str, Any]:
    """Put the schema under one name; the SDK sends it under several."""
    schemas = [declaration.pop(key, None) for key in _SCHEMAS]
    schema = next(filter(None, schemas), None)
    return {**declaration, "parameters": schema} if schema else declaration


_SCHEMAS = ("parameters", "parametersJsonSchema", "parameters_json_schema")


class ContentFold:
    """One generation out of its chunks."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._candidates: dict[int, dict[str, Any]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one chunk."""
        for key in ("responseId", "modelVersion", "promptFeedback"):
            if event.get(key):
                self._head[key] = event[key]
        self._usage.update(event.get("usageMetadata") or {})
        for candidate in event.get("candidates") or ():
            kept = self._candidates.setdefault(int(candidate.get("index") or 0), {"parts": []})
            for one in as_mapping(candidate.get("content")).get("parts") or ():
                _add_part(kept["parts"], one)
            if candidate.get("finishReason"):
                kept["finishReason"] = candidate["finishReason"]
                self.complete = True

    def response(self) -> dict[str, Any]:
        """Return the generation so far."""
        candidates = [
            {
                "content": {"parts": [_joined(one) for one in kept["parts"]]},
                "finishReason": kept.get("finishReason"),
            }
            for _, kept in sorted(self._candidates.items())
        ]
        return {**self._head, "usageMetadata": self._usage, "candidates": candidates}


def _add_part(parts: list[dict[str, Any]], new: Mapping[str, Any]) -> None:
    """Add a part; text goes on in the part before it, when that is of the same kind."""
    if "text" not in new:
        parts.append(dict(new))
    elif parts and "pieces" in parts[-1] and parts[-1]["thought"] is bool(new.get("thought")):
        parts[-1]["pieces"].append(str(new["text"]))
    else:
        parts.append({"pieces": [str(new["text"])], "thought": bool(new.get("thought"))})


def _joined(kept: dict[str, Any]) -> dict[str, Any]:
    if "pieces" not in kept:
        return kept
    return {"text": "".join(kept["pieces"]), "thought": kept["thought"]}
