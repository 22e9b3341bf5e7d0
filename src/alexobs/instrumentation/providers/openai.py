"""OpenAI's SDK (2.x and 3.x), and every provider that is reached through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.deltas import accumulate, joined
from alexobs.instrumentation.plain import (
    Part,
    as_mapping,
    blob_part,
    call_part,
    file_part,
    other_part,
    reasoning_part,
    refusal_part,
    result_part,
    set_present,
    text_part,
    texts,
    uri_part,
)
from alexobs.instrumentation.providers import openai_responses as responses
from alexobs.instrumentation.providers.hosts import behind_openai
from alexobs.instrumentation.providers.openai_completions import COMPLETIONS
from alexobs.instrumentation.providers.openai_counts import streamed_usage, usage
from alexobs.instrumentation.providers.openai_decisions import DECISIONS
from alexobs.instrumentation.providers.openai_items import audio, file
from alexobs.instrumentation.sse import END
from alexobs.instrumentation.stainless import Family, clones, methods
from alexobs.instrumentation.wrap import Target
from alexobs.records import CallFacts, Messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PARAMETERS = {
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "frequency_penalty": semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "reasoning_effort": semconv.GEN_AI_REQUEST_REASONING_LEVEL,
    "service_tier": "openai.request.service_tier",
}


def read_chat_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a chat completion."""
    attributes = facts.attributes
    facts.request_model = str(body.get("model") or facts.request_model)
    attributes["openai.api.type"] = "chat_completions"
    set_present(attributes, body, PARAMETERS)
    stop = body.get("stop")
    if stop:
        stops = [stop] if isinstance(stop, str) else stop
        attributes[semconv.GEN_AI_REQUEST_STOP_SEQUENCES] = stops
    if (body.get("n") or 1) != 1:
        attributes[semconv.GEN_AI_REQUEST_CHOICE_COUNT] = body["n"]
    kind = responses.output_type(body.get("response_format"))
    if kind:
        attributes[semconv.GEN_AI_OUTPUT_TYPE] = kind
    content: dict[str, Any] = {}
    if "messages" in body:
        content[semconv.GEN_AI_INPUT_MESSAGES] = Messages(list(body["messages"]), message)
    if body.get("tools"):
        content[semconv.GEN_AI_TOOL_DEFINITIONS] = Messages(list(body["tools"]), tool_definition)
    facts.content = content


def read_chat_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a chat completion."""
    attributes, choices = facts.attributes, body.get("choices") or []
    facts.response_model = str(body.get("model") or "")
    facts.service_tier = str(body.get("service_tier") or "")
    set_present(attributes, body, responses.RESPONSE_FIELDS)
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    if reasons:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    if choices:
        facts.content = {
            **facts.content,
            semconv.GEN_AI_OUTPUT_MESSAGES: Messages(choices, choice_message),
        }
    facts.usage = usage(body.get("usage"))
    if not (choices or facts.usage):
        responses.note_error(body, facts)


# -- messages ------------------------------------------------------------------------------------


def message(source: Any) -> dict[str, Any]:
    """Return one chat message in the conventions' form."""
    item = as_mapping(source)
    role = str(item.get("role") or "user")
    if role in {"tool", "function"}:
        result = item.get("content")
        call_id = item.get("tool_call_id") or item.get("name")
        return {"role": "tool", "parts": [result_part(call_id, result)]}
    thoughts = (item.get("reasoning_content"), item.get("reasoning"))  # of compatible providers
    parts = [reasoning_part(thought) for thought in thoughts if isinstance(thought, str)]
    parts += texts(item.get("content"), block)
    if item.get("refusal"):
        parts.append(refusal_part(item["refusal"]))
    parts += audio_parts(item.get("audio") or {})
    parts += [tool_call(call) for call in item.get("tool_calls") or ()]
    if item.get("function_call"):
        parts.append(tool_call({"function": item["function_call"]}))
    return {"role": role, "parts": parts, **({"name": item["name"]} if item.get("name") else {})}


def audio_parts(audio: Mapping[str, Any]) -> list[Part]:
    """Return what was said aloud, and its transcript."""
    parts: list[Part] = []
    if audio.get("data"):
        parts.append(blob_part(audio["data"], None, "audio"))
    elif audio.get("id"):
        parts.append(file_part(str(audio["id"]), "audio"))
    if audio.get("transcript"):
        parts.append(text_part(audio["transcript"]))
    return parts


