"""Clients that we know nothing about: what their arguments and answers probably say.

An answer in the form of a known provider's is read as that. Else tokens are looked for under
``usage``, ``usage_metadata`` or ``token_usage``, by the names that are common; a client that
reports them elsewhere declares a function for it. Runs in the worker.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.functions import named
from alexobs.instrumentation.plain import as_mapping, integer, listed, plain, text_part
from alexobs.instrumentation.providers import anthropic, openai
from alexobs.instrumentation.providers import openai_responses as responses
from alexobs.records import CallFacts, Messages, Usage

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

PROMPTS = ("messages", "prompt", "input", "inputs", "contents", "content", "text", "query")
MODELS = ("model", "model_name", "model_id", "deployment", "deployment_name")
USAGES = ("usage", "usage_metadata", "token_usage", "usageMetadata")
TEXTS = ("content", "text", "output_text", "output", "message", "completion", "response", "answer")
PARAMETERS = {
    **openai.PARAMETERS,
    "top_k": semconv.GEN_AI_REQUEST_TOP_K,
    "max_output_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
}


class Known(NamedTuple):
    """What the user has said of a client."""

    provider: str = ""
    model: str = ""
    usage: Callable[[Any], Any] | None = None


class Asked(NamedTuple):
    """One call as it was made; references only."""

    client: Any
    signature: inspect.Signature | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name."""
        found = named(self.signature, self.args, self.kwargs)
        rest = found.pop("args", ())
        if rest:
            found.setdefault("prompt", rest[0])
        return found


def operation(known: Known) -> Operation:
    """Return the operation of asking a client that is described by `known`."""
    return Operation(
        "chat",
        lambda _: known.provider,
        functools.partial(read_request, known),
        functools.partial(read_response, known),
        AnswerFold,
        load=_Whole,
    )


