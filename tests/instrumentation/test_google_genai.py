from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors
from instrumentation_kit import Recorder, facts_of, shown

from alexobs import semconv
from alexobs.instrumentation import packages
from alexobs.instrumentation.providers import google_interactions
from alexobs.records import Usage

if TYPE_CHECKING:
    from alexobs.testing.provider import ScriptedProvider

TOKENS = Usage(input_tokens=900, output_tokens=50, cache_read_tokens=600, reasoning_tokens=20)
ASKED: Any = {"model": "gemini-2.5-flash", "contents": "Hi"}


@pytest.fixture(autouse=True)
def instrumented(recorder: Recorder) -> None:
    packages.instrument("google_genai", obs=recorder)


@pytest.fixture
def client(provider: ScriptedProvider) -> genai.Client:
    retry: Any = {"attempts": 3, "initial_delay": 0.01, "max_delay": 0.02}
    options: Any = {"base_url": provider.google_url, "retry_options": retry}
    return genai.Client(api_key="unused", http_options=options)


def test_thoughts_are_part_of_the_output(
    provider: ScriptedProvider, client: genai.Client, recorder: Recorder
) -> None:
    provider.reply("Hello", usage=TOKENS)
    answer = client.models.generate_content(
        **ASKED, config={"temperature": 0.5, "system_instruction": "Be brief.", "top_k": 3}
    )
    assert answer.text == "Hello"
    facts = recorder.facts
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    assert facts.usage.raw is not None
    assert facts.usage.raw["candidatesTokenCount"] == 30
    assert facts.provider == "gcp.gemini"
    assert (facts.request_model, facts.response_model) == ("gemini-2.5-flash",) * 2
    assert facts.attributes["gen_ai.operation.name"] == "generate_content"
    assert facts.attributes["gen_ai.request.temperature"] == 0.5
    assert shown(facts, semconv.GEN_AI_SYSTEM_INSTRUCTIONS) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert shown(facts, semconv.GEN_AI_INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    assert shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Hello"}],
            "finish_reason": "stop",
        }
    ]


def test_streams(provider: ScriptedProvider, client: genai.Client, recorder: Recorder) -> None:
    provider.reply("Hello streaming", usage=TOKENS, reasoning="Hm.").reply("Left before the end")
    chunks = list(client.models.generate_content_stream(**ASKED))
    left = client.models.generate_content_stream(**ASKED)
    next(left)
    del left
    gc.collect()
    whole, part = map(facts_of, recorder.spans)
    assert (whole.status, part.status) == ("success", "cancelled")
    assert whole.usage is not None
    assert whole.usage[:5] == TOKENS[:5]
    assert whole.output_chunks == len(chunks)
    (output,) = shown(whole, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Hello streaming"},
    ]


def test_automatic_function_calling_is_two_calls_because_two_are_paid_for(
    provider: ScriptedProvider, client: genai.Client, recorder: Recorder
) -> None:
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    provider.tool_call("add", {"a": 1}).reply("Done")
    chat = client.chats.create(model="gemini-2.5-flash", config={"tools": [add]})
    assert chat.send_message("Hi").text == "Done"
    first, second = map(facts_of, recorder.spans)
    (definition,) = shown(first, semconv.GEN_AI_TOOL_DEFINITIONS)
    assert definition["name"] == "add"
    assert definition["parameters"]["properties"] == {"a": {"type": "integer"}}
    roles = [item["role"] for item in shown(second, semconv.GEN_AI_INPUT_MESSAGES)]
    assert roles == ["user", "assistant", "tool"]


def test_retries(provider: ScriptedProvider, client: genai.Client, recorder: Recorder) -> None:
    provider.fail(503).reply("Hello")
    client.models.generate_content(**ASKED)
    assert recorder.facts.attributes["alex.llm.attempts"] == 2
    (event,) = recorder.span.events
    assert event.attributes is not None
    assert event.attributes["alex.llm.attempt.cause"] == "503"
    assert event.attributes["alex.llm.attempt.max"] == 3
    assert event.attributes["alex.llm.attempt.delay"] > 0


def test_errors(provider: ScriptedProvider, client: genai.Client, recorder: Recorder) -> None:
    provider.fail(400)
    with pytest.raises(errors.ClientError):
        client.models.generate_content(**ASKED)
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "google.genai.errors.ClientError"


def test_embeddings(provider: ScriptedProvider, client: genai.Client, recorder: Recorder) -> None:
    provider.embedding([0.1, 0.2], usage=Usage(input_tokens=4))
    client.models.embed_content(model="gemini-embedding-001", contents="a")
    assert recorder.facts.kind == "embedding"
    assert recorder.facts.attributes["gen_ai.embeddings.dimension.count"] == 2


async def test_async(provider: ScriptedProvider, client: genai.Client, recorder: Recorder) -> None:
    provider.reply("Hello", usage=TOKENS).reply("Hello stream", usage=TOKENS)
    await client.aio.models.generate_content(**ASKED)
    async for _ in await client.aio.models.generate_content_stream(**ASKED):
        pass
    for facts in map(facts_of, recorder.spans):
        assert facts.status == "success"
        assert facts.usage is not None
        assert facts.usage[:5] == TOKENS[:5]
    await client.aio.aclose()


def test_events_of_an_interaction_become_one() -> None:
    fold = google_interactions.InteractionFold()
    for event in (
        {"event_type": "interaction.created", "interaction": {"id": "v1", "model": "gemini"}},
        {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
        {
            "event_type": "step.delta",
            "index": 0,
            "delta": {"type": "thought_summary", "content": {"type": "text", "text": "Hm."}},
        },
        {"event_type": "step.start", "index": 1, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "Hel"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "lo"}},
    ):
        fold.add(event)
    assert not fold.complete
    steps = fold.response()["steps"]
    assert [part for step in steps for part in google_interactions.step_parts(step)] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Hello"},
    ]
    fold.add({"event_type": "error", "error": {"code": "gateway_timeout"}})
    assert fold.error == "gateway_timeout"
