from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from instrumentation_kit import Recorder, facts_of, shown

from alexobs import semconv
from alexobs.instrumentation import packages
from alexobs.instrumentation.providers.anthropic import usage
from alexobs.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from alexobs.testing.provider import ScriptedProvider

TOKENS = Usage(
    input_tokens=900,
    output_tokens=50,
    cache_read_tokens=600,
    cache_write_tokens=100,
    reasoning_tokens=20,
)
ASKED: Any = {
    "model": "claude-opus-9",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}


@pytest.fixture(autouse=True)
def instrumented(recorder: Recorder) -> None:
    packages.instrument("anthropic", obs=recorder)


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="unused") as made:
        yield made


@pytest.fixture
async def async_client(provider: ScriptedProvider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="unused") as made:
        yield made


def test_cached_tokens_are_part_of_the_input(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    provider.reply("Hello", usage=TOKENS, reasoning="Let me see.")
    answer = client.messages.create(**ASKED, system="Be brief.", extra_body={"top_k": 3})
    assert answer.usage.input_tokens == 200
    facts = recorder.facts
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    assert facts.usage.raw is not None
    assert facts.usage.raw["input_tokens"] == 200
    assert facts.provider == "anthropic"
    assert facts.attributes["gen_ai.request.top_k"] == 3
    assert facts.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert shown(facts, semconv.GEN_AI_SYSTEM_INSTRUCTIONS) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Let me see."},
                {"type": "text", "content": "Hello"},
            ],
            "finish_reason": "stop",
        }
    ]


def test_a_turn_with_compaction_was_paid_for_twice() -> None:
    found = usage(
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_1h_input_tokens": 7},
            "cache_creation_input_tokens": 7,
            "iterations": [
                {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
                {"type": "message", "input_tokens": 10, "output_tokens": 5},
            ],
        }
    )
    assert found is not None
    assert (found.input_tokens, found.output_tokens) == (1117, 55)
    assert (found.cache_read_tokens, found.cache_write_1h_tokens) == (100, 7)


def test_messages_of_a_tool_turn(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    provider.tool_call("read_file", {"path": "a.py"}).reply("Done")
    tools: Any = [{"name": "read_file", "input_schema": {"type": "object"}}]
    answer = client.messages.create(**ASKED, tools=tools)
    (block,) = answer.content
    assert block.type == "tool_use"
    image = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    history: Any = [
        *ASKED["messages"],
        {"role": "assistant", "content": answer.content},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": block.id, "content": "print()"},
                {"type": "image", "source": image},
            ],
        },
    ]
    client.messages.create(**{**ASKED, "messages": history})
    first, second = map(facts_of, recorder.spans)
    call = {
        "type": "tool_call",
        "id": block.id,
        "name": "read_file",
        "arguments": {"path": "a.py"},
    }
    assert first.attributes["gen_ai.response.finish_reasons"] == ["tool_call"]
    assert shown(first, semconv.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "read_file", "parameters": {"type": "object"}}
    ]
    assert shown(first, semconv.GEN_AI_OUTPUT_MESSAGES)[0]["parts"] == [call]
    _, asked, results = shown(second, semconv.GEN_AI_INPUT_MESSAGES)
    assert asked == {"role": "assistant", "parts": [call]}
    assert results["parts"] == [
        {"type": "tool_call_response", "id": block.id, "response": "print()"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGVsbG8="},
    ]


def test_every_way_to_consume_a_stream_gives_one_whole_span(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    for _ in range(4):
        provider.reply("Hello streaming", usage=TOKENS)
    list(client.messages.create(**ASKED, stream=True))
    with client.messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "Hello streaming"
    with client.messages.stream(**ASKED) as stream:
        assert stream.get_final_text() == "Hello streaming"
    with client.beta.messages.stream(**ASKED) as beta:
        beta.until_done()
    assert len(recorder.spans) == 4
    for facts in map(facts_of, recorder.spans):
        assert facts.status == "success"
        assert facts.usage is not None
        assert facts.usage[:5] == TOKENS[:5]
        assert facts.time_to_first_chunk_s is not None
        (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
        assert output["parts"] == [{"type": "text", "content": "Hello streaming"}]


def test_a_dropped_stream_is_closed_and_cancelled_at_once(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    provider.reply("A text that nobody reads to its end")
    stream = client.messages.create(**ASKED, stream=True)
    next(stream)
    response = stream.response
    gc.disable()
    try:
        del stream
        assert response.is_closed
        assert recorder.facts.status == "cancelled"
    finally:
        gc.enable()


def test_an_error_event_ends_a_stream_with_an_error(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    provider.error_after(3)
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(**ASKED, stream=True))
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type.startswith("anthropic.")


def test_an_error_event_read_as_bytes_is_an_error_too(
    provider: ScriptedProvider, client: anthropic.Anthropic, recorder: Recorder
) -> None:
    provider.error_after(3)
    with client.messages.with_streaming_response.create(**ASKED, stream=True) as response:
        assert b"overloaded" in b"".join(response.iter_bytes()).lower()
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "overloaded_error"


async def test_async_streams(
    provider: ScriptedProvider, async_client: anthropic.AsyncAnthropic, recorder: Recorder
) -> None:
    provider.reply("Hello streaming", usage=TOKENS).reply("Left before its end, early on")
    async with async_client.messages.stream(**ASKED) as stream:
        assert [text async for text in stream.text_stream]
    async with async_client.messages.stream(**ASKED) as stream:
        async for _ in stream.text_stream:
            break
    whole, part = map(facts_of, recorder.spans)
    assert (whole.status, part.status) == ("success", "cancelled")
    assert whole.usage is not None
    assert whole.usage[:5] == TOKENS[:5]


def test_the_sdks_own_spans_are_not_made_a_second_time(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    provider.reply("Hello")

    class Ours:
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return recorder.tracer

    options: Any = {"tracer_provider": Ours()}
    with anthropic.Anthropic(
        base_url=provider.anthropic_url, api_key="unused", open_telemetry=options
    ) as client:
        client.messages.create(**ASKED)
    assert [span.name for span in recorder.spans] == ["alex.llm.generate"]
