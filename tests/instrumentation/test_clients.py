from __future__ import annotations

import copy
import gc
import pickle
from typing import TYPE_CHECKING, Any, Self

import anthropic
import openai
import pytest
from google import genai
from instrumentation_kit import Recorder, facts_of, shown

from alexobs import semconv
from alexobs.errors import InstrumentationError
from alexobs.instrumentation import InstrumentedLLMClient, instrument_object, packages, tool
from alexobs.records import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.testing.provider import ScriptedProvider

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def bare(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as made:
        yield made


def ask(client: openai.OpenAI) -> str | None:
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    return answer.choices[0].message.content


def test_a_wrapped_client_is_of_its_class_and_the_bare_one_stays_bare(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    provider.reply("One").reply("Two")
    resource = bare.chat
    client = InstrumentedLLMClient(bare, recorder)
    assert isinstance(client, openai.OpenAI)
    assert isinstance(client, InstrumentedLLMClient)
    assert not isinstance(bare, InstrumentedLLMClient)
    assert type(client).__qualname__ == "OpenAI"
    assert client.base_url == bare.base_url
    assert InstrumentedLLMClient(client, recorder) is client
    assert ask(bare) == "One"
    assert recorder.spans == []
    assert ask(client) == "Two"
    assert recorder.facts.status == "success"
    assert bare.chat is resource


def clients_of_anthropic() -> Iterator[Any]:
    """Yield one client of each class; some make their resources in the constructor."""
    for way in ("", "Async"):
        named = {name: getattr(anthropic, f"{way}Anthropic{name}") for name in NAMES if name}
        key: Any = {"api_key": "unused", "base_url": "http://127.0.0.1:9"}
        yield getattr(anthropic, f"{way}Anthropic")(**key)
        yield named["Foundry"](**key)
        yield named["BedrockMantle"](**key, aws_region="us-east-1")
        yield named["AWS"](**key, aws_region="us-east-1", workspace_id="w")
        yield named["Bedrock"](aws_region="us-east-1", aws_access_key="a", aws_secret_key="b")
        yield named["Vertex"](region="us-east5", project_id="p", access_token="unused")


NAMES = ("", "AWS", "Bedrock", "BedrockMantle", "Foundry", "Vertex")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_wrapped_client_of_any_class_has_what_the_bare_one_has(recorder: Recorder) -> None:
    for bare in clients_of_anthropic():
        client = InstrumentedLLMClient(bare, recorder)
        assert set(dir(client)) - set(dir(bare)) == {"_alexobs_instruments"}, bare
        assert set(dir(bare)) <= set(dir(client)), bare
        for resource in (client.messages, client.beta, client.beta.messages):
            assert resource._client is client, bare


def test_what_is_made_of_a_wrapped_client_is_wrapped(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    client = InstrumentedLLMClient(bare, recorder)
    for made in (client.with_options(max_retries=0), client.copy(), copy.copy(client)):
        provider.reply("Hello").reply("Raw").reply("Streamed")
        ask(made)
        made.with_raw_response.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        list(made.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
        assert len(recorder.spans) == 3
        recorder.spans.clear()


def test_a_wrapped_client_of_a_patched_package_gives_one_span(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    packages.instrument("openai", obs=recorder)
    provider.reply("Hello")
    ask(InstrumentedLLMClient(bare, recorder))
    assert len(recorder.spans) == 1


def test_a_wrapped_anthropic_client_counts_attempts(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    provider.fail(529, retry_after_s=0.01).reply("Hello")
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="unused") as bare:
        client = InstrumentedLLMClient(bare, recorder)
        client.messages.create(model="claude-opus-9", max_tokens=9, messages=MESSAGES)
    assert recorder.facts.attributes["alex.llm.attempts"] == 2


async def test_a_wrapped_google_client_and_its_aio(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    asked: Any = {"model": "gemini-2.5-flash", "contents": "Hi"}
    bare = genai.Client(api_key="unused", http_options={"base_url": provider.google_url})  # type: ignore[arg-type]
    client = InstrumentedLLMClient(bare, recorder)
    assert isinstance(client, genai.Client)
    provider.reply("One").reply("Two").reply("Three")
    bare.models.generate_content(**asked)
    assert recorder.spans == []
    del bare
    gc.collect()  # the connections belong to the bare client, which the wrapped one holds
    client.models.generate_content(**asked)
    await client.aio.models.generate_content(**asked)
    assert [facts_of(span).status for span in recorder.spans] == ["success", "success"]
    await client.aio.aclose()


def test_a_wrapped_google_client_observes_interactions(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    bare = genai.Client(api_key="unused", http_options={"base_url": provider.google_url})  # type: ignore[arg-type]
    client = InstrumentedLLMClient(bare, recorder)
    with pytest.raises(Exception, match="404"):
        client.interactions.get(id="absent")
    assert recorder.facts.status == "error"
    assert not recorder.facts.billed
    assert client.interactions is client.interactions


class Local:
    """A client of somebody's own."""

    model = "local-1"

    def __init__(self) -> None:
        self.closed = False

    def complete(self, prompt: str, *, temperature: float = 1.0) -> dict[str, Any]:
        if prompt == "fail":
            raise ValueError("no answer")
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        return {"text": prompt.upper(), "usage": usage}

    async def acomplete(self, prompt: str) -> str:
        return prompt.upper()

    def stream(self, prompt: str) -> Iterator[str]:
        yield from prompt

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Local)

    def __hash__(self) -> int:
        return 1


def test_any_object_that_completes_prompts(recorder: Recorder) -> None:
    local = Local()
    client = InstrumentedLLMClient(local, recorder, provider="mine")
    assert isinstance(client, Local)
    assert client == local
    assert hash(client) == 1
    with client as entered:
        assert entered is client
        assert entered.complete("hi", temperature=0.5)["text"] == "HI"
    assert local.closed
    facts = recorder.facts
    assert (facts.provider, facts.request_model) == ("mine", "local-1")
    assert facts.usage is not None
    assert facts.usage[:2] == (5, 2)
    assert facts.attributes["gen_ai.request.temperature"] == 0.5
    assert shown(facts, semconv.GEN_AI_INPUT_MESSAGES)[0]["parts"][0]["content"] == "hi"
    assert shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "HI"


async def test_its_other_ways(recorder: Recorder) -> None:
    client = InstrumentedLLMClient(Local(), recorder)
    assert await client.acomplete("hi") == "HI"
    assert list(client.stream("hey")) == ["h", "e", "y"]
    stream = client.stream("hey")
    next(stream)
    stream.close()
    with pytest.raises(ValueError, match="no answer") as raised:
        client.complete("fail")
    assert raised.value.__cause__ is None
    statuses = [facts_of(span).status for span in recorder.spans]
    assert statuses == ["success", "success", "cancelled", "error"]
    streamed = facts_of(recorder.spans[1])
    assert shown(streamed, semconv.GEN_AI_OUTPUT_MESSAGES)[0]["parts"][0]["content"] == "hey"


def test_copies_are_wrapped_and_pickles_are_of_the_object(recorder: Recorder) -> None:
    client = InstrumentedLLMClient(Local(), recorder)
    copy.copy(client).complete("hi")
    copy.deepcopy(client).complete("hi")
    assert len(recorder.spans) == 2
    restored = pickle.loads(pickle.dumps(client))
    assert type(restored) is Local


def test_tokens_can_be_declared(recorder: Recorder) -> None:
    class Odd:
        def ask(self, question: str) -> tuple[str, int, int]:
            return question, 7, 3

    client = InstrumentedLLMClient(
        Odd(),
        recorder,
        model="odd-1",
        usage=lambda answer: Usage(input_tokens=answer[1], output_tokens=answer[2]),
    )
    client.ask("why")
    assert recorder.facts.usage == Usage(input_tokens=7, output_tokens=3)
    assert recorder.facts.request_model == "odd-1"


def test_a_client_around_a_provider_gives_one_span_with_the_providers_tokens(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    class Around:
        def chat(self, question: str) -> str | None:
            return f"{ask(bare)} {ask(bare)} {question}"

    packages.instrument("openai", obs=recorder)
    provider.reply("One", usage=Usage(input_tokens=10, output_tokens=1))
    provider.reply("Two", usage=Usage(input_tokens=20, output_tokens=2))
    assert InstrumentedLLMClient(Around(), recorder).chat("why") == "One Two why"
    facts = recorder.facts
    assert (facts.provider, facts.request_model) == ("openai", "gpt-4o")
    assert facts.usage is not None
    assert facts.usage[:2] == (30, 3)


def test_calls_of_a_tool_inside_a_client_have_spans_of_their_own(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    packages.instrument("openai", obs=recorder)

    @tool(obs=recorder)
    def research(topic: str) -> str | None:
        return ask(bare)

    class Agent:
        def invoke(self, prompt: str) -> str | None:
            return research(prompt)

    provider.reply("Found")
    InstrumentedLLMClient(Agent(), recorder).invoke("why")
    names = [span.name for span in recorder.spans]
    assert names == ["alex.llm.generate", "alex.tool.execute", "alex.llm.generate"]
    inner, middle, outer = recorder.spans
    assert inner.parent_span_id == middle.span_id
    assert middle.parent_span_id == outer.span_id


def test_another_instrumentation_has_the_span_already(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    from opentelemetry import context  # noqa: PLC0415

    packages.instrument("openai", obs=recorder)
    provider.reply("Hello")
    token = context.attach(context.set_value(semconv.INFERENCE_CONTEXT_KEY, object()))
    try:
        ask(bare)
    finally:
        context.detach(token)
    assert recorder.spans == []


def test_nothing_happens_while_inactive(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    recorder.active = False
    provider.reply("Hello")
    assert ask(InstrumentedLLMClient(bare, recorder)) == "Hello"
    assert InstrumentedLLMClient(Local(), recorder).complete("hi")
    assert recorder.spans == []


def test_a_fault_of_ours_never_reaches_the_caller(
    provider: ScriptedProvider, bare: openai.OpenAI, recorder: Recorder
) -> None:
    class Broken:
        def start_span(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("broken tracer")

    recorder.tracer = Broken()  # type: ignore[assignment]
    provider.reply("Hello")
    assert ask(InstrumentedLLMClient(bare, recorder)) == "Hello"
    assert [type(error) for _, error in recorder.faults] == [RuntimeError]
    recorder.faults.clear()


@pytest.mark.parametrize("thing", [object(), 5, "text"])
def test_what_cannot_be_instrumented_is_refused_with_a_reason(
    thing: object, recorder: Recorder
) -> None:
    with pytest.raises(InstrumentationError, match="complete"):
        InstrumentedLLMClient(thing, recorder)
    with pytest.raises(InstrumentationError, match="cannot instrument"):
        instrument_object(thing, obs=recorder)


def test_shapes_are_told_apart(bare: openai.OpenAI, recorder: Recorder) -> None:
    class Search:
        def run(self, query: str) -> str:
            return query

    assert isinstance(instrument_object(bare, obs=recorder), openai.OpenAI)
    instrument_object(Local(), obs=recorder).complete("hi")
    instrument_object(Search(), obs=recorder).run("q")
    instrument_object({"search": Search().run}, obs=recorder)["search"]("q")
    instrument_object(Search().run, obs=recorder)("q")
    instrument_object(Local().complete, obs=recorder, kind="client")("hi")
    kinds = [facts_of(span).kind for span in recorder.spans]
    assert kinds == ["llm", "tool", "tool", "tool", "llm"]
