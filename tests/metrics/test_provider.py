"""Instruments through the OpenTelemetry API: identity, names, boundaries, callbacks, collection."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry import trace

from alexobs.metrics import MeterProvider
from alexobs.metrics.boundaries import BY_UNIT, DEFAULT_BOUNDARIES
from alexobs.records import HistogramPoint, MetricData, NumberPoint
from alexobs.semconv import SECONDS_BOUNDARIES

InSpan = Callable[..., AbstractContextManager[None]]


class Ticking:
    """A clock that moves by one with every look."""

    def __init__(self) -> None:
        self.now_ns = 1000

    def __call__(self) -> int:
        self.now_ns += 1
        return self.now_ns


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def made(told: list[str]) -> MeterProvider:
    return MeterProvider(warn=told.append, clock=Ticking())


def named(metrics: list[MetricData], name: str) -> MetricData:
    (found,) = [one for one in metrics if one.name == name]
    return found


def numbers(data: MetricData) -> list[float]:
    return [point.value for point in data.points if isinstance(point, NumberPoint)]


def histogram_of(data: MetricData) -> HistogramPoint:
    (point,) = data.points
    assert isinstance(point, HistogramPoint)
    return point


def test_instruments_are_those_of_the_api(made: MeterProvider) -> None:
    meter = made.get_meter("m", "1.0", "https://schema")
    assert isinstance(meter, api.Meter)
    assert (meter.name, meter.version, meter.schema_url) == ("m", "1.0", "https://schema")
    for instrument, kind in (
        (meter.create_counter("c"), api.Counter),
        (meter.create_up_down_counter("u"), api.UpDownCounter),
        (meter.create_histogram("h"), api.Histogram),
        (meter.create_gauge("g"), api._Gauge),
        (meter.create_observable_counter("oc"), api.ObservableCounter),
        (meter.create_observable_up_down_counter("ou"), api.ObservableUpDownCounter),
        (meter.create_observable_gauge("og"), api.ObservableGauge),
    ):
        assert isinstance(instrument, kind)


def test_equal_scopes_and_instruments_are_one(made: MeterProvider) -> None:
    meter = made.get_meter("m", "1.0")
    assert made.get_meter("m", "1.0") is meter
    assert made.get_meter("m", "2.0") is not meter
    assert meter.create_counter("Req", "1") is meter.create_counter("req", "1")


def test_an_instrument_keeps_its_first_description(made: MeterProvider, told: list[str]) -> None:
    meter = made.get_meter("m")
    meter.create_counter("c", "", "First.").add(1)
    meter.create_counter("c", "", "Second.").add(1)
    meter.create_counter("c").add(1)
    (data,) = made.collect()
    assert (data.description, numbers(data)) == ("First.", [3])
    assert told == ["instrument 'c' keeps its first description"]


def test_conflicting_duplicates_are_told_once_and_recorded_both(
    made: MeterProvider, told: list[str]
) -> None:
    meter = made.get_meter("m")
    meter.create_counter("x.y", "1").add(1)
    meter.create_histogram("x.y", "s").record(2)
    meter.create_histogram("x.y", "s").record(2)
    kinds = [(one.name, one.kind, one.unit) for one in made.collect()]
    assert kinds == [("x.y", "sum", "1"), ("x.y", "histogram", "s")]
    assert sum("both are recorded" in text for text in told) == 1


def test_names_that_are_one_in_prometheus_stay_out_of_it_but_not_out_of_otlp(
    made: MeterProvider, told: list[str]
) -> None:
    meter = made.get_meter("m")
    meter.create_counter("a.b").add(1)
    meter.create_counter("a_b").add(2)
    meter.create_counter("a_b").add(2)
    made.get_meter("other").create_counter("a.b").add(3)
    assert [one.name for one in made.collect()] == ["a.b", "a_b", "a.b"]
    shown = made.collect(for_prometheus=True)
    assert [(one.name, one.scope.name) for one in shown] == [("a.b", "m"), ("a.b", "other")]
    (text,) = told
    assert "'a_b'" in text
    assert "'a.b'" in text
    assert "left out of /metrics" in text


def test_a_gauge_may_not_take_the_name_of_a_histograms_sample(made: MeterProvider) -> None:
    meter = made.get_meter("m")
    meter.create_histogram("lat").record(1)
    meter.create_gauge("lat.count").set(1)
    meter.create_gauge("target.info").set(1)
    assert [one.name for one in made.collect(for_prometheus=True)] == ["lat"]


@pytest.mark.parametrize("name", ["", "1abc", "späß", "a b", "x" * 300, None, 7])
def test_invalid_names_are_repaired_and_told(
    made: MeterProvider, told: list[str], name: Any
) -> None:
    made.get_meter("m").create_counter(name).add(1)
    (data,) = made.collect()
    assert data.name[0].isalpha()
    assert data.name.isascii()
    assert len(data.name) <= 255
    assert "not allowed" in told[0]


def test_wrong_typed_scopes_units_and_descriptions_are_empty(made: MeterProvider) -> None:
    meter = made.get_meter(None, 3, [])  # type: ignore[arg-type]
    meter.create_counter("c", None, 5).add(1)  # type: ignore[arg-type]
    meter.create_counter("d", "µs" * 50).add(1)
    assert {(one.unit, one.description, one.scope.name) for one in made.collect()} == {("", "", "")}


def test_boundaries_come_from_the_view_then_the_advice_then_the_unit(told: list[str]) -> None:
    made = MeterProvider(boundaries={"viewed": (1, 2), "broken": (2, 1)}, warn=told.append)
    meter = made.get_meter("m")
    advice = {"explicit_bucket_boundaries_advisory": [7.0, 8.0]}
    for name, unit, options, expected in (
        ("viewed", "s", advice, (1.0, 2.0)),
        ("advised", "s", advice, (7.0, 8.0)),
        ("broken", "s", advice, (7.0, 8.0)),
        ("bytes", "By", {}, BY_UNIT["By"]),
        ("seconds", "s", {}, SECONDS_BOUNDARIES),
        ("plain", "", {}, DEFAULT_BOUNDARIES),
        ("odd", "s", {"explicit_bucket_boundaries_advisory": ["x"]}, SECONDS_BOUNDARIES),
    ):
        meter.create_histogram(name, unit, **options).record(1)
        assert histogram_of(named(made.collect(), name)).boundaries == expected
    assert len(told) == 2


def test_boundaries_include_their_upper_end(made: MeterProvider) -> None:
    histogram = made.get_meter("m").create_histogram(
        "h", explicit_bucket_boundaries_advisory=[1, 2]
    )
    for amount in (1, 1.0001, 2, 3):
        histogram.record(amount)
    assert histogram_of(made.collect()[0]).counts == (1, 2, 1)


def test_delta_and_cumulative_readers_do_not_disturb_one_another(made: MeterProvider) -> None:
    meter = made.get_meter("m")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h", unit="s")
    level, gauge = meter.create_up_down_counter("l"), meter.create_gauge("g")
    sums = []
    for turn in range(1, 4):
        counter.add(turn)
        histogram.record(turn)
        level.add(turn)
        gauge.set(turn)
        whole, delta = made.collect("cumulative"), made.collect("delta")
        again = made.collect("cumulative")
        assert numbers(named(again, "c")) == numbers(named(whole, "c"))
        sums.append((numbers(named(whole, "c"))[0], numbers(named(delta, "c"))[0]))
        point = histogram_of(named(delta, "h"))
        assert (point.count, point.sum, point.min, point.max) == (1, turn, turn, turn)
        assert sum(histogram_of(named(whole, "h")).counts) == turn
        assert numbers(named(delta, "l")) == numbers(named(whole, "l"))
        assert numbers(named(delta, "g")) == [turn]
    assert sums == [(1, 1), (3, 2), (6, 3)]
    assert [one.temporality for one in made.collect("delta")] == ["cumulative", "cumulative"]


def test_start_times_say_what_a_point_covers(made: MeterProvider) -> None:
    counter = made.get_meter("m").create_counter("c")
    counter.add(1)
    (first,) = named(made.collect("delta", 5000), "c").points
    counter.add(1)
    (second,) = named(made.collect("delta", 9000), "c").points
    (whole,) = named(made.collect("cumulative", 9000), "c").points
    assert 1000 < first.start_ns < first.time_ns == 5000
    assert (second.start_ns, second.time_ns) == (5000, 9000)
    assert (whole.start_ns, whole.time_ns) == (first.start_ns, 9000)


def test_series_that_were_bound_but_never_measured_are_not_shown(made: MeterProvider) -> None:
    made.get_meter("m").create_counter("c").bind({"k": "v"})
    assert made.collect() == []


# -- observable instruments ----------------------------------------------------------------------


def test_callbacks_are_functions_or_generators(made: MeterProvider) -> None:
    seen: list[api.CallbackOptions] = []

    def function(options: api.CallbackOptions) -> Iterable[api.Observation]:
        seen.append(options)
        yield api.Observation(3, {"of": "function"})

    def generator() -> Generator[Iterable[api.Observation], api.CallbackOptions, None]:
        options = yield []
        for value in (4, 5):
            seen.append(options)
            options = yield [api.Observation(value, {"of": "generator"})]

    meter = made.get_meter("m")
    meter.create_observable_gauge("g", [function, generator()])
    assert sorted(numbers(made.collect()[0])) == [3, 4]
    assert sorted(numbers(made.collect()[0])) == [3, 5]
    assert sorted(numbers(made.collect()[0])) == [3]
    assert len(seen) == 5
    assert all(options.timeout_millis > 0 for options in seen)


def test_failing_callbacks_are_counted_and_the_others_still_observed(
    made: MeterProvider, told: list[str]
) -> None:
    def failing(_: api.CallbackOptions) -> Iterable[api.Observation]:
        yield api.Observation(1, {"k": "before"})
        raise RuntimeError("no")

    def wrong(_: api.CallbackOptions) -> Any:
        return [api.Observation("x"), api.Observation(float("nan"))]  # type: ignore[arg-type]

    def nothing(_: api.CallbackOptions) -> Any:
        return None

    def sound(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(2, {"k": "sound"})]

    meter = made.get_meter("m")
    meter.create_observable_counter("c", [failing, wrong, nothing, sound, 5])  # type: ignore[list-item]
    assert sorted(numbers(made.collect()[0])) == [1, 2]
    assert made.faults.counts["callback"] == 2
    assert made.faults.counts["not_finite"] == 1
    assert any("RuntimeError" in text for text in told)


def test_observable_sums_give_differences_to_delta_readers(made: MeterProvider) -> None:
    total = 10.0

    def callback(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(total)]

    meter = made.get_meter("m")
    meter.create_observable_counter("c", [callback])
    meter.create_observable_up_down_counter("u", [callback])
    assert [numbers(one) for one in made.collect("delta")] == [[10], [10]]
    total = 25
    assert [numbers(one) for one in made.collect("cumulative")] == [[25], [25]]
    assert [numbers(one) for one in made.collect("delta")] == [[15], [25]]
    total = 3  # it began anew
    assert [numbers(one) for one in made.collect("delta")] == [[3], [3]]
    made.after_fork_in_child()
    assert [numbers(one) for one in made.collect("delta")] == [[3], [3]]


def test_observations_beyond_the_limit_are_summed() -> None:
    def callback(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(1, {"n": number}) for number in range(10)]

    made = MeterProvider(cardinality_limit=4, redact=lambda _, value: value)
    made.get_meter("m").create_observable_counter("c", [callback])
    (data,) = made.collect()
    assert numbers(data) == [1, 1, 1, 7]
    assert data.points[-1].attributes == {"otel.metric.overflow": True}


def test_a_second_creation_adds_its_callbacks(made: MeterProvider) -> None:
    def one(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(1, {"k": "one"})]

    def two(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(2, {"k": "two"})]

    meter = made.get_meter("m")
    assert meter.create_observable_gauge("g", [one]) is meter.create_observable_gauge(
        "g", [one, two]
    )
    assert numbers(made.collect()[0]) == [1, 2]


# -- exemplars -----------------------------------------------------------------------------------


def test_values_in_a_sampled_span_leave_one_exemplar_per_bucket(
    made: MeterProvider, in_span: InSpan
) -> None:
    meter = made.get_meter("m")
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
    counter = meter.create_counter("c")
    bound = histogram.bind({})
    with in_span(0xA, 0xB):
        histogram.record(0.5)
        histogram.record(0.7)
        bound.record(5)
        counter.add(2)
    with in_span(0xC, 0xD, sampled=False):
        histogram.record(1.5)
        counter.add(7)
    histogram.record(0.1)
    metrics = made.collect()
    exemplars = histogram_of(named(metrics, "h")).exemplars
    assert [(e.value, e.trace_id, e.span_id) for e in exemplars] == [(0.7, 0xA, 0xB), (5, 0xA, 0xB)]
    (point,) = named(metrics, "c").points
    assert [(e.value, e.trace_id) for e in point.exemplars] == [(2, 0xA)]
    assert all(1000 < e.time_ns < made.clock() for e in (*exemplars, *point.exemplars))


def test_delta_points_carry_only_new_exemplars(made: MeterProvider, in_span: InSpan) -> None:
    meter = made.get_meter("m")
    histogram, counter = meter.create_histogram("h"), meter.create_counter("c")
    with in_span(1, 2):
        histogram.record(1)
        counter.add(1)
    assert [len(one.points[0].exemplars) for one in made.collect("delta")] == [1, 1]
    histogram.record(1)
    counter.add(1)
    assert [len(one.points[0].exemplars) for one in made.collect("delta")] == [0, 0]
    assert [len(one.points[0].exemplars) for one in made.collect()] == [1, 1]


def test_an_explicit_context_wins_over_the_current_one(
    made: MeterProvider, in_span: InSpan
) -> None:
    span = trace.NonRecordingSpan(trace.SpanContext(7, 8, False, trace.TraceFlags(1)))
    given = trace.set_span_in_context(span)
    with in_span(1, 2):
        made.get_meter("m").create_counter("c").add(1, None, given)
    assert made.collect()[0].points[0].exemplars[0].trace_id == 7


def test_a_broken_span_costs_the_exemplar_only(made: MeterProvider) -> None:
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> trace.SpanContext:
            raise RuntimeError

    given = trace.set_span_in_context(Broken(trace.INVALID_SPAN_CONTEXT))
    made.get_meter("m").create_counter("c").add(1, None, given)
    assert numbers(made.collect()[0]) == [1]


def test_busy_series_stop_looking_for_spans_until_they_are_read(
    made: MeterProvider, in_span: InSpan
) -> None:
    histogram = made.get_meter("m").create_histogram("h")
    with in_span(1, 2):
        for _ in range(200):
            histogram.record(1)
    assert len(histogram.bind({}).candidates) == histogram.bind({}).max_tries
    made.collect()
    assert histogram.bind({}).candidates == []
    with in_span(3, 4):
        histogram.record(1)
    assert histogram_of(made.collect()[0]).exemplars[0].trace_id == 3
