"""OpenAI's completions of a text, as older models and many servers of open models have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import listed, set_present, text_part
from alexobs.instrumentation.providers import openai_responses as responses
from alexobs.instrumentation.providers.hosts import behind_openai
from alexobs.instrumentation.providers.openai_counts import streamed_usage, usage
from alexobs.instrumentation.sse import END
from alexobs.records import CallFacts, Messages

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = {
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "frequency_penalty": semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
}


def read_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a request for a completion."""
    attributes = facts.attributes
    facts.request_model = str(body.get("model") or facts.request_model)
    set_present(attributes, body, PARAMETERS)
    if body.get("stop"):
        attributes[semconv.GEN_AI_REQUEST_STOP_SEQUENCES] = listed(body["stop"])
    if (body.get("n") or 1) != 1:
        attributes[semconv.GEN_AI_REQUEST_CHOICE_COUNT] = body["n"]
    prompts = _prompts(body.get("prompt"))
    if prompts:
        facts.content = {semconv.GEN_AI_INPUT_MESSAGES: Messages(prompts, _prompt)}


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a completion."""
    attributes, choices = facts.attributes, body.get("choices") or []
    facts.response_model = str(body.get("model") or "")
    facts.service_tier = str(body.get("service_tier") or "")
    set_present(attributes, body, responses.RESPONSE_FIELDS)
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    if reasons:
        attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    if choices:
        found = Messages(choices, _answer)
        facts.content = {**facts.content, semconv.GEN_AI_OUTPUT_MESSAGES: found}
    facts.usage = usage(body.get("usage"))
    if not (choices or facts.usage):
        responses.note_error(body, facts)


def _prompts(prompt: Any) -> list[Any]:
    """Return the prompts: a text, some texts, or tokens in place of a text."""
    found = listed(prompt)
    return [found] if found and all(isinstance(one, int) for one in found) else found


def _prompt(prompt: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [text_part(prompt)]}


def _answer(choice: Mapping[str, Any]) -> dict[str, Any]:
    reason = str(choice.get("finish_reason") or "")
    return {"role": "assistant", "parts": [text_part(choice.get("text"))], "finish_reason": reason}


class CompletionFold:
    """A completion out of its chunks."""

    def __init__(self) -> None:
        self.complete = False
        self.error = ""
        self._head: dict[str, Any] = {}
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one chunk."""
        if event.get("error"):
            self.error = responses.error_type(event["error"])
        self.complete = self.complete or event.get("type") == END
        for key in ("id", "model", "system_fingerprint"):
            if event.get(key):
                self._head[key] = event[key]
        self._head["usage"] = streamed_usage(event) or self._head.get("usage")
        for choice in event.get("choices") or ():
            index = choice.get("index") or 0
            self._texts.setdefault(index, []).append(str(choice.get("text") or ""))
            if choice.get("finish_reason"):
                self._reasons[index] = choice["finish_reason"]
                self.complete = True

    def response(self) -> dict[str, Any]:
        """Return the completion so far."""
        choices = [
            {"text": "".join(texts), "finish_reason": self._reasons.get(index)}
            for index, texts in sorted(self._texts.items())
        ]
        return {**self._head, "choices": choices}


COMPLETIONS = Operation(
    "text_completion", behind_openai, read_request, read_response, CompletionFold
)
