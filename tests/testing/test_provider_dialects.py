from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from alexobs.records import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.testing.provider import ScriptedProvider

ASK: list[Any] = [{"role": "user", "content": "hi"}]
ARGUMENTS = {"path": "über.py", "lines": [1, 2]}
USAGE = Usage(
    input_tokens=100,
    output_tokens=50,
    cache_read_tokens=60,
    cache_write_tokens=20,
    cache_write_1h_tokens=5,
    reasoning_tokens=10,
)


def script_everything(provider: ScriptedProvider) -> None:
    provider.tool_call("read", ARGUMENTS, text="hello there", reasoning="let me see", usage=USAGE)


@pytest.fixture
def responses(provider: ScriptedProvider) -> Iterator[Any]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        yield client.responses


@pytest.fixture
def messages(provider: ScriptedProvider) -> Iterator[Any]:
    with anthropic.Anthropic(
        base_url=provider.anthropic_url, api_key="unused", max_retries=0
    ) as client:
        yield client.messages


@pytest.fixture
def models(provider: ScriptedProvider) -> Iterator[Any]:
    options: Any = {"base_url": provider.google_url}
    with genai.Client(api_key="unused", http_options=options) as client:
        yield client.models


# -- OpenAI responses ---------------------------------------------------------------------------
def test_responses_stream_to_the_same_answer_as_plain(
    provider: ScriptedProvider, responses: Any
) -> None:
    script_everything(provider)
    script_everything(provider)

    plain = responses.create(model="m", input="hi")
    with responses.stream(model="m", input="hi") as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()

    assert [item.type for item in plain.output] == ["reasoning", "message", "function_call"]
    assert plain.output_text == streamed.output_text == "hello there"
    assert plain.output[2].arguments == streamed.output[2].arguments
    assert plain.usage == streamed.usage
    assert plain.usage.input_tokens_details.cached_tokens == 60
    assert plain.usage.input_tokens_details.cache_write_tokens == 20
    assert plain.usage.output_tokens_details.reasoning_tokens == 10
    assert plain.usage.total_tokens == 150
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"


def test_a_response_can_be_fetched_again(provider: ScriptedProvider, responses: Any) -> None:
    provider.reply("kept")
    made = responses.create(model="m", input="hi")
    assert responses.retrieve(made.id) == made
    with pytest.raises(openai.NotFoundError, match="has stored nothing"):
        responses.retrieve("resp_unknown")
    assert provider.remaining == 0


def test_a_response_cut_by_length_is_incomplete(provider: ScriptedProvider, responses: Any) -> None:
    provider.reply("too lo", finish="length").reply("too lo", finish="length")
    answer = responses.create(model="m", input="hi")
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    *_, last = responses.create(model="m", input="hi", stream=True)
    assert last.type == "response.incomplete"


def test_a_response_stream_can_end_in_an_error_event(
    provider: ScriptedProvider, responses: Any
) -> None:
    provider.error_after(2)
    events = list(responses.create(model="m", input="hi", stream=True))
    assert [event.type for event in events][-1] == "error"
    assert events[-1].message == "Overloaded"


# -- Anthropic messages -------------------------------------------------------------------------
def test_messages_stream_to_the_same_answer_as_plain(
    provider: ScriptedProvider, messages: Any
) -> None:
    script_everything(provider)
    script_everything(provider)

    plain = messages.create(model="m", max_tokens=9, messages=ASK)
    with messages.stream(model="m", max_tokens=9, messages=ASK) as stream:
        streamed = stream.get_final_message()

    assert [block.type for block in plain.content] == ["thinking", "text", "tool_use"]
    assert plain.content[2].input == streamed.content[2].input == ARGUMENTS
    assert streamed.content[0].thinking == "let me see"
    assert plain.stop_reason == streamed.stop_reason == "tool_use"
    assert plain.usage == streamed.usage


def test_messages_usage_is_in_anthropics_arithmetic(
    provider: ScriptedProvider, messages: Any
) -> None:
    script_everything(provider)
    usage = messages.create(model="m", max_tokens=9, messages=ASK).usage
    assert usage.input_tokens == 20  # neither read from nor written to a cache
    assert usage.cache_read_input_tokens == 60
    assert usage.cache_creation_input_tokens == 20
    assert usage.cache_creation.ephemeral_5m_input_tokens == 15
    assert usage.cache_creation.ephemeral_1h_input_tokens == 5
    assert usage.output_tokens == 50
    assert usage.output_tokens_details.thinking_tokens == 10


