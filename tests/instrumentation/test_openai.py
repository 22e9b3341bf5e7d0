from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from instrumentation_kit import Recorder, facts_of, shown
from pydantic import BaseModel

from alexobs import semconv
from alexobs.instrumentation import packages
from alexobs.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from alexobs.testing.provider import ScriptedProvider

MESSAGES: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
TOKENS = Usage(input_tokens=900, output_tokens=50, cache_read_tokens=600, reasoning_tokens=20)


def provider_has_request(provider: ScriptedProvider) -> None:
    while not provider.requests:
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def instrumented(recorder: Recorder) -> None:
    packages.instrument("openai", obs=recorder)


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused", max_retries=2) as made:
        yield made


@pytest.fixture
async def async_client(provider: ScriptedProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused") as made:
        yield made


def test_a_response_that_keeps_no_body_is_read_by_the_sdks_own_objects(
    provider: ScriptedProvider,
    client: openai.OpenAI,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import httpx2  # noqa: PLC0415 - what this version of the package uses

    real = httpx2.Response.content

    def content(response: Any) -> Any:
        if sys._getframe(1).f_code.co_name == "process_response":
            raise httpx2.ResponseNotRead
        return real.fget(response)

    provider.reply("Hello", usage=TOKENS)
    monkeypatch.setattr(httpx2.Response, "content", property(content))
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello"
    assert recorder.facts.usage is not None
    assert recorder.facts.usage[:5] == TOKENS[:5]
    assert [where for where, _ in recorder.faults] == ["body"]
    recorder.faults.clear()


def test_a_chat_call(provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder) -> None:
    provider.reply("Hello", usage=TOKENS)
    answer = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, temperature=0.5, max_tokens=9, stop="END", seed=4
    )
    assert answer.choices[0].message.content == "Hello"
    facts = recorder.facts
    assert (facts.status, facts.provider, facts.kind) == ("success", "openai", "llm")
    assert (facts.request_model, facts.response_model) == ("gpt-4o", "gpt-4o")
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    assert facts.usage.raw is not None
    assert facts.usage.raw["prompt_tokens_details"]["cached_tokens"] == 600
    assert (
        facts.attributes
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 9,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.seed": 4,
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.id": answer.id,
            "server.address": "127.0.0.1",
        }
        == facts.attributes
    )
    assert shown(facts, semconv.GEN_AI_INPUT_MESSAGES) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
    ]
    assert shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "Hello"}],
            "finish_reason": "stop",
        }
    ]


def test_what_the_agent_does_to_its_messages_later_is_not_seen(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "before"}]}]
    provider.reply("Hello")
    client.chat.completions.create(model="gpt-4o", messages=messages)
    messages[0]["content"][0]["text"] = "after"
    messages.append({"role": "assistant", "content": "Hello"})
    assert shown(recorder.facts, semconv.GEN_AI_INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "before"}]}
    ]


def test_tool_calls_and_their_results(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.tool_call("read_file", {"path": "a.py"})
    tool: Any = {"type": "function", "function": {"name": "read_file", "parameters": {}}}
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=[tool])
    assert answer.choices[0].message.tool_calls
    call_id = answer.choices[0].message.tool_calls[0].id
    facts = recorder.facts
    call = {
        "type": "tool_call",
        "id": call_id,
        "name": "read_file",
        "arguments": {"path": "a.py"},
    }
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [call]
    assert shown(facts, semconv.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "read_file", "parameters": {}}
    ]
    provider.reply("Done")
    recorder.spans.clear()
    history: Any = [
        answer.choices[0].message,
        {"role": "tool", "tool_call_id": call_id, "content": "print()"},
    ]
    client.chat.completions.create(model="gpt-4o", messages=history)
    assert shown(recorder.facts, semconv.GEN_AI_INPUT_MESSAGES) == [
        {"role": "assistant", "parts": [call]},
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": call_id, "response": "print()"}],
        },
    ]


