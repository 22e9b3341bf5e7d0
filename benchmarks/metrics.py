"""Metric updates: ours, the OpenTelemetry SDK's, and prometheus_client's bound children.

Bias, stated first: prometheus_client is measured with children that were looked up before, its
fastest form, while the counter and histogram groups look a series up by attributes every time;
`bound` is our like of it. The OpenTelemetry SDK has no bound form. Our values are folded in
batches of 256 within the measured loops; `settle` collects what is left, which counts as CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import prometheus_client
from harness import Case, Group, compare, main
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider as SDKMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from alexobs.metrics import MeterProvider, MetricsCollector
from alexobs.records import LLMObservation, ToolObservation, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SDK = "OTel SDK"
CLIENT = "prometheus_client child"


def ours() -> tuple[MeterProvider, Any, Any]:
    provider = MeterProvider()
    meter = provider.get_meter("benchmark")
    return provider, meter.create_counter("c"), meter.create_histogram("h", unit="s")


def theirs() -> tuple[InMemoryMetricReader, Any, Any]:
    reader = InMemoryMetricReader()
    meter = SDKMeterProvider(metric_readers=[reader]).get_meter("benchmark")
    return reader, meter.create_counter("c"), meter.create_histogram("h", unit="s")


def adds(counter: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            counter.add(1, {"model": "gpt-4o", "status": "success"})

    return run


def records(histogram: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            histogram.record(0.3, {"model": "gpt-4o", "status": "success"})

    return run


def in_span(run: Callable[[int], None]) -> Callable[[int], None]:
    span = trace.NonRecordingSpan(trace.SpanContext(1, 2, False, trace.TraceFlags(1)))

    def inside(calls: int) -> None:
        token = context.attach(trace.set_span_in_context(span))
        run(calls)
        context.detach(token)

    return inside


def by_attributes() -> Iterator[Group]:
    provider, counter, histogram = ours()
    reader, sdk_counter, sdk_histogram = theirs()
    collect, sdk_collect = provider.collect, reader.get_metrics_data
    for name, make, mine, other in (
        ("counter, 2 attributes", adds, counter, sdk_counter),
        ("histogram, 2 attributes", records, histogram, sdk_histogram),
    ):
        yield compare(
            name,
            [Case("alexobs", make(mine), collect), Case(SDK, make(other), sdk_collect)],
        )
    yield compare(
        "histogram, 2 attributes, in a sampled span",
        [
            Case("alexobs", in_span(records(histogram)), collect),
            Case(SDK, in_span(records(sdk_histogram)), sdk_collect),
        ],
    )


def bound() -> Iterator[Group]:
    provider, counter, histogram = ours()
    registry = prometheus_client.CollectorRegistry()
    labels = ("model", "status")
    child = prometheus_client.Counter("c", "c", labels, registry=registry).labels("m", "s")
    observer = prometheus_client.Histogram("h", "h", labels, registry=registry).labels("m", "s")
    series = counter.bind({"model": "m", "status": "s"})
    distribution = histogram.bind({"model": "m", "status": "s"})

    def repeat(call: Callable[[float], object], value: float) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for _ in range(calls):
                call(value)

        return run

    yield compare(
        "counter, bound",
        [
            Case("alexobs", repeat(series.add, 1), provider.collect),
            Case(CLIENT, repeat(child.inc, 1)),
        ],
    )
    yield compare(
        "histogram, bound",
        [
            Case("alexobs", repeat(distribution.record, 0.3), provider.collect),
            Case(CLIENT, repeat(observer.observe, 0.3)),
        ],
    )


def observations() -> Iterator[Group]:
    provider = MeterProvider()
    collector = MetricsCollector(provider)
    call = LLMObservation(
        "gpt-4o", "success", 0.5, Usage(100, 20), 0.01, "openai", trace_id=1, span_id=2
    )
    tool = ToolObservation("ls", "success", 0.1, "", 1, 2)

    def observe_llm(calls: int) -> None:
        for _ in range(calls):
            collector.observe_llm(call)

    def observe_tool(calls: int) -> None:
        for _ in range(calls):
            collector.observe_tool(tool)

    def record(calls: int) -> None:
        for _ in range(calls):
            collector.record_llm_request(
                model="gpt-4o", latency_s=0.5, input_tokens=100, output_tokens=20, cost_usd=0.01
            )

    sdk_meter = SDKMeterProvider(metric_readers=[reader := InMemoryMetricReader()]).get_meter("b")
    counters = [sdk_meter.create_counter(f"c{number}") for number in range(4)]
    histograms = [sdk_meter.create_histogram(f"h{number}") for number in range(4)]

    def same_with_sdk(calls: int) -> None:
        labels = {"model": "gpt-4o", "status": "success"}
        for _ in range(calls):
            for counter in counters:
                counter.add(1, labels)
            for histogram in histograms:
                histogram.record(1, labels)

    yield compare(
        "one LLM call, all instruments",
        [
            Case("observe_llm", observe_llm, provider.collect),
            Case("record_llm_request", record, provider.collect),
            Case("observe_tool", observe_tool, provider.collect),
            Case(f"{SDK}, 4 counters and 4 histograms", same_with_sdk, reader.get_metrics_data),
        ],
        calls=5000,
    )


def groups() -> Iterator[Group]:
    yield from by_attributes()
    yield from bound()
    yield from observations()


if __name__ == "__main__":
    main("metrics", groups)
