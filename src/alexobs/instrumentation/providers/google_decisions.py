"""Google's decisions: questions about an input, answered without a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import as_mapping, listed, plain_http
from alexobs.instrumentation.providers.google_interactions import input_message, usage
from alexobs.instrumentation.providers.hosts import behind_google
from alexobs.instrumentation.providers.openai_decisions import answers_message
from alexobs.records import CallFacts, Messages

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_request(sent: Any, facts: CallFacts) -> None:
    """Read an HTTP request for decisions."""
    body = as_mapping(plain_http(sent))
    facts.request_model = str(body.get("model") or "").rpartition("/")[2]
    questions = as_mapping(body.get("questions"))
    asked = [*listed(body.get("input")), *({"name": key, **questions[key]} for key in questions)]
    if asked:
        facts.content = {semconv.GEN_AI_INPUT_MESSAGES: Messages(asked, input_message)}


def read_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read decisions."""
    facts.usage = usage(body.get("usage") or {})
    blocked = as_mapping(body.get("prompt_feedback")).get("block_reason")
    if blocked:
        facts.attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = [str(blocked).lower()]
    if body.get("answers"):
        found = Messages([body["answers"]], answers_message)
        facts.content = {**facts.content, semconv.GEN_AI_OUTPUT_MESSAGES: found}


DECIDE = Operation("decide", behind_google, read_request, read_response, load=plain_http)
