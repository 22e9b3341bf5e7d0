"""What is wrong with us, or stranger than we thought, changes nothing for the caller."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest
from google import genai
from instrumentation_kit import Recorder, facts_of, shown

from alexobs import semconv
from alexobs.instrumentation import InstrumentedLLMClient, packages
from alexobs.instrumentation.call import LLMCall, Operation
from alexobs.instrumentation.providers import google_genai
from alexobs.instrumentation.providers.openai import CHAT, FAMILY
from alexobs.instrumentation.stainless import methods

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alexobs.records import CallFacts
    from alexobs.testing.provider import ScriptedProvider

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def broken(body: Mapping[str, Any], facts: CallFacts) -> None:
    raise LookupError("a body that we do not understand")


@contextlib.contextmanager
def expected_faults(recorder: Recorder, *kinds: type[BaseException]) -> Iterator[None]:
    yield
    assert [type(error) for _, error in recorder.faults] == list(kinds)
    recorder.faults.clear()


def test_one_part_that_cannot_be_read_leaves_the_others_whole(recorder: Recorder) -> None:
    operation = CHAT._replace(read_response=broken)
    with expected_faults(recorder, LookupError):
        with LLMCall(recorder, operation, body={"model": "m", "messages": MESSAGES}) as call:
            pass
        call.answer({"id": "1"})
        assert recorder.facts.request_model == "m"
        assert recorder.facts.status == "success"
        assert semconv.GEN_AI_INPUT_MESSAGES in recorder.facts.content


def test_chunks_that_cannot_be_folded_are_let_go(recorder: Recorder) -> None:
    class BrokenFold:
        complete = False
        error = ""

        def add(self, event: Mapping[str, Any]) -> None:
            raise LookupError("a chunk that we do not understand")

        def response(self) -> Mapping[str, Any]:
            return {}

    operation = Operation("chat", lambda _: "p", CHAT.read_request, CHAT.read_response, BrokenFold)
    call = LLMCall(recorder, operation)
    with expected_faults(recorder, LookupError), call:
        for number in range(300):
            call.chunk({"n": number})
    call.finish()
    assert len(call.chunks) < 257


@pytest.mark.parametrize("options", [SimpleNamespace(), SimpleNamespace(method=1, url=2)])
def test_a_request_of_another_version_goes_through(options: Any, recorder: Recorder) -> None:
    factory = methods(FAMILY, asynchronous=False)["request"]
    request = factory(lambda *_args, **_kwargs: "answer", recorder)
    assert request(object(), None, options) == "answer"
    recorder.faults.clear()
    assert recorder.spans == []


def test_a_stream_of_an_unknown_kind_is_returned_as_it_is(recorder: Recorder) -> None:
    factory = methods(FAMILY, asynchronous=False)["request"]
    stream = object()
    request = factory(lambda *_args, **_kwargs: stream, recorder)
    options = SimpleNamespace(method="post", url="/chat/completions", json_data={"model": "m"})
    client = SimpleNamespace(_base_url="https://api.openai.com/v1")
    with expected_faults(recorder, AttributeError):
        assert request(client, None, options, stream=True) is stream
    assert recorder.facts.request_model == "m"


def test_a_google_request_of_another_version_goes_through(recorder: Recorder) -> None:
    factory = google_genai.API_CLIENT["request"]
    request = factory(lambda *_args, **_kwargs: "answer", recorder)
    with expected_faults(recorder, AttributeError):
        assert request(object(), "post", "models/m:generateContent", {}) == "answer"
    assert recorder.spans == []


async def test_async_retries(provider: ScriptedProvider, recorder: Recorder) -> None:
    provider.fail(500, retry_after_s=0.01).reply("Hello")
    bare = openai.AsyncOpenAI(base_url=provider.openai_url, api_key="unused")
    async with InstrumentedLLMClient(bare, recorder) as client:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    assert recorder.facts.attributes["alex.llm.attempts"] == 2
    (event,) = recorder.span.events
    assert event.attributes is not None
    assert event.attributes["alex.llm.attempt.cause"] == "500"


async def test_async_retries_of_google(provider: ScriptedProvider, recorder: Recorder) -> None:
    provider.fail(503).reply("Hello")
    retry = {"attempts": 2, "initial_delay": 0.01, "max_delay": 0.02}
    options: Any = {"base_url": provider.google_url, "retry_options": retry}
    client = InstrumentedLLMClient(genai.Client(api_key="unused", http_options=options), recorder)
    await client.aio.models.generate_content(model="m", contents="Hi")
    assert recorder.facts.attributes["alex.llm.attempts"] == 2
    assert len(recorder.span.events) == 1
    await client.aio.aclose()


def test_pieces_with_a_usage_are_put_together(recorder: Recorder) -> None:
    class Message:
        def __init__(self, content: str, usage: dict[str, int] | None = None) -> None:
            self.content = content
            self.usage_metadata = usage

    class Model:
        model_name = "chat-1"

        def stream(self, _messages: Any) -> Iterator[Message]:
            yield Message("Hel")
            yield Message("lo", {"input_tokens": 3, "output_tokens": 2})

    client = InstrumentedLLMClient(Model(), recorder)
    assert len(list(client.stream([{"role": "human", "content": "Hi"}]))) == 2
    facts = recorder.facts
    assert facts.request_model == "chat-1"
    assert facts.usage is not None
    assert facts.usage[:2] == (3, 2)
    (asked,) = shown(facts, semconv.GEN_AI_INPUT_MESSAGES)
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    (said,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert said["parts"] == [{"type": "text", "content": "Hello"}]


def test_answers_in_a_providers_form_are_read_as_such(recorder: Recorder) -> None:
    answer = {
        "object": "chat.completion",
        "model": "m-1",
        "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 1},
    }
    client = InstrumentedLLMClient(SimpleNamespace(ask=lambda _: answer), recorder)
    assert client.ask("Hi") is answer
    assert recorder.facts.response_model == "m-1"
    assert recorder.facts.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert recorder.facts.usage is not None
    assert recorder.facts.usage[:2] == (4, 1)


def test_a_span_that_is_read_early_is_whole_later(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    packages.instrument("openai", obs=recorder)
    provider.reply("Hello there, you")
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        call: Any = stream._iterator._recorder  # type: ignore[attr-defined]
        next(stream)
        assert call.facts().request_model == "m"
        list(stream)
    (said,) = shown(facts_of(recorder.span), semconv.GEN_AI_OUTPUT_MESSAGES)
    assert said["parts"] == [{"type": "text", "content": "Hello there, you"}]