def test_a_stream_is_the_sdks_own_and_its_span_has_everything(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello streaming world", usage=TOKENS)
    stream = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert type(stream) is openai.Stream
    assert recorder.spans == []
    chunks = list(stream)
    facts = recorder.facts
    assert facts.status == "success"
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    assert facts.output_chunks == len(chunks)
    assert facts.time_to_first_chunk_s is not None
    assert facts.time_to_first_chunk_s > 0
    assert facts.attributes["gen_ai.request.stream"] is True
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [{"type": "text", "content": "Hello streaming world"}]


def test_a_streamed_tool_call_is_put_together(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.tool_call("read_file", {"path": "a long path to be cut into pieces.py"})
    list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    (output,) = shown(recorder.facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    (part,) = output["parts"]
    assert part["name"] == "read_file"
    assert part["arguments"] == {"path": "a long path to be cut into pieces.py"}
    assert output["finish_reason"] == "tool_call"


@pytest.mark.parametrize("way", ["close", "with", "drop", "drop unread"])
def test_an_abandoned_stream_is_cancelled(
    way: str, provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("A text that is longer than what is read of it")
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    response = stream.response
    if way != "drop unread":
        next(stream)
        next(stream)
    if way == "close":
        stream.close()
    elif way == "with":
        with stream:
            pass
    if way in {"close", "with"}:
        assert response.is_closed
    del stream, response
    gc.collect()
    facts = recorder.facts
    assert facts.status == "cancelled"
    if way != "drop unread":
        (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
        assert output["parts"][0]["content"].startswith("A ")


def test_a_stream_closed_after_its_last_word_is_a_success(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello")
    with client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    assert recorder.facts.status == "success"


def test_a_cut_stream_is_an_error_and_raises_as_before(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.cut_after(2)
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(Exception, match=r".") as raised:  # its type differs between 2.x and 3.x
        list(stream)
    facts = recorder.facts
    assert facts.status == "error"
    assert facts.error_type == f"{raised.type.__module__}.{raised.type.__qualname__}"


def test_an_error_event_in_a_stream(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.error_after(2)
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "openai.APIError"


def test_stream_managers_give_one_span(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello manager")
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello manager"
    assert recorder.facts.status == "success"


def test_a_stream_manager_left_early_ends_its_span_at_once(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello manager, this is long enough")
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as stream:
        next(stream)
    assert recorder.facts.status == "cancelled"


def test_a_parsed_answer(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    class Answer(BaseModel):
        number: int

    provider.structured({"number": 7})
    parsed = client.chat.completions.parse(
        model="gpt-4o", messages=MESSAGES, response_format=Answer
    )
    assert parsed.choices[0].message.parsed == Answer(number=7)
    facts = recorder.facts
    assert facts.attributes["gen_ai.output.type"] == "json"
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [{"type": "text", "content": '{"number": 7}'}]


def test_an_answer_that_does_not_parse_was_paid_for(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    class Answer(BaseModel):
        number: int

    provider.reply('{"number"', finish="length", usage=TOKENS)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Answer)
    facts = recorder.facts
    assert facts.status == "error"
    assert facts.usage is not None
    assert facts.usage.output_tokens == 50


def test_raw_responses_stay_lazy(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello", usage=TOKENS)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "Hello"
    assert recorder.facts.usage is not None
    assert recorder.facts.usage[:5] == TOKENS[:5]


def test_a_raw_response_of_a_stream(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello raw stream", usage=TOKENS)
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    stream = raw.parse()
    assert type(stream) is openai.Stream
    assert recorder.spans == []
    list(stream)
    facts = recorder.facts
    assert facts.status == "success"
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [{"type": "text", "content": "Hello raw stream"}]


@pytest.mark.parametrize("read", ["json", "parse", "iter_lines", "nothing"])
def test_streaming_responses(
    read: str, provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello", usage=TOKENS)
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=MESSAGES
    ) as response:
        assert not response.is_closed
        assert recorder.spans == []
        if read == "json":
            assert response.json()
        elif read == "parse":
            assert response.parse().choices[0].message.content == "Hello"
        elif read == "iter_lines":
            assert list(response.iter_lines())
    facts = recorder.facts
    if read == "nothing":
        assert facts.status == "cancelled"
        return
    assert facts.status == "success"
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]


def test_retries_are_data_in_one_span(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.fail(429, retry_after_s=0.01).reset().reply("Hello")
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    facts = recorder.facts
    assert facts.status == "success"
    assert facts.attributes["alex.llm.attempts"] == 3
    first, second = recorder.span.events
    assert first.name == second.name == "alex.llm.attempt"
    assert first.attributes is not None
    assert second.attributes is not None
    assert first.attributes["alex.llm.attempt.number"] == 1
    assert first.attributes["alex.llm.attempt.max"] == 3
    assert first.attributes["alex.llm.attempt.cause"] == "429"
    assert second.attributes["alex.llm.attempt.number"] == 2
    assert second.attributes["alex.llm.attempt.cause"].endswith("Error")
    assert first.attributes["alex.llm.attempt.delay"] >= 0.01


def test_errors_are_raised_unchanged(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.fail(400, "No such thing.").fail(400, "No such thing.")
    with pytest.raises(openai.BadRequestError) as seen:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    packages.uninstrument()
    with pytest.raises(openai.BadRequestError) as bare:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert str(seen.value) == str(bare.value)
    assert seen.value.__cause__ is None
    assert len(seen.traceback) == len(bare.traceback) + 1
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "openai.BadRequestError"


def test_responses(provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder) -> None:
    provider.reply("Hello", usage=TOKENS, reasoning="Let me think.")
    answer = client.responses.create(
        model="gpt-5", input="Hi", instructions="Be brief.", reasoning={"effort": "low"}
    )
    facts = recorder.facts
    assert facts.usage is not None
    assert facts.usage[:5] == TOKENS[:5]
    assert facts.attributes["gen_ai.request.reasoning.level"] == "low"
    assert facts.attributes["gen_ai.response.id"] == answer.id
    assert shown(facts, semconv.GEN_AI_SYSTEM_INSTRUCTIONS) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert shown(facts, semconv.GEN_AI_INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert [part["type"] for part in output["parts"]] == ["reasoning", "text"]


def test_a_stored_response_is_shown_and_not_billed(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello", usage=TOKENS)
    stored = client.responses.create(model="gpt-5", input="Hi")
    client.responses.retrieve(stored.id)
    first, second = map(facts_of, recorder.spans)
    assert first.billed
    assert not second.billed
    assert second.usage is not None
    assert second.usage[:5] == TOKENS[:5]
    assert second.request_model == "gpt-5"


def test_streamed_responses(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("Hello responses", usage=TOKENS).reply("Cut short of its end", usage=TOKENS)
    with client.responses.stream(model="gpt-5", input="Hi") as stream:
        assert stream.get_final_response().output_text == "Hello responses"
    cut = client.responses.create(model="gpt-5", input="Hi", stream=True)
    for event in cut:
        if event.type == "response.output_text.delta":
            break
    cut.close()
    whole, part = map(facts_of, recorder.spans)
    assert whole.status == "success"
    assert whole.usage is not None
    assert whole.usage[:5] == TOKENS[:5]
    assert part.status == "cancelled"
    (output,) = shown(part, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"][0]["content"].startswith("Cut")


def test_embeddings(provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder) -> None:
    provider.embedding([0.1, 0.2, 0.3], usage=Usage(input_tokens=5))
    client.embeddings.create(model="text-embedding-3-small", input=["a"], dimensions=3)
    facts = recorder.facts
    assert facts.kind == "embedding"
    assert facts.attributes["gen_ai.operation.name"] == "embeddings"
    assert facts.attributes["gen_ai.embeddings.dimension.count"] == 3
    assert facts.usage is not None
    assert facts.usage.input_tokens == 5


async def test_async_calls_and_streams(
    provider: ScriptedProvider, async_client: openai.AsyncOpenAI, recorder: Recorder
) -> None:
    provider.reply("One").reply("Two of them", usage=TOKENS).reply("Three of them are more")
    await async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    stream = await async_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert type(stream) is openai.AsyncStream
    async for _ in stream:
        pass
    async with async_client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as manager:
        async for _ in manager:
            break
    one, two, three = map(facts_of, recorder.spans)
    assert [one.status, two.status, three.status] == ["success", "success", "cancelled"]
    assert two.usage is not None
    assert two.usage[:5] == TOKENS[:5]


async def test_a_cancelled_task_is_cancelled_and_no_error(
    provider: ScriptedProvider, async_client: openai.AsyncOpenAI, recorder: Recorder
) -> None:
    provider.reply("Late", first_byte_after_s=30.0)
    task = asyncio.create_task(
        async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    )
    await asyncio.to_thread(provider_has_request, provider)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.facts.status == "cancelled"
    assert recorder.facts.error_type == ""
    assert recorder.span.status.status_code.name == "UNSET"


def test_a_long_stream_is_held_in_bounded_memory(
    provider: ScriptedProvider, client: openai.OpenAI, recorder: Recorder
) -> None:
    text = "word " * 3000
    provider.reply(text)
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    held = 0
    for _ in stream:
        call: Any = stream._iterator._recorder  # type: ignore[attr-defined]
        held = max(held, len(call.chunks))
    facts = recorder.facts
    assert held <= 257
    assert facts.output_chunks > 1000
    (output,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert output["parts"] == [{"type": "text", "content": text}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("off", {}),
        (
            "metadata",
            {
                "gen_ai.input.messages": [
                    {"role": "system", "parts": [{"type": "text", "size": 9}]},
                    {"role": "user", "parts": [{"type": "text", "size": 2}]},
                ],
                "gen_ai.output.messages": [
                    {
                        "role": "assistant",
                        "parts": [{"type": "text", "size": 5}],
                        "finish_reason": "stop",
                    }
                ],
            },
        ),
    ],
)
def test_less_content_is_captured_when_asked(
    content: Any,
    expected: Any,
    provider: ScriptedProvider,
    client: openai.OpenAI,
    recorder: Recorder,
) -> None:
    recorder.content = content
    provider.reply("Hello")
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    facts = recorder.facts
    assert {key: shown(facts, key) for key in facts.content} == expected
