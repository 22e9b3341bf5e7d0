"""What agents do, as metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from alexobs import semconv
from alexobs.errors import MetricNameError
from alexobs.metrics import MeterProvider, MetricsCollector
from alexobs.records import HistogramPoint, LLMObservation, ToolObservation, Usage

InSpan = Callable[..., AbstractContextManager[None]]
Found = dict[str, dict[tuple[str, ...], Any]]


@pytest.fixture
def collector() -> MetricsCollector:
    return MetricsCollector(MeterProvider(warn=lambda _: None))


def found(collector: MetricsCollector) -> Found:
    """Return name → label values in order of the label names → value (or count and sum)."""
    result: Found = {}
    for data in collector.provider.collect():
        points = result.setdefault(data.name, {})
        for point in data.points:
            labels = tuple(str(value) for _, value in sorted(point.attributes.items()))
            if isinstance(point, HistogramPoint):
                points[labels] = (point.count, point.sum)
            else:
                points[labels] = point.value
    return result


CALL = LLMObservation(
    model="gpt-4o",
    status="success",
    latency_s=3.0,
    usage=Usage(100, 20, cache_read_tokens=40),
    cost_usd=0.25,
    provider="openai",
    operation="chat",
    request_model="gpt-4o",
    response_model="gpt-4o-2024-11-20",
    server_address="api.openai.com",
    time_to_first_chunk_s=1.0,
    output_chunks=5,
    trace_id=0xAB,
    span_id=0xCD,
)


def test_one_llm_call_updates_every_instrument(collector: MetricsCollector) -> None:
    for _ in range(2):
        collector.observe_llm(CALL)
    chat = ("chat", "openai", "gpt-4o", "gpt-4o-2024-11-20")
    labels = (*chat, "api.openai.com")
    assert found(collector) == {
        "alex.llm.requests.total": {("gpt-4o", "success"): 2},
        "alex.llm.tokens.input": {("gpt-4o",): 200},
        "alex.llm.tokens.output": {("gpt-4o",): 40},
        "alex.llm.latency": {("gpt-4o", "success"): (2, 6.0)},
        "alex.cost.total": {("gpt-4o",): 0.5},
        "alex.sessions.active": {(): 0},
        "gen_ai.client.operation.duration": {labels: (2, 6.0)},
        "gen_ai.client.operation.time_to_first_chunk": {labels: (2, 2.0)},
        "gen_ai.client.operation.time_per_output_chunk": {labels: (2, 1.0)},
        "gen_ai.client.token.usage": {
            (*chat, "input", "api.openai.com"): (2, 200),
            (*chat, "output", "api.openai.com"): (2, 40),
        },
    }


def test_every_built_in_instrument_has_exactly_its_documented_labels(
    collector: MetricsCollector,
) -> None:
    collector.observe_llm(CALL._replace(status="error", error_type="E"))
    collector.observe_llm(CALL._replace(cost_usd=None))
    collector.observe_tool(ToolObservation("ls", "error", 0.1, "E"))
    collector.session_started()
    collector.session_ended(3.0, "alex", "E")
    seen = {
        data.name: (data.unit, {key for point in data.points for key in point.attributes})
        for data in collector.provider.collect()
    }
    assert seen == {m.name: (m.unit, set(m.labels)) for m in semconv.METRICS}


def test_unknown_cost_is_counted_as_such_and_never_zero(collector: MetricsCollector) -> None:
    collector.observe_llm(CALL._replace(cost_usd=None))
    collector.observe_llm(CALL._replace(cost_usd=None, usage=None))
    collector.observe_llm(CALL._replace(cost_usd=None, usage=None, status="error"))
    got = found(collector)
    assert "alex.cost.total" not in got
    assert got["alex.cost.unpriced.total"] == {("gpt-4o",): 2}


def test_exemplars_lead_to_the_call(collector: MetricsCollector) -> None:
    collector.observe_llm(CALL)
    collector.observe_tool(ToolObservation("ls", "success", 0.1, "", 0x1, 0x2))
    seen = {
        data.name: [(e.trace_id, e.span_id) for e in data.points[0].exemplars]
        for data in collector.provider.collect()
        if data.points[0].exemplars
    }
    assert seen == {
        "alex.llm.latency": [(0xAB, 0xCD)],
        "alex.cost.total": [(0xAB, 0xCD)],
        "gen_ai.client.operation.duration": [(0xAB, 0xCD)],
        "alex.tool.duration": [(0x1, 0x2)],
    }


def test_tools_and_sessions(collector: MetricsCollector) -> None:
    collector.record_tool_execution(tool_name="ls", duration_s=0.5)
    collector.record_tool_execution(
        tool_name="ls", status="error", duration_s=1, error_type="OSError"
    )
    collector.record_tool_execution(tool_name="cat")
    collector.session_started()
    collector.session_started()
    collector.session_ended(12.0, agent="alex")
    got = found(collector)
    assert got["alex.tool.executions.total"] == {
        ("success", "ls"): 1,
        ("error", "ls"): 1,
        ("success", "cat"): 1,
    }
    assert got["alex.tool.duration"] == {("ls",): (2, 1.5)}
    assert got["gen_ai.execute_tool.duration"] == {("ls",): (1, 0.5), ("OSError", "ls"): (1, 1.0)}
    assert got["alex.sessions.active"] == {(): 1}
    assert got["gen_ai.invoke_agent.duration"] == {("alex",): (1, 12.0)}


def test_record_llm_request_takes_the_current_span(
    collector: MetricsCollector, in_span: InSpan
) -> None:
    with in_span(5, 6):
        collector.record_llm_request(
            model="m", latency_s=0.5, input_tokens=3, cost_usd=0.1, provider="openai"
        )
    got = found(collector)
    assert got["alex.llm.tokens.input"] == {("m",): 3}
    assert got["alex.llm.tokens.output"] == {("m",): 0}
    (latency,) = [d for d in collector.provider.collect() if d.name == "alex.llm.latency"]
    assert latency.points[0].exemplars[0].trace_id == 5


def test_observations_go_to_submit_and_are_recorded_directly_when_it_fails() -> None:
    taken: list[Any] = []
    collector = MetricsCollector(MeterProvider(warn=lambda _: None), taken.append)
    collector.record_llm_request(model="m", input_tokens=1)
    collector.record_tool_execution(tool_name="t")
    assert [type(one) for one in taken] == [LLMObservation, ToolObservation]
    assert "alex.llm.requests.total" not in found(collector)

    def closed(_: object) -> None:
        raise RuntimeError

    failing = MetricsCollector(MeterProvider(warn=lambda _: None), closed)
    failing.record_llm_request(model="m")
    assert found(failing)["alex.llm.requests.total"] == {("m", "success"): 1}
    assert failing.provider.faults.counts["argument"] == 1


class Explosive:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("odd", [None, 5, [], b"x", Explosive(), {"a": Explosive()}])
def test_wrong_typed_arguments_never_raise_and_the_request_still_counts(
    collector: MetricsCollector, odd: Any
) -> None:
    collector.record_llm_request(model=odd, status=odd, provider=odd, operation=odd, error_type=odd)
    collector.record_llm_request(
        model="m", latency_s=odd, input_tokens=odd, output_tokens=odd, cost_usd=odd
    )
    collector.record_tool_execution(tool_name=odd, status=odd, duration_s=odd)
    collector.observe_llm(odd)
    collector.observe_tool(odd)
    collector.session_ended(odd, odd, odd)
    got = found(collector)
    assert sum(got["alex.llm.requests.total"].values()) == 2
    assert sum(got["alex.tool.executions.total"].values()) == 1
    assert sum(collector.provider.faults.counts.values()) > 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_impossible_costs_and_tokens_leave_the_totals_alone(
    collector: MetricsCollector, bad: float
) -> None:
    collector.record_llm_request(model="m", cost_usd=1.0, input_tokens=1, output_tokens=1)
    collector.record_llm_request(model="m", cost_usd=bad, input_tokens=bad, output_tokens=1)  # type: ignore[arg-type]
    got = found(collector)
    assert got["alex.cost.total"] == {("m",): 1.0}
    assert got["alex.llm.tokens.input"] == {("m",): 1}
    assert got["alex.llm.tokens.output"] == {("m",): 2}


def test_model_labels_are_short_single_lines(collector: MetricsCollector) -> None:
    collector.record_llm_request(model="a\n b\t" + "x" * 500)
    collector.record_llm_request(model="  ")
    models = {labels[0] for labels in found(collector)["alex.llm.requests.total"]}
    assert models == {"a b " + "x" * 124, "unknown"}


def test_many_models_stay_within_the_cardinality_limit() -> None:
    collector = MetricsCollector(MeterProvider(cardinality_limit=20))
    for number in range(500):
        collector.record_llm_request(model=f"m{number}", latency_s=1, input_tokens=1)
    for points in found(collector).values():
        assert len(points) <= 20
    assert sum(found(collector)["alex.llm.requests.total"].values()) == 500


def test_totals_stay_exact_over_many_folds(collector: MetricsCollector) -> None:
    for number in range(1000):
        collector.observe_llm(CALL._replace(response_model=f"r{number % 3}"))
    got = found(collector)
    assert got["alex.llm.requests.total"] == {("gpt-4o", "success"): 1000}
    assert sum(c for c, _ in got["gen_ai.client.operation.duration"].values()) == 1000


def test_disabled_metrics_record_nothing(collector: MetricsCollector) -> None:
    collector.provider.set_enabled(False)
    collector.observe_llm(CALL)
    collector.record_llm_request(model="m")
    collector.record_tool_execution(tool_name="t")
    collector.observe_tool(ToolObservation("t", "success", 1))
    collector.session_started()
    collector.session_ended(1.0)
    collector.counter("mine").add(1)
    assert found(collector) == {"alex.sessions.active": {(): 0}}


def test_the_level_of_sessions_is_right_after_metrics_were_off(
    collector: MetricsCollector,
) -> None:
    collector.session_started()
    collector.provider.set_enabled(False)
    collector.session_started()
    collector.session_ended(1.0)
    collector.session_started()
    collector.provider.set_enabled(True)
    collector.session_ended(1.0)
    assert found(collector)["alex.sessions.active"] == {(): 1}


def test_users_own_instruments(collector: MetricsCollector) -> None:
    collector.counter("jobs", unit="{job}", description="Jobs.").add(2, {"kind": "a"})
    collector.up_down_counter("queue").add(-1)
    collector.gauge("temperature", unit="Cel").set(20)
    collector.histogram("wait", unit="s", boundaries=[1, 2]).record(1.5)
    assert collector.counter("jobs", unit="{job}") is collector.counter("jobs", unit="{job}")
    got = found(collector)
    assert got["jobs"] == {("a",): 2}
    assert got["queue"] == {(): -1}
    assert got["temperature"] == {(): 20}
    assert got["wait"] == {(): (1, 1.5)}


def test_names_that_prometheus_cannot_tell_apart_are_refused_with_both_named(
    collector: MetricsCollector,
) -> None:
    collector.counter("a.b")
    with pytest.raises(MetricNameError, match=r"'a_b'.*'a\.b'.*'a_b'"):
        collector.counter("a_b")
    with pytest.raises(MetricNameError, match=r"alex\.llm\.requests\.total"):
        collector.gauge("alex.llm.requests")
    with pytest.raises(MetricNameError, match=r"'a\.b'"):
        collector.histogram("a.b")
    with pytest.raises(MetricNameError, match="not allowed"):
        collector.counter("not allowed")
    collector.counter("a.b.c")


def test_after_a_fork_the_children_still_lead_to_the_series(collector: MetricsCollector) -> None:
    collector.observe_llm(CALL)
    collector.provider.after_fork_in_child()
    collector.observe_llm(CALL)
    assert found(collector)["alex.llm.requests.total"] == {("gpt-4o", "success"): 1}


def test_a_secret_at_the_cut_of_a_label_is_removed_whole() -> None:
    def redact(key: str, value: str) -> str:
        return re.sub(r"begin\d+end", "[redacted]", value)

    provider = MeterProvider(redact=redact)
    collector = MetricsCollector(provider)
    secret = "begin" + "7" * 40 + "end"
    collector.record_tool_execution(tool_name="x" * 110 + secret, status="success", duration_s=0.1)
    provider.get_meter("app").create_counter("own").add(1, {"k": "x" * 1010 + secret})
    shown = repr([point for metric in provider.collect() for point in metric.points])
    assert "7" * 10 not in shown  # the times have digits, too
    assert "[redacted]" in shown
