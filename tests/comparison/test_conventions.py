"""Where OpenTelemetry's own instrumentations were right by the conventions, and ours changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from alexobs import semconv
from alexobs.testing.capture import Capture
from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-mini",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
CALL = {
    "type": "computer_call",
    "id": "cu_1",
    "call_id": "call_1",
    "actions": [{"type": "screenshot"}],
    "pending_safety_checks": [],
    "status": "completed",
}
FAILED = {"status": "failed", "error": {"code": "server_error", "message": "no"}, "output": []}


@pytest.fixture
def capture() -> Iterator[Capture]:
    with Capture(logging={"enabled": False}) as capture:
        yield capture


class Fixed:
    """A provider that gives every request the same answer."""

    def __init__(self, capture: Capture, answer: dict[str, Any]) -> None:
        self._server = LoopbackServer(lambda request: self._answer(request, answer))
        bare = openai.OpenAI(base_url=self._server.url, api_key="unused", max_retries=0)
        self.client = capture.obs.instrument(bare)

    def _answer(self, _: Request, answer: dict[str, Any]) -> Response:
        body = json.dumps(BODY | answer).encode()
        return Response(200, body, {"Content-Type": "application/json"})

    def __enter__(self) -> Any:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.close()


def test_a_tool_that_the_application_runs_is_a_tool_call(capture: Capture) -> None:
    with Fixed(capture, {"status": "completed", "output": [CALL]}) as client:
        client.responses.create(model="m", input="look", tools=[{"type": "computer"}])
    attributes = capture.span(semconv.SPAN_LLM).attributes
    (message,) = json.loads(attributes[semconv.GEN_AI_OUTPUT_MESSAGES])
    (part,) = message["parts"]
    assert (part["type"], part["id"], part["name"]) == ("tool_call", "call_1", "computer")
    assert part["arguments"]["actions"] == [{"type": "screenshot"}]
    assert message["finish_reason"] == "tool_call"
    assert attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ["tool_calls"]
    (tool,) = json.loads(attributes[semconv.GEN_AI_TOOL_DEFINITIONS])
    assert tool == {"name": "computer", "type": "computer"}


def test_an_error_that_came_as_data_is_the_spans_status(capture: Capture) -> None:
    with Fixed(capture, FAILED) as client:
        assert client.responses.create(model="m", input="x").status == "failed"
    span = capture.span(semconv.SPAN_LLM)
    assert (span.status_code, span.status_message) == (2, "server_error")
    assert span.attributes[semconv.ERROR_TYPE] == "server_error"
    assert span.attributes[semconv.ALEX_STATUS] == semconv.ERROR


def test_to_fetch_what_has_failed_is_no_failure(capture: Capture) -> None:
    with Fixed(capture, FAILED) as client:
        assert client.responses.retrieve("resp_1").status == "failed"
    span = capture.span(semconv.SPAN_LLM)
    assert span.status_code == 0
    assert semconv.ERROR_TYPE not in span.attributes
    assert span.attributes[semconv.ALEX_STATUS] == semconv.SUCCESS
