"""OpenAI's decisions: questions about an input, answered by probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import as_mapping, listed
from alexobs.instrumentation.providers import openai_responses as responses
from alexobs.instrumentation.providers.hosts import behind_openai
from alexobs.instrumentation.providers.openai_items import item_message
from alexobs.records import CallFacts, Messages

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICED_APART = "decisions"  # a price list of its own: never priced as a response


def read_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read the body of a request for decisions."""
    facts.request_model = str(body.get("model") or facts.request_model)
    asked = [*listed(body.get("input")), *listed(body.get("questions"))]
    if asked:
        facts.content = {semconv.GEN_AI_INPUT_MESSAGES: Messages(asked, _asked)}


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read decisions."""
    facts.response_model = str(body.get("model") or "")
    facts.service_tier = PRICED_APART
    facts.usage = responses.usage(body.get("usage"))
    if body.get("answers"):
        found = Messages([body["answers"]], answers_message)
        facts.content = {**facts.content, semconv.GEN_AI_OUTPUT_MESSAGES: found}
    else:
        responses.note_error(body, facts)


def _asked(source: Any) -> dict[str, Any]:
    item = as_mapping(source)
    known = isinstance(source, str) or "role" in item or str(item.get("type")).endswith("_output")
    return item_message(source) if known else {"role": "user", "parts": [dict(item)]}


def answers_message(answers: Any) -> dict[str, Any]:
    """Return all answers as one message."""
    if isinstance(answers, dict):
        answers = [{"name": name, **as_mapping(one)} for name, one in answers.items()]
    parts = [dict(as_mapping(one)) for one in answers]
    return {"role": "assistant", "parts": parts, "finish_reason": "stop"}


DECISIONS = Operation("decide", behind_openai, read_request, read_response)
