"""Every row of the mapping table, every dialect's shapes, and laws that hold for anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from alexobs import semconv
from alexobs.config.model import RedactionConfig
from alexobs.pricing import default_prices
from alexobs.redaction import Redactor
from alexobs.server.ingest import dialects, proto
from alexobs.server.ingest.columns import SpanColumns
from alexobs.server.ingest.contents import Contents
from alexobs.server.ingest.frames import frames_of
from alexobs.server.ingest.normalise import Normaliser

TRACES = Path(__file__).parents[4] / "shared" / "traces"
plain = Normaliser()
priced = Normaliser(default_prices())

ROWS = [(field, name) for field in dialects.FIELDS for name in field.names]
VALUES: dict[str, tuple[Any, Any]] = {
    "text": ("some-value", "some-value"),
    "count": (42, 42),
    "integer": (42, 42),
    "usd": (0.25, 0.25),
    "seconds": (1.5, 1.5),
    "milliseconds": (1500, 1.5),
}
CALL = {"gen_ai.operation.name": "chat"}


@pytest.mark.parametrize(("field", "name"), ROWS, ids=[f"{f.target}<-{n}" for f, n in ROWS])
def test_each_row_of_the_table(field: dialects.Field, name: str) -> None:
    given_value, expected = VALUES[field.type]
    found = plain.attributes({"openinference.span.kind": "LLM", name: given_value})
    assert found[field.target] == expected


@pytest.mark.parametrize(
    ("attribute", "value", "kind"),
    [(a, v, k) for a, values in dialects.KINDS for v, k in values.items()],
)
def test_each_kind_of_each_dialect(attribute: str, value: str, kind: str) -> None:
    name = {"ai.operationid": "ai.operationId", "mlflow.spantype": "mlflow.spanType"}.get(
        attribute, attribute
    )
    spelled = (
        value.upper() if attribute in ("openinference.span.kind", "mlflow.spantype") else value
    )
    root = plain.attributes({name: spelled}, root=True)[semconv.ALEX_KIND]
    below = plain.attributes({name: spelled})[semconv.ALEX_KIND]
    assert (root, below) == (("session", "span") if kind == "agent" else (kind, kind))


@pytest.mark.parametrize(("theirs", "ours"), dialects.PROVIDERS.items())
def test_each_provider_has_one_name(theirs: str, ours: str) -> None:
    found = plain.attributes(CALL | {"gen_ai.system": theirs.title()})
    assert found[semconv.GEN_AI_PROVIDER_NAME] == ours


@pytest.mark.parametrize("name", dialects.INPUTS)
def test_each_name_of_the_input(name: str) -> None:
    found = plain.attributes(CALL | {name: '[{"role": "user", "content": "hi"}]'})
    assert json.loads(found[semconv.GEN_AI_INPUT_MESSAGES]) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
    ]


@pytest.mark.parametrize("name", dialects.OUTPUTS)
def test_each_name_of_the_output(name: str) -> None:
    found = plain.attributes(CALL | {name: "the answer"})
    assert json.loads(found[semconv.GEN_AI_OUTPUT_MESSAGES]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "the answer"}]}
    ]


@pytest.mark.parametrize("name", dialects.ARGUMENTS)
def test_each_name_of_a_tools_arguments(name: str) -> None:
    found = plain.attributes({"gen_ai.operation.name": "execute_tool", name: '{"a": 1}'})
    assert found[semconv.GEN_AI_TOOL_CALL_ARGUMENTS] == '{"a": 1}'


@pytest.mark.parametrize("name", dialects.RESULTS)
def test_each_name_of_a_tools_result(name: str) -> None:
    found = plain.attributes({"gen_ai.operation.name": "execute_tool", name: "42"})
    assert found[semconv.GEN_AI_TOOL_CALL_RESULT] == "42"


@pytest.mark.parametrize("pair", dialects.COST_PARTS)
def test_costs_in_halves_are_added(pair: tuple[str, str]) -> None:
    found = priced.attributes(CALL | {pair[0]: 0.25, pair[1]: 0.5})
    assert found[semconv.ALEX_COST] == 0.75
    assert found[semconv.ALEX_COST_PRICE_ID].startswith("reported:")


def buckets(found: dict[str, Any]) -> list[int]:
    return [
        found[name]
        for name in (
            semconv.ALEX_TOKENS_UNCACHED_INPUT,
            semconv.ALEX_TOKENS_CACHE_READ,
            semconv.ALEX_TOKENS_CACHE_WRITE,
            semconv.ALEX_TOKENS_OUTPUT,
            semconv.ALEX_TOKENS_REASONING,
        )
    ]


def test_tokens_become_disjoint_buckets() -> None:
    usage = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }
    assert buckets(plain.attributes(CALL | usage)) == [30, 60, 10, 20, 30]


def test_input_that_leaves_the_cache_out_is_completed() -> None:
    usage = {
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.cache_read_input_tokens": 95,
        "gen_ai.usage.output_tokens": 1,
    }
    found = plain.attributes(CALL | usage)
    assert buckets(found) == [5, 95, 0, 1, 0]
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 100


def test_an_agents_span_does_not_count_its_calls_again() -> None:
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o"}
    found = priced.attributes(agent | usage, root=True)
    assert found[semconv.ALEX_KIND] == "session"
    assert not any(name.startswith(("alex.tokens", "alex.cost")) for name in found)


def test_what_has_no_price_says_why() -> None:
    usage = {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1}
    found = priced.attributes(CALL | usage | {"gen_ai.request.model": "nobody-knows-me"})
    assert semconv.ALEX_COST not in found
    assert "nobody-knows-me" in found[semconv.ALEX_COST_UNPRICED]
    assert priced.attributes(CALL)[semconv.ALEX_COST_UNPRICED] == "no usage reported"


OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.provider": "openai",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 20,
    "llm.token_count.prompt_details.cache_read": 40,
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "be kind",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "hi",
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.content": "42",
    "llm.input_messages.2.message.tool_call_id": "c1",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c2",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"at": 1}',
    "session.id": "s",
    "user.id": "u",
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 20,
    "gen_ai.usage.cache_read_input_tokens": 40,
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "be kind",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "hi",
    "gen_ai.prompt.2.role": "tool",
    "gen_ai.prompt.2.content": "42",
    "gen_ai.prompt.2.tool_call_id": "c1",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.tool_calls.0.id": "c2",
    "gen_ai.completion.0.tool_calls.0.name": "look",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"at": 1}',
    "traceloop.association.properties.session_id": "s",
    "traceloop.association.properties.user_id": "u",
}
_OPENAI_IN = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    {"role": "tool", "tool_call_id": "c1", "content": "42"},
]
_OPENAI_OUT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c2", "function": {"name": "look", "arguments": '{"at": 1}'}}],
}
LANGFUSE = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "gpt-4o",
    "gen_ai.system": "openai",
    "langfuse.observation.usage_details": json.dumps(
        {"input": 60, "output": 20, "input_cached_tokens": 40, "total": 120}
    ),
    "langfuse.observation.input": json.dumps(_OPENAI_IN),
    "langfuse.observation.output": json.dumps(_OPENAI_OUT),
    "langfuse.session.id": "s",
    "langfuse.user.id": "u",
}
VERCEL = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.model.id": "gpt-4o",
    "ai.model.provider": "openai.chat",
    "ai.usage.inputTokens": 100,
    "ai.usage.outputTokens": 20,
    "ai.usage.cachedInputTokens": 40,
    "ai.prompt.messages": json.dumps(
        [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {
                "role": "tool",
                "content": [{"type": "tool-result", "toolCallId": "c1", "result": "42"}],
            },
        ]
    ),
    "ai.response.toolCalls": json.dumps(
        [{"toolCallId": "c2", "toolName": "look", "args": '{"at": 1}'}]
    ),
    "ai.telemetry.metadata.sessionId": "s",
    "ai.telemetry.metadata.userId": "u",
}
MODERN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
            {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}],
            },
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "c2", "name": "look", "arguments": {"at": 1}}
                ],
            }
        ]
    ),
    "gen_ai.conversation.id": "s",
    "enduser.id": "u",
}


@pytest.mark.parametrize(
    "dialect",
    [OPENINFERENCE, OPENLLMETRY, LANGFUSE, VERCEL, MODERN],
    ids=["openinference", "openllmetry", "langfuse", "vercel", "gen_ai"],
)
def test_one_call_is_the_same_in_every_dialect(dialect: dict[str, Any]) -> None:
    found = priced.attributes(dialect)
    assert found[semconv.ALEX_KIND] == "llm"
    assert found[semconv.GEN_AI_PROVIDER_NAME] == "openai"
    assert found[semconv.GEN_AI_REQUEST_MODEL] == "gpt-4o"
    assert found[semconv.ALEX_SESSION_ID] == "s"
    assert found[semconv.ALEX_USER_ID] == "u"
    assert buckets(found) == [60, 40, 0, 20, 0]
    assert found[semconv.ALEX_COST] == pytest.approx(0.0004)
    assert json.loads(found[semconv.GEN_AI_INPUT_MESSAGES]) == json.loads(
        MODERN["gen_ai.input.messages"]
    )
    assert json.loads(found[semconv.GEN_AI_OUTPUT_MESSAGES]) == json.loads(
        MODERN["gen_ai.output.messages"]
    )


@pytest.mark.parametrize(("kind", "tool"), [("tool", "get_time"), ("workflow", None)])
def test_an_entity_is_a_tool_where_the_span_is_a_tools(kind: str, tool: str | None) -> None:
    given = {"traceloop.span.kind": kind, "traceloop.entity.name": "get_time"}
    assert plain.attributes(given).get(semconv.ALEX_TOOL_NAME) == tool


def test_messages_in_events_are_found() -> None:
    events = [
        ("gen_ai.user.message", {"content": "hi"}),
        ("gen_ai.choice", {"message": '{"role": "assistant", "content": "yo"}', "index": 0}),
    ]
    found = plain.attributes(CALL, events=events)
    assert "hi" in found[semconv.GEN_AI_INPUT_MESSAGES]
    assert "yo" in found[semconv.GEN_AI_OUTPUT_MESSAGES]


def test_an_answer_that_is_json_stays_the_text_that_it_was() -> None:
    found = plain.attributes(CALL | {"gen_ai.completion": '{ "steps": [1,  2] }'})
    (message,) = json.loads(found[semconv.GEN_AI_OUTPUT_MESSAGES])
    assert message["parts"] == [{"type": "text", "content": '{ "steps": [1,  2] }'}]


def test_spans_of_other_trades_are_left_as_they_are() -> None:
    http = {"http.request.method": "GET", "url.full": "http://x", "server.address": "x"}
    assert plain.attributes(http) == http


@pytest.mark.parametrize("name", ["OPENAI", "LANGCHAIN", "SMOLAGENTS"])
def test_recorded_runs_show_everything(name: str) -> None:
    path = TRACES / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no recorded run at {path}")
    found = [
        priced.attributes(
            span["attributes"], root=span["parent"] is None, start_ns=span["start_time"]
        )
        for span in json.loads(path.read_text())["spans"]
    ]
    calls = [one for one in found if one[semconv.ALEX_KIND] == "llm"]
    tools = [one for one in found if one[semconv.ALEX_KIND] == "tool"]
    assert len(calls) >= 3
    assert len(tools) >= 2
    for one in calls:
        assert one[semconv.GEN_AI_REQUEST_MODEL] == "mistral/mistral-small-latest"
        assert one[semconv.GEN_AI_PROVIDER_NAME] == "mistral_ai"
        assert min(buckets(one)) >= 0
        assert sum(buckets(one)) > 100
        assert one[semconv.ALEX_COST] > 0
        assert json.loads(one[semconv.GEN_AI_OUTPUT_MESSAGES])
    assert "tool_call" in calls[0][semconv.GEN_AI_OUTPUT_MESSAGES]
    for one in tools:
        assert one[semconv.ALEX_TOOL_NAME]
        assert one[semconv.GEN_AI_TOOL_CALL_ARGUMENTS]
        assert one[semconv.GEN_AI_TOOL_CALL_RESULT]


def test_secrets_of_others_are_removed() -> None:
    digits = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
    secret = f"sk-proj-{digits}"  # made here, so that no file holds it
    request = proto.TraceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    span = scope_spans.spans.add(name=f"call {secret}", trace_id=b"t" * 16, span_id=b"s" * 8)
    scope_spans.spans.add(name="clean", trace_id=b"t" * 16, span_id=b"c" * 8)
    proto.set_attributes(
        span.attributes, CALL | {"gen_ai.prompt": f"use {secret}", "password": "hunter2"}
    )
    event = span.events.add(name="e")
    proto.set_attributes(event.attributes, {"note": secret})
    span.status.message = f"failed with {secret}"
    contents = Contents()
    columns = SpanColumns(frames_of(request.SerializeToString())).decode(
        contents, Normaliser(None, Redactor(RedactionConfig()))
    )
    kept = str({name: column.to_pylist() for name, column in columns.items()}) + str(
        contents.bodies
    )
    assert secret not in kept
    assert "hunter2" not in kept
    assert kept.count("[redacted:") >= 5
    assert columns["name"].to_pylist()[1] == "clean"


_anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from(
    sorted(
        {name for field in dialects.FIELDS for name in field.names}
        | {name for name, _ in dialects.KINDS}
        | set(dialects.INPUTS + dialects.OUTPUTS + dialects.ARGUMENTS + dialects.RESULTS)
        | {"gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_calls.0.name", "llm.input_messages.1.x"}
    )
)
_json_or_not = _anything | _anything.map(lambda value: json.dumps(value, default=str))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_keys, _json_or_not, max_size=8), st.booleans(), st.booleans())
def test_whatever_arrives_comes_out_once_and_the_same(
    attributes: dict[str, Any], root: bool, failed: bool
) -> None:
    found = priced.attributes(attributes, root=root, failed=failed)
    assert priced.attributes(found, root=root, failed=failed) == found
    for name in (semconv.ALEX_TOKENS_UNCACHED_INPUT, semconv.ALEX_TOKENS_OUTPUT):
        assert found.get(name, 0) >= 0
    encoded = proto.Span()
    proto.set_attributes(encoded.attributes, found)
    assert proto.Span.FromString(encoded.SerializeToString()) == encoded


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(_keys, _json_or_not, max_size=6), min_size=1, max_size=4))
def test_columns_hold_what_the_normaliser_returns(spans: list[dict[str, Any]]) -> None:
    request = proto.TraceRequest()
    for index, attributes in enumerate(spans, 1):
        scope_spans = request.resource_spans.add().scope_spans.add()
        scope_spans.scope.name = "alexobs" if index == 2 else "theirs"
        span = scope_spans.spans.add(trace_id=b"t" * 16, span_id=index.to_bytes(8, "big"))
        proto.set_attributes(span.attributes, attributes)
    body = request.SerializeToString()
    found = SpanColumns(frames_of(body)).decode(Contents(), priced)
    spelled = proto.TraceRequest.FromString(body)
    for resource_spans in spelled.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            if scope_spans.scope.name == "theirs":
                given_ = proto.attributes_of(scope_spans.spans[0].attributes)
                del scope_spans.spans[0].attributes[:]
                new = priced.attributes(given_, root=True)
                proto.set_attributes(scope_spans.spans[0].attributes, new)
    expected = SpanColumns(frames_of(spelled.SerializeToString())).decode(Contents())
    for name, column in found.items():
        column.validate(full=True)
        assert _rows(column) == _rows(expected[name]), name


def _rows(column: Any) -> list[Any]:
    is_map = str(column.type).startswith("map")
    return [dict(row) if is_map and row else row for row in column.to_pylist()]
