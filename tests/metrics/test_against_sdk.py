"""Our aggregation gives what the OpenTelemetry SDK's gives, for any history of measurements."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from alexobs.metrics import MeterProvider
from alexobs.records import HistogramPoint

DELTA = AggregationTemporality.DELTA
DELTA_PREFERRED = {sdk.Counter: DELTA, sdk.Histogram: DELTA}
LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y"]), max_size=2)
AMOUNTS = st.integers(-50, 500) | st.floats(-50, 500)
STEPS = st.lists(
    st.tuples(st.sampled_from(["counter", "level", "histogram", "gauge"]), AMOUNTS, LABELS)
    | st.sampled_from(["collect"]),
    max_size=60,
)
Points = dict[tuple[str, frozenset[tuple[str, Any]]], Any]


def instruments(meter: Any) -> dict[str, Any]:
    return {
        "counter": meter.create_counter("counter").add,
        "level": meter.create_up_down_counter("level").add,
        "histogram": meter.create_histogram(
            "histogram", explicit_bucket_boundaries_advisory=[0.0, 10.0, 100.0]
        ).record,
        "gauge": meter.create_gauge("gauge").set,
    }


def of_ours(provider: MeterProvider, temporality: Any) -> Points:
    found: Points = {}
    for metric in provider.collect(temporality):
        for point in metric.points:
            value: Any
            if isinstance(point, HistogramPoint):
                value = (*point.counts, point.count, point.sum, point.min, point.max)
            else:
                value = point.value
            found[(metric.name, frozenset(point.attributes.items()))] = value
    return found


def of_sdk(reader: InMemoryMetricReader) -> Points:
    found: Points = {}
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data is not None else ():
        for metric in resource.scope_metrics[0].metrics:
            data_points: Any = metric.data.data_points
            for point in data_points:
                value: Any
                if hasattr(point, "bucket_counts"):
                    value = (*point.bucket_counts, point.count, point.sum, point.min, point.max)
                else:
                    value = point.value
                found[(metric.name, frozenset((point.attributes or {}).items()))] = value
    return found


def close(ours: Points, theirs: Points) -> bool:
    def rounded(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rounded(part) for part in value)
        return round(value, 6) + 0.0

    return {k: rounded(v) for k, v in ours.items()} == {k: rounded(v) for k, v in theirs.items()}


@settings(deadline=None)
@given(STEPS)
def test_cumulative_and_delta_readers_see_what_the_sdk_shows_them(steps: list[Any]) -> None:
    cumulative = InMemoryMetricReader()
    delta = InMemoryMetricReader(preferred_temporality=DELTA_PREFERRED)  # type: ignore[arg-type]
    reference = sdk.MeterProvider(metric_readers=[cumulative, delta], shutdown_on_exit=False)
    provider = MeterProvider(warn=lambda _: None)
    mine, theirs = instruments(provider.get_meter("m")), instruments(reference.get_meter("m"))
    for step in [*steps, "collect"]:
        if step == "collect":
            assert close(of_ours(provider, "cumulative"), of_sdk(cumulative))
            changed, expected = of_ours(provider, "delta"), of_sdk(delta)
            # The SDK gives a gauge once per collection in which it was set, and we always.
            for points in (changed, expected):
                for key in [key for key in points if key[0] == "gauge"]:
                    del points[key]
            assert close(changed, expected)
        else:
            name, amount, attributes = step
            if name == "histogram":
                amount = abs(amount)  # the SDK drops negative ones, which the API allows
            mine[name](amount, attributes)
            if name != "counter" or amount >= 0:  # the SDK would warn in the log each time
                theirs[name](amount, attributes)
    reference.shutdown()
