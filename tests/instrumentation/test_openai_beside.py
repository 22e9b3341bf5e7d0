"""What OpenAI's package asks a model beside chat completions and responses, and odd answers."""

from __future__ import annotations

import base64
import json
import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest
from instrumentation_kit import Answers, Recorder, facts_of, shown

from alexobs import semconv
from alexobs.instrumentation import packages
from alexobs.instrumentation.plain import decoded
from alexobs.instrumentation.providers.openai_counts import streamed_usage, usage
from alexobs.instrumentation.sse import SseDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"index": 0, "text": "Hello", "finish_reason": "length", "logprobs": None}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5-mini",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": USAGE,
}


@pytest.fixture
def client(answers: Answers, recorder: Recorder) -> Iterator[openai.OpenAI]:
    packages.instrument("openai", obs=recorder)
    with openai.OpenAI(base_url=answers.server.url, api_key="unused", max_retries=0) as made:
        yield made


def counted(recorder: Recorder) -> Any:
    found = recorder.facts.usage
    return found and (found.input_tokens, found.output_tokens)


def test_a_completion(answers: Answers, client: openai.OpenAI, recorder: Recorder) -> None:
    answers.by_path["/completions"] = COMPLETION
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say", max_tokens=9, stop="E")
    facts = recorder.facts
    assert facts.attributes["gen_ai.operation.name"] == "text_completion"
    assert facts.attributes["gen_ai.request.stop_sequences"] == ["E"]
    assert facts.attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert (facts.request_model, facts.response_model) == ("gpt-3.5-turbo-instruct",) * 2
    assert counted(recorder) == (5, 2)
    (prompt,) = shown(facts, semconv.GEN_AI_INPUT_MESSAGES)
    assert prompt["parts"] == [{"type": "text", "content": "Say"}]
    (answer,) = shown(facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert answer["parts"] == [{"type": "text", "content": "Hello"}]


@pytest.mark.parametrize(
    ("prompt", "count"), [("one", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1], [2]], 2)]
)
def test_a_streamed_completion(
    answers: Answers, client: openai.OpenAI, recorder: Recorder, prompt: Any, count: int
) -> None:
    pieces = [{"index": 0, "text": text, "finish_reason": None} for text in ("Hel", "lo")]
    last = {"index": 0, "text": "", "finish_reason": "stop"}
    head = {key: COMPLETION[key] for key in ("id", "object", "created", "model")}
    chunks = [{**head, "choices": [piece]} for piece in (*pieces, last)]
    answers.by_path["/completions"] = [*chunks, {**COMPLETION, "choices": []}]
    stream = client.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == "Hello"
    assert recorder.facts.status == "success"
    assert counted(recorder) == (5, 2)
    assert len(shown(recorder.facts, semconv.GEN_AI_INPUT_MESSAGES)) == count
    (answer,) = shown(recorder.facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert answer["parts"] == [{"type": "text", "content": "Hello"}]
    assert answer["finish_reason"] == "stop"


def test_beta_responses_and_their_fetches(
    answers: Answers, client: openai.OpenAI, recorder: Recorder
) -> None:
    answers.by_path = {"/responses": RESPONSE, "/responses/resp_1": RESPONSE}
    client.beta.responses.create(model="gpt-5-mini", input="Hi")
    client.beta.responses.retrieve("resp_1")
    asked, fetched = map(facts_of, recorder.spans)
    assert asked.usage is not None
    assert (asked.usage.input_tokens, asked.usage.cache_read_tokens, asked.billed) == (
        100,
        10,
        True,
    )
    assert (fetched.attributes["gen_ai.operation.name"], fetched.billed) == (
        "fetch_response",
        False,
    )


def test_a_compaction_is_paid_for(
    answers: Answers, client: openai.OpenAI, recorder: Recorder
) -> None:
    item = {"id": "cmp_1", "type": "compaction", "encrypted_content": "sealed"}
    compacted = {"id": "c", "created_at": 1, "object": "response.compaction", "output": [item]}
    answers.by_path["/responses/compact"] = {**compacted, "usage": USAGE}
    client.responses.compact(model="gpt-5-mini", input="Much")
    assert recorder.facts.attributes["gen_ai.operation.name"] == "compact_response"
    assert counted(recorder) == (100, 20)


def test_decisions(answers: Answers, client: openai.OpenAI, recorder: Recorder) -> None:
    answer = {"type": "predicate", "name": "spam", "probability": 0.25}
    answers.by_path["/decisions"] = {"answers": [answer], "model": "gpt-6-luna", "usage": USAGE}
    questions: Any = [{"type": "predicate", "name": "spam", "question": "Is it?"}]
    client.decisions.create(model="gpt-6-luna", input="Buy!", questions=questions)
    assert counted(recorder) == (100, 20)
    assert recorder.facts.service_tier == "decisions"  # so that it is not priced as a response
    said = shown(recorder.facts, semconv.GEN_AI_INPUT_MESSAGES)
    assert [message["parts"][0]["type"] for message in said] == ["text", "predicate"]
    (found,) = shown(recorder.facts, semconv.GEN_AI_OUTPUT_MESSAGES)
    assert found["parts"] == [answer]


ERROR = {"error": {"message": "Provider returned error", "code": 502}}


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "responses"])
def test_an_error_that_was_answered_as_a_success_is_one(
    answers: Answers, client: openai.OpenAI, recorder: Recorder, path: str
) -> None:
    answers.by_path[f"/{path}"] = ERROR
    client.post(f"/{path}", cast_to=object, body={"model": "m"})
    assert (recorder.facts.status, recorder.facts.error_type) == ("error", "502")


