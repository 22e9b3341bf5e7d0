"""What Google's package asks a model beside contents, and odd answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from instrumentation_kit import Answers, Recorder, facts_of, shown

from alexobs import semconv
from alexobs.instrumentation import instrumented_client, packages

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = {"total_input_tokens": 12, "total_output_tokens": 3, "total_tokens": 15}
INTERACTION = {
    "id": "i1",
    "object": "interaction",
    "model": "gemini-2.5-flash",
    "created": "2026-01-01T00:00:00Z",
    "updated": "2026-01-01T00:00:00Z",
    "steps": [],
    "usage": USAGE,
}
CONTENT = "/v1/models/gemini-2.5-flash:generateContent"


@pytest.fixture(params=["the package", "one client"])
def make(request: pytest.FixtureRequest, answers: Answers, recorder: Recorder) -> Callable[[], Any]:
    def made() -> Any:
        bare = genai.Client(api_key="unused", http_options={"base_url": answers.server.url})
        if request.param == "the package":
            packages.instrument("google_genai", obs=recorder)
            return bare
        return instrumented_client(bare, recorder)

    return made


async def test_decisions(answers: Answers, make: Callable[[], Any], recorder: Recorder) -> None:
    answers.by_path["/v1/decisions"] = {
        "answers": {"spam": {"type": "noul", "value": True}},
        "usage": USAGE,
    }
    asked: Any = {
        "model": "models/gemini-2.5-flash",
        "input": "Buy!",
        "questions": {"spam": {"type": "noul", "instructions": "Is it?"}},
    }
    client = make()
    client.decisions.create(**asked)
    await client.aio.decisions.create(**asked)
    await client.aio.aclose()
    for facts in map(facts_of, recorder.spans):
        assert facts.attributes["gen_ai.operation.name"] == "decide"
        assert (facts.request_model, facts.status) == ("gemini-2.5-flash", "success")
        assert facts.usage is not None
        assert facts.usage[:2] == (12, 3)
        text, question = shown(facts, semconv.GEN_AI_INPUT_MESSAGES)
        assert text["parts"] == [{"type": "text", "content": "Buy!"}]
        assert question["parts"][0]["instructions"] == "Is it?"
        (answer,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
        assert answer["parts"][0]["name"] == "spam"
    assert len(recorder.spans) == 2


def test_an_interaction_that_failed_is_an_error(
    answers: Answers, make: Callable[[], Any], recorder: Recorder
) -> None:
    answers.by_path["/v1/interactions"] = {**INTERACTION, "status": "failed"}
    answers.by_path["/v1/interactions/i1"] = {**INTERACTION, "status": "failed"}
    client = make()
    client.interactions.create(model="gemini-2.5-flash", input="Hi")
    client.interactions.get(id="i1")
    created, fetched = map(facts_of, recorder.spans)
    assert (created.status, created.error_type) == ("error", "failed")
    assert fetched.status == "success"  # fetching it worked


def test_a_page_in_place_of_an_answer_is_an_error_of_theirs_and_no_fault_of_ours(
    answers: Answers, make: Callable[[], Any], recorder: Recorder
) -> None:
    answers.by_path[CONTENT] = b"<html>"
    client = make()
    with pytest.raises(json.JSONDecodeError):
        client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "json.decoder.JSONDecodeError"


def test_an_error_that_was_answered_as_a_success_is_one(
    answers: Answers, make: Callable[[], Any], recorder: Recorder
) -> None:
    answers.by_path[CONTENT] = {"error": {"code": 503, "status": "UNAVAILABLE"}}
    client = make()
    client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert (recorder.facts.status, recorder.facts.error_type) == ("error", "UNAVAILABLE")


@pytest.mark.parametrize("usage", [{}, {"trafficType": "ON_DEMAND"}, {"totalTokenCount": 7}])
def test_a_usage_without_counts_is_none(
    answers: Answers, make: Callable[[], Any], recorder: Recorder, usage: dict[str, Any]
) -> None:
    answers.by_path[CONTENT] = {"candidates": [], "usageMetadata": usage}
    client = make()
    client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
    assert recorder.facts.usage is None
