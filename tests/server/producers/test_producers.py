"""What other producers send shows with model, tokens, cost, messages and tools filled in."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.records import Usage
from alexobs.testing.provider import ScriptedProvider

if TYPE_CHECKING:
    from api_kit import Api

HERE = Path(__file__).parent
TRACES = HERE.parents[3] / "shared" / "traces"
MODEL = "gpt-4o-mini"
QUESTION = "Which year is it in New York?"
FIRST = Usage(input_tokens=120, output_tokens=12, cache_read_tokens=40)
SECOND = Usage(input_tokens=150, output_tokens=6)
NEEDS = {
    "openinference": "openinference.instrumentation.openai",
    "openllmetry": "opentelemetry.instrumentation.openai",
    "plain_otel": "opentelemetry.sdk",
}


def produce(api: Api, kind: str) -> None:
    with ScriptedProvider() as provider:
        provider.tool_call("get_time", {"city": "New York"}, usage=FIRST)
        provider.reply("It is 2026.", usage=SECOND)
        otlp = f"http://127.0.0.1:{api.server.port('http')}"
        done = subprocess.run(
            [sys.executable, str(HERE / "producer.py"), kind, provider.openai_url, otlp],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def spans_of(api: Api, trace_id: str) -> list[dict[str, Any]]:
    ids = api.get(f"traces/{trace_id}")["columns"]["span_id"]
    return [api.get(f"spans/{trace_id}/{one}") for one in ids]


def texts(messages: list[Any]) -> list[str]:
    return [
        part.get("content") or part.get("name") or str(part.get("response"))
        for message in messages
        for part in message["parts"]
    ]


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", NEEDS)
def test_an_instrumented_agent_shows_everything(api: Api, kind: str) -> None:
    if not is_installed(NEEDS[kind]):
        pytest.skip(f"{NEEDS[kind]} is not installed")
    produce(api, kind)
    cost = (0.15 * (80 + 150) + 0.075 * 40 + 0.60 * (12 + 6)) / 1e6  # the published list price
    (trace,) = api.get("traces", service=kind)["traces"]
    figures = {
        "llm_calls": 2, "tool_calls": 1, "input_tokens": 270, "output_tokens": 18,
        "unpriced_calls": 0, "session_id": kind, "model": MODEL, "status": "success",
    }  # fmt: skip
    assert {name: trace[name] for name in figures} == figures
    assert trace["cost_usd"] == pytest.approx(cost)
    first, tool, second = (
        span for span in spans_of(api, trace["trace_id"]) if span["kind"] in {"llm", "tool"}
    )
    assert (first["model"], first["provider"]) == (MODEL, "openai")
    tokens = {"uncached_input": 80, "cache_read": 40, "cache_write": 0, "output": 12}
    assert {name: first["price"]["tokens"][name] or 0 for name in tokens} == tokens
    assert first["price"]["price_id"].endswith(f"openai/{MODEL}")
    assert texts(first["contents"]["input_messages"]) == [QUESTION]
    (wish,) = first["contents"]["output_messages"][0]["parts"]
    assert (wish["type"], wish["name"]) == ("tool_call", "get_time")
    assert wish["arguments"] == {"city": "New York"}
    assert tool["tool"] == "get_time"
    assert tool["contents"]["tool_arguments"] == {"city": "New York"}
    assert str(tool["contents"]["tool_result"]) == "2026"
    assert texts(second["contents"]["input_messages"]) == [QUESTION, "get_time", "2026"]
    assert texts(second["contents"]["output_messages"]) == ["It is 2026."]
    session = api.get(f"sessions/{kind}")
    assert [turn["kind"] for turn in session["turns"]] == ["llm", "tool", "llm"]
    (owner,) = (one for one in api.get("costs")["by_session"] if one["key"] == kind)
    assert owner["cost_usd"] == pytest.approx(cost)


def value_of(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value_of(value)} for key, value in attributes.items()]


def span_json(span: dict[str, Any]) -> dict[str, Any]:
    parent = span["parent"]
    return {
        "traceId": format(span["context"]["trace_id"], "032x"),
        "spanId": format(span["context"]["span_id"], "016x"),
        "parentSpanId": format(parent["span_id"], "016x") if parent["span_id"] else "",
        "name": span["name"],
        "startTimeUnixNano": str(span["start_time"]),
        "endTimeUnixNano": str(span["end_time"]),
        "attributes": pairs(span["attributes"]),
        "status": {"code": {"ok": 1, "error": 2}.get(span["status"]["status_code"], 0)},
    }


@pytest.mark.parametrize("name", ["OPENAI", "LANGCHAIN", "SMOLAGENTS"])
def test_a_recorded_run_shows_everything(api: Api, name: str) -> None:
    path = TRACES / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no recorded run at {path}")
    recorded = json.loads(path.read_text(encoding="utf-8"))["spans"]
    scope = {"scope": {"name": "any_agent"}, "spans": [span_json(span) for span in recorded]}
    resource = {"attributes": pairs({"service.name": name})}
    api.send("traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})
    (trace,) = api.get("traces", service=name)["traces"]
    calls = [one for one in recorded if "gen_ai.usage.input_tokens" in one["attributes"]]
    for ours, theirs in (("input_tokens",) * 2, ("output_tokens",) * 2):
        assert trace[ours] == sum(one["attributes"][f"gen_ai.usage.{theirs}"] for one in calls)
    assert trace["llm_calls"] == len(calls)
    assert trace["model"] == "mistral/mistral-small-latest"
    assert trace["agent"] == "any_agent"
    paid = [one["attributes"][f"gen_ai.usage.{kind}_cost"]
            for one in calls for kind in ("input", "output")]  # fmt: skip
    assert trace["cost_usd"] == pytest.approx(sum(paid))
    spans = spans_of(api, trace["trace_id"])
    starts = [span["start_ms"] for span in spans]
    assert all(before <= after for before, after in pairwise(starts))
    tools = [span for span in spans if span["kind"] == "tool"]
    named = [one["attributes"]["gen_ai.tool.name"] for one in recorded
             if "gen_ai.tool.name" in one["attributes"]]  # fmt: skip
    assert sorted(span["tool"] for span in tools) == sorted(named)
    assert {"get_current_time", "write_file"} <= set(named)
    assert all(span["contents"]["tool_arguments"] for span in tools)
    first = next(span for span in spans if span["kind"] == "llm")
    assert "America/New_York" in str(first["contents"]["input_messages"])
    assert "get_current_time" in str(first["contents"]["output_messages"])
