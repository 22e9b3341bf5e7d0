from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from alexobs.records import Usage
from alexobs.testing.provider import ProviderRequest, Reply, ScriptedProvider, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK: list[Any] = [{"role": "user", "content": "hi"}]


class City(BaseModel):
    name: str


# Version 2 of the package lets its transport's own errors through in the middle of a stream.
BROKEN = (openai.APIConnectionError, httpx.TransportError)
USAGE = Usage(input_tokens=900, output_tokens=50, cache_read_tokens=600, reasoning_tokens=20)


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        yield client


def test_plain_answer_carries_text_and_usage_in_openais_arithmetic(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    provider.reply("hello", usage=USAGE)

    answer = client.chat.completions.create(model="gpt-x", messages=ASK)

    assert answer.choices[0].message.content == "hello"
    assert answer.model == "gpt-x"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 900
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 600
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 20


def test_usage_is_streamed_only_when_asked_for(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    provider.reply("hello", usage=USAGE).reply("hello", usage=USAGE)

    without = list(client.chat.completions.create(model="m", messages=ASK, stream=True))
    options: Any = {"include_usage": True}
    with_usage = list(
        client.chat.completions.create(model="m", messages=ASK, stream=True, stream_options=options)
    )

    assert [chunk.usage for chunk in without] == [None] * len(without)
    assert with_usage[-1].choices == []
    assert with_usage[-1].usage is not None
    assert with_usage[-1].usage.total_tokens == 950


def test_the_sdks_accumulator_puts_streamed_tool_arguments_together(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    calls = [ToolCall("read", {"path": "über.py"}), ToolCall("run", {"seconds": 1.5})]
    provider.tool_calls(calls, chunk_chars=3)

    with client.chat.completions.stream(model="m", messages=ASK) as stream:
        message = stream.get_final_completion().choices[0].message

    assert message.tool_calls is not None
    got = [(call.function.name, call.function.arguments) for call in message.tool_calls]
    assert got == [(call.name, call.arguments_json) for call in calls]


def test_structured_output_parses(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    provider.structured({"name": "Bern"})
    answer = client.chat.completions.parse(model="m", messages=ASK, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Bern")


def test_a_429_is_retried_by_the_sdk(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    provider.fail(429, retry_after_s=0.01).reply("second")

    answer = client.chat.completions.create(model="m", messages=ASK)

    assert answer.choices[0].message.content == "second"
    counts = [request.http.headers["x-stainless-retry-count"] for request in provider.requests]
    assert counts == ["0", "1"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_failures_arrive_as_the_sdks_own_exceptions(
    provider: ScriptedProvider, client: openai.OpenAI, status: int, error: type[Exception]
) -> None:
    provider.fail(status, "no luck")
    with pytest.raises(error, match="no luck"):
        client.with_options(max_retries=0).chat.completions.create(model="m", messages=ASK)


def test_a_cut_stream_gives_its_first_chunks_and_then_a_connection_error(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    provider.cut_after(3, "hello there")
    seen: list[Any] = []
    with pytest.raises(BROKEN):
        seen.extend(client.chat.completions.create(model="m", messages=ASK, stream=True))
    provider.cut_after(3, "hello there")
    stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "hello th", "ere"]
    stream.close()


def test_an_error_event_ends_the_stream(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    provider.error_after(1)
    stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
    next(stream)
    with pytest.raises(openai.APIError, match="Overloaded"):
        next(stream)


def test_malformed_and_reset_answers(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    once = client.with_options(max_retries=0)
    provider.malformed().reset().reply("cut", cut_after_chunks=0)
    with pytest.raises(ValueError, match=r"Expecting|EOF"):
        once.chat.completions.create(model="m", messages=ASK)
    for _ in range(2):
        with pytest.raises(openai.APIConnectionError):
            once.chat.completions.create(model="m", messages=ASK)


def test_slow_answers_run_into_the_clients_timeout(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    hasty = client.with_options(timeout=0.05, max_retries=0)
    provider.reply("late", first_byte_after_s=30).reply("slow", chunk_every_s=30)
    with pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model="m", messages=ASK)
    stream = hasty.chat.completions.create(model="m", messages=ASK, stream=True)
    next(stream)
    with pytest.raises(BROKEN):
        next(stream)


def test_an_exhausted_script_names_the_request_and_is_not_retried(
    provider: ScriptedProvider, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError, match=r"no reply left for request 1 \(POST /v1/ch"):
        client.chat.completions.create(model="m", messages=ASK)
    assert len(provider.requests) == 1


def test_a_function_can_answer(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    def decide(request: ProviderRequest) -> Reply | str:
        return f"you said {request.json['messages'][-1]['content']}"

    provider.replies_by(decide)
    answer = client.chat.completions.create(model="m", messages=ASK)
    assert answer.choices[0].message.content == "you said hi"


def test_a_fixed_reply_never_runs_out(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    provider.always("ok")
    for _ in range(3):
        answer = client.chat.completions.create(model="m", messages=ASK)
        assert answer.choices[0].message.content == "ok"
        stream = client.chat.completions.create(model="m", messages=ASK, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == "ok"


def test_embeddings(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    provider.embedding().embedding([0.25, 0.5], usage=Usage(input_tokens=7))
    many = client.embeddings.create(model="e", input=["a", "b"], dimensions=5)
    assert [len(item.embedding) for item in many.data] == [5, 5]
    one = client.embeddings.create(model="e", input="a", encoding_format="float")
    assert one.data[0].embedding == [0.25, 0.5]
    assert one.usage.prompt_tokens == 7


async def test_async_streams(provider: ScriptedProvider) -> None:
    provider.reply("hello there")
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused") as client:
        stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
        text = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(text) == "hello there"