class _Whole:
    """An answer as it came, and as plain data."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer


def read_request(known: Known, asked: Asked, facts: CallFacts) -> None:
    """Read the arguments of a call."""
    arguments = asked.arguments()
    named = [arguments.get(name) for name in MODELS]
    own = [getattr(asked.client, name, None) for name in MODELS]
    models = [model for model in (*named, *own, known.model) if isinstance(model, str) and model]
    facts.request_model = models[0] if models else ""
    for name, attribute in PARAMETERS.items():
        if isinstance(arguments.get(name), int | float | str | list):
            facts.attributes[attribute] = arguments[name]
    prompts = [arguments[name] for name in PROMPTS if arguments.get(name) is not None]
    if not prompts and arguments:
        prompts = [next(iter(arguments.values()))]
    content: dict[str, Any] = {}
    if prompts:
        content[semconv.GEN_AI_INPUT_MESSAGES] = Messages(listed(prompts[0]), message)
    system = arguments.get("system") or arguments.get("system_prompt")
    if isinstance(system, str):
        content[semconv.GEN_AI_SYSTEM_INSTRUCTIONS] = Messages([system], text_part)
    facts.content = content


def read_response(known: Known, whole: Any, facts: CallFacts) -> None:
    """Read an answer."""
    answer = whole.answer if isinstance(whole, _Whole) else whole
    body = plain(answer)
    if isinstance(body, Mapping) and isinstance(body.get("choices"), list):
        openai.read_chat_response(body, facts)
    elif isinstance(body, Mapping) and body.get("type") == "message" and "usage" in body:
        anthropic.read_response(body, facts)
    elif isinstance(body, Mapping) and body.get("object") == "response":
        responses.read_response(body, facts)
    else:
        _read_unknown(answer, body, facts)
    if known.usage is not None:
        declared = known.usage(answer)
        facts.usage = declared if isinstance(declared, Usage) else usage(declared)


def _read_unknown(answer: Any, body: Any, facts: CallFacts) -> None:
    found = _fields(answer, body)
    facts.response_model = str(next((found[n] for n in MODELS if found.get(n)), ""))
    raws = [as_mapping(found[name]) for name in USAGES if found.get(name)]
    metadata = as_mapping(found.get("response_metadata"))
    raws += [as_mapping(metadata[name]) for name in USAGES if metadata.get(name)]
    if raws:
        facts.usage = usage(raws[0])
    said = body if isinstance(body, str) else next((found[n] for n in TEXTS if found.get(n)), None)
    if said is not None:
        reply = {"role": "assistant", "content": said}
        facts.content = {
            **facts.content,
            semconv.GEN_AI_OUTPUT_MESSAGES: Messages([reply], _output_message),
        }


def _fields(answer: Any, body: Any) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    names = (*MODELS, *USAGES, *TEXTS, "response_metadata")
    return {name: getattr(answer, name, None) for name in names}


def usage(raw: Any) -> Usage | None:
    """Return the tokens in a mapping of counts, whichever common names they have.

    Cached tokens under Anthropic's names are counted outside the input, as that provider does.
    """
    counts = as_mapping(raw)
    if not counts:
        return None
    if "cache_read_input_tokens" in counts or "cache_creation_input_tokens" in counts:
        return anthropic.usage(counts)
    details = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
    outputs = ("completion_tokens_details", "output_tokens_details", "output_token_details")
    return Usage(
        input_tokens=_first(counts, "input_tokens", "prompt_tokens", "prompt_token_count"),
        output_tokens=_first(
            counts, "output_tokens", "completion_tokens", "candidates_token_count"
        ),
        cache_read_tokens=_first(counts, "cache_read_tokens", "cached_tokens")
        or max(integer(counts, key, name) for key in details for name in _CACHE_READ),
        cache_write_tokens=_first(counts, "cache_write_tokens")
        or max(integer(counts, key, name) for key in details for name in _CACHE_WRITE),
        reasoning_tokens=_first(counts, "reasoning_tokens")
        or max(integer(counts, key, name) for key in outputs for name in _REASONING),
        raw=counts,
    )


_CACHE_READ = ("cached_tokens", "cache_read")
_CACHE_WRITE = ("cache_write_tokens", "cache_creation")
_REASONING = ("reasoning_tokens", "reasoning")


def _first(counts: Mapping[str, Any], *names: str) -> int:
    return next((integer(counts, name) for name in names if counts.get(name)), 0)


def message(source: Any) -> dict[str, Any]:
    """Return one message: a text, or a mapping or object with role and content."""
    if isinstance(source, str):
        return {"role": "user", "parts": [text_part(source)]}
    item = as_mapping(source)
    if not item:
        content = getattr(source, "content", None)
        role = getattr(source, "role", None) or getattr(source, "type", "user")
        item = {"role": role, "content": str(source) if content is None else content}
    role = _ROLES.get(str(item.get("role") or item.get("type")))
    blocks = listed(item.get("content"))
    kinds = {as_mapping(block).get("type") for block in blocks if not isinstance(block, str)}
    if kinds & {"tool_use", "tool_result", "thinking", "image"}:
        found = anthropic.message(item)
    else:
        found = openai.message(item)
    return {**found, "role": role} if role else found


_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant"}


def _output_message(reply: Mapping[str, Any]) -> dict[str, Any]:
    return {**message(reply), "finish_reason": ""}


class AnswerFold:
    """An answer out of its pieces: texts are joined, and the last piece with a usage counts."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._chat: openai.ChatFold | None = None
        self._texts: list[str] = []
        self._last: dict[str, Any] = {}

    def add(self, event: Any) -> None:
        """Take one piece: a text, or an object with a text in it."""
        piece = event.answer if isinstance(event, _Whole) else event
        body = plain(piece)
        if isinstance(body, str):
            self._texts.append(body)
            return
        if isinstance(body, Mapping) and isinstance(body.get("choices"), list):
            self._chat = self._chat or openai.ChatFold()
            self._chat.add(body)
            return
        found = _fields(piece, body)
        self._texts += [str(found[name]) for name in (*TEXTS, "delta") if found.get(name)][:1]
        self._last.update({key: found[key] for key in (*USAGES, *MODELS) if found.get(key)})

    def response(self) -> Mapping[str, Any]:
        """Return the answer so far."""
        if self._chat is not None:
            return self._chat.response()
        return {**self._last, "content": "".join(self._texts)}