def choice_message(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message of a choice, with why it ended."""
    found = message({"role": "assistant", **(choice.get("message") or {})})
    reason = choice.get("finish_reason") or ""
    return {**found, "finish_reason": MESSAGE_ENDINGS.get(reason, reason)}


# The words of the schema for messages; `gen_ai.response.finish_reasons` keeps the provider's.
MESSAGE_ENDINGS = {"tool_calls": "tool_call", "function_call": "tool_call"}


def block(item: Mapping[str, Any]) -> Part:
    """Return one content block."""
    convert = BLOCKS.get(str(item.get("type")))
    return other_part(item) if convert is None else convert(item)


def _image(item: Mapping[str, Any]) -> Part:
    image = item.get("image_url") or {}
    return uri_part(image if isinstance(image, str) else str(image.get("url")), "image")


BLOCKS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": lambda item: text_part(item.get("text")),
    "refusal": lambda item: refusal_part(item.get("refusal")),
    "image_url": _image,
    "input_audio": audio,
    "file": lambda item: file(item.get("file") or {}),
}


def tool_call(call: Mapping[str, Any]) -> Part:
    """Return a request to call a function or a custom tool."""
    wanted = call.get("function") or call.get("custom") or {}
    arguments = wanted.get("arguments") or wanted.get("input")
    return call_part(call.get("id"), wanted.get("name"), arguments)


def tool_definition(source: Any) -> dict[str, Any]:
    """Return the definition of a tool, flat."""
    tool = as_mapping(source)
    inner = tool.get(str(tool.get("type")))
    return {"type": tool.get("type"), **inner} if isinstance(inner, dict) else dict(tool)


class ChatFold:
    """A chat completion out of its chunks."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one chunk; with ``.stream()`` that is the chunk too, not the event made of it."""
        if event.get("error"):
            self.error = responses.error_type(event["error"])
        self.complete = self.complete or event.get("type") == END
        head = self._head
        for key in ("id", "model", "service_tier", "system_fingerprint"):
            if event.get(key):
                head[key] = event[key]
        head["usage"] = streamed_usage(event) or head.get("usage")
        for choice in event.get("choices") or ():
            self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        index = choice.get("index") or 0
        kept = self._choices.setdefault(index, {"index": index, "message": {}})
        if choice.get("finish_reason"):
            kept["finish_reason"] = choice["finish_reason"]
            self.complete = True
        accumulate(kept["message"], choice.get("delta") or {})

    def response(self) -> dict[str, Any]:
        """Return the completion so far."""
        choices = [joined(self._choices[index]) for index in sorted(self._choices)]
        return {**self._head, "choices": choices}


# -- embeddings ----------------------------------------------------------------------------------


def read_embeddings_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of an embeddings request."""
    facts.request_model = str(body.get("model") or facts.request_model)
    if body.get("encoding_format"):
        facts.attributes[semconv.GEN_AI_REQUEST_ENCODING_FORMATS] = [body["encoding_format"]]
    if body.get("dimensions"):
        facts.attributes[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] = body["dimensions"]


def read_embeddings_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read an answer of embeddings."""
    facts.response_model = str(body.get("model") or "")
    facts.usage = usage(body.get("usage"), output="")
    if not (body.get("data") or facts.usage):
        responses.note_error(body, facts)
    vectors = body.get("data") or [{}]
    vector = vectors[0].get("embedding")
    if isinstance(vector, list):
        facts.attributes.setdefault(semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, len(vector))


CHAT = Operation("chat", behind_openai, read_chat_request, read_chat_response, ChatFold)
EMBEDDINGS = Operation(
    "embeddings",
    behind_openai,
    read_embeddings_request,
    read_embeddings_response,
    kind="embedding",
)
FAMILY = Family(
    {
        ("post", "/chat/completions"): CHAT,
        ("post", "/completions"): COMPLETIONS,
        ("post", "/decisions"): DECISIONS,
        ("post", "/embeddings"): EMBEDDINGS,
        **responses.OPERATIONS,
    },
    responses.retrieval,
)
TARGETS = (
    Target("openai._base_client", "SyncAPIClient", methods(FAMILY, asynchronous=False)),
    Target("openai._base_client", "AsyncAPIClient", methods(FAMILY, asynchronous=True)),
)
CLIENTS = {
    ("openai._base_client", "SyncAPIClient"): clones(FAMILY, asynchronous=False),
    ("openai._base_client", "AsyncAPIClient"): clones(FAMILY, asynchronous=True),
}