def test_anthropics_own_529_and_its_error_event(provider: ScriptedProvider, messages: Any) -> None:
    provider.fail(529).error_after(2)
    with pytest.raises(anthropic.APIStatusError) as failed:
        messages.create(model="m", max_tokens=9, messages=ASK)
    assert failed.value.status_code == 529
    stream = messages.create(model="m", max_tokens=9, messages=ASK, stream=True)
    assert next(stream).type == "message_start"
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        list(stream)


def test_a_stop_sequence_is_named(provider: ScriptedProvider, messages: Any) -> None:
    provider.reply("1 2 3", finish="stop_sequence")
    answer = messages.create(model="m", max_tokens=9, messages=ASK, stop_sequences=["END"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "END")


# -- Gemini --------------------------------------------------------------------------------------
def test_gemini_streams_to_the_same_answer_as_plain(
    provider: ScriptedProvider, models: Any
) -> None:
    script_everything(provider)
    script_everything(provider)

    plain = models.generate_content(model="gemini-x", contents="hi")
    chunks = list(models.generate_content_stream(model="gemini-x", contents="hi"))

    parts = plain.candidates[0].content.parts
    assert [part.text for part in parts] == ["let me see", "hello there", None]
    assert [part.thought for part in parts] == [True, None, None]
    assert parts[2].function_call.args == ARGUMENTS
    streamed = [chunk.candidates[0].content.parts[0] for chunk in chunks]
    text = "".join(part.text for part in streamed if part.text and not part.thought)
    assert text == "hello there"
    assert streamed[-1].function_call.args == ARGUMENTS
    assert chunks[-1].usage_metadata == plain.usage_metadata
    assert provider.requests[1].stream
    assert provider.requests[1].model == "gemini-x"


def test_gemini_usage_is_in_googles_arithmetic(provider: ScriptedProvider, models: Any) -> None:
    script_everything(provider)
    usage = models.generate_content(model="m", contents="hi").usage_metadata
    assert usage.prompt_token_count == 100
    assert usage.cached_content_token_count == 60
    assert usage.candidates_token_count == 40  # thoughts are counted beside them
    assert usage.thoughts_token_count == 10
    assert usage.total_token_count == 150


def test_gemini_failures_and_error_events(provider: ScriptedProvider, models: Any) -> None:
    provider.fail(429, "slow down").error_after(1)
    with pytest.raises(genai_errors.ClientError, match=r"RESOURCE_EXHAUSTED.*slow down"):
        models.generate_content(model="m", contents="hi")
    stream = models.generate_content_stream(model="m", contents="hi")
    next(stream)
    with pytest.raises(genai_errors.ServerError, match="UNAVAILABLE"):
        next(stream)


def test_gemini_embeddings(provider: ScriptedProvider, models: Any) -> None:
    provider.embedding().embedding([0.5, 0.25])
    assert len(models.embed_content(model="e", contents=["a", "b"]).embeddings) == 2
    assert models.embed_content(model="e", contents="a").embeddings[0].values == [0.5, 0.25]


# -- all -----------------------------------------------------------------------------------------
async def test_async_clients_of_all_three_providers(provider: ScriptedProvider) -> None:
    provider.reply("one").reply("two").reply("three")
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused") as client:
        answer = await client.responses.create(model="m", input="hi")
        assert answer.output_text == "one"
    async with (
        anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="unused") as claude,
        claude.messages.stream(model="m", max_tokens=9, messages=ASK) as stream,
    ):
        assert await stream.get_final_text() == "two"
    options: Any = {"base_url": provider.google_url}
    async with genai.Client(api_key="unused", http_options=options).aio as gemini:
        chunks = await gemini.models.generate_content_stream(model="m", contents="hi")
        assert "".join([chunk.text or "" async for chunk in chunks]) == "three"


def test_an_unknown_path_is_refused_with_its_name(provider: ScriptedProvider) -> None:
    provider.reply("not for this one")
    answer = httpx.post(f"{provider.url}/v9/other", json={})
    assert answer.status_code == 404
    assert "knows no API at this path: request 1 (POST /v9/other" in answer.text
    assert provider.remaining == 1


def test_it_serves_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "alexobs.testing", "--text", "from afar"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.post(f"{url}/v1/chat/completions", json={"model": "m"})
        assert answer.json()["choices"][0]["message"]["content"] == "from afar"
        process.communicate("")
    assert process.returncode == 0