@pytest.mark.parametrize("text", ["NaN", '"\\ud800"', "-Infinity"])
def test_what_only_pythons_own_parser_takes_has_its_tokens(
    answers: Answers, client: openai.OpenAI, recorder: Recorder, text: str
) -> None:
    body = json.dumps({**COMPLETION, "odd": "?"}).replace('"?"', text)
    answers.by_path["/completions"] = body.encode()
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Say")
    assert counted(recorder) == (5, 2)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"[1]", b"\xff"])
def test_a_body_that_is_no_object_is_none(body: bytes) -> None:
    assert decoded(body) is None


XAI = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 35,
    "completion_tokens_details": {"reasoning_tokens": 20},
}
OPENAI = {**XAI, "completion_tokens": 25}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (OPENAI, (10, 25, 0, 0, 20)),
        (XAI, (10, 25, 0, 0, 20)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}, (9, 1, 4, 0, 0)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
            (9, 1, 4, 0, 0),
        ),
        ({"prompt_tokens": 9, "completion_tokens": None}, (9, 0, 0, 0, 0)),
        ({"total_tokens": 10}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"cost": 0.1}, None),
        ({}, None),
        (None, None),
        ("much", None),
    ],
)
def test_tokens_in_the_dialects_of_providers(raw: Any, expected: Any) -> None:
    found = usage(raw)
    assert (found and found[:5]) == expected


def test_an_embedding_that_has_only_a_total_has_its_input() -> None:
    found = usage({"total_tokens": 10}, output="")
    assert found is not None
    assert found[:2] == (10, 0)


@pytest.mark.parametrize(
    "event",
    [
        {"usage": {"prompt_tokens": 1}},
        {"usage": None, "x_groq": {"id": "r", "usage": {"prompt_tokens": 1}}},
        {"choices": [{"index": 0}, {"index": 1, "usage": {"prompt_tokens": 1}}]},
    ],
)
def test_a_chunk_says_its_usage_in_one_of_three_places(event: dict[str, Any]) -> None:
    assert streamed_usage(event) == {"prompt_tokens": 1}
    assert streamed_usage({"choices": [{"index": 0}]}) is None


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_an_event_may_have_several_lines_of_data(newline: bytes) -> None:
    text = json.dumps({"a": [1, 2], "b": "c"}, indent=1).encode().replace(b"\n", b"\ndata: ")
    body = (b": comment\n\nevent: x\ndata: " + text + b"\n\ndata: [DONE]\n\n").replace(
        b"\n", newline
    )
    for size in (1, 2, 7, len(body)):
        decode = SseDecoder(events=True)
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        found = [event for piece in pieces for event in decode(piece)]
        assert found == [{"a": [1, 2], "b": "c"}, {"type": "alexobs.end"}]


def frame(event: dict[str, Any]) -> bytes:
    """Return an event as Bedrock frames it; its checksums are not looked at."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    headers = b"\x0b:event-type\x07\x00\x05chunk"
    length = 12 + len(headers) + len(payload) + 4
    return struct.pack(">III", length, len(headers), 0) + headers + payload + bytes(4)


def test_amazons_frames_are_events_too() -> None:
    answer = SimpleNamespace(headers={"content-type": "application/vnd.amazon.eventstream"})
    events = [{"type": "message_start"}, {"type": "message_stop", "n": 1}]
    odd = struct.pack(">III", 18, 0, 0) + b"{}" + bytes(4)
    body = frame(events[0]) + odd + frame(events[1])
    for size in (1, 5, len(body)):
        decode = SseDecoder.for_response(answer)
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert [event for piece in pieces for event in decode(piece)] == events
    assert list(SseDecoder.for_response(answer)(bytes(40))) == []
