"""What is encoded by hand is, parsed by the official classes, what went in."""

from __future__ import annotations

import enum
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1 import trace_pb2

from alexobs.exporters.otlp.encode import encode_logs, encode_metrics, encode_spans
from alexobs.exporters.otlp.split import split_request
from alexobs.exporters.values import plain, safe_text
from alexobs.records import (
    Exemplar,
    HistogramPoint,
    LogRecord,
    MetricData,
    NumberPoint,
    Resource,
    Scope,
    SpanData,
    SpanEvent,
    SpanLink,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# The machine may be busy, and spans of every shape take a moment to make up.
patient = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

uint64 = st.integers(0, (1 << 64) - 1)
uint32 = st.integers(0, (1 << 32) - 1)
trace_ids = st.integers(1, (1 << 128) - 1)
# Surrogates included: text from the wild holds them.
texts = st.text(st.characters(exclude_categories=()), max_size=12)
names = st.text(max_size=8)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=8),
    st.none(),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([0, 1, True, False, 0.0, 1.0, -0.0, "1", ""]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
attributes: st.SearchStrategy[dict[str, Any]] = st.dictionaries(texts, values, max_size=5)
scopes = st.sampled_from([Scope("alexobs", "1.0"), Scope("other", "", "https://x/1"), Scope("")])
resources = attributes.map(Resource)

events = st.builds(SpanEvent, texts, uint64, attributes, uint32)
links = st.builds(SpanLink, trace_ids, uint64, names, attributes, uint32)
spans = st.builds(
    SpanData,
    trace_id=trace_ids,
    span_id=uint64,
    parent_span_id=st.just(0) | uint64,
    name=texts,
    start_ns=uint64,
    end_ns=uint64,
    attributes=attributes,
    scope=scopes,
    kind=st.integers(0, 5),
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    status_code=st.integers(0, 2),
    status_message=texts,
    trace_state=names,
    flags=uint32,
    dropped_attributes=uint32,
    dropped_events=uint32,
    dropped_links=uint32,
)
logs = st.builds(
    LogRecord,
    time_ns=uint64,
    severity=st.integers(0, 24),
    body=texts,
    attributes=attributes,
    scope=scopes,
    trace_id=st.just(0) | trace_ids,
    span_id=uint64,
    flags=uint32,
    exception=st.none() | st.tuples(names, texts, texts),
    event_name=names,
)

numbers = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats()
exemplars = st.lists(
    st.builds(Exemplar, numbers, uint64, st.just(0) | trace_ids, uint64, attributes), max_size=2
)
number_points = st.builds(NumberPoint, attributes, uint64, uint64, numbers, exemplars)


@st.composite
def histogram_points(draw: st.DrawFn) -> HistogramPoint:
    boundaries = draw(st.lists(st.floats(allow_nan=False), max_size=4).map(sorted))
    size = len(boundaries) + 1
    counts = draw(st.lists(st.integers(0, 1 << 40), min_size=size, max_size=size))
    return HistogramPoint(
        attributes=draw(attributes),
        start_ns=draw(uint64),
        time_ns=draw(uint64),
        count=sum(counts),
        sum=draw(st.floats()),
        min=draw(st.floats()),
        max=draw(st.floats()),
        boundaries=boundaries,
        counts=counts,
        exemplars=draw(exemplars),
    )


@st.composite
def _metrics(draw: st.DrawFn) -> MetricData:
    kind = draw(st.sampled_from(["sum", "gauge", "histogram"]))
    points = histogram_points() if kind == "histogram" else number_points
    return MetricData(
        name=draw(texts),
        description=draw(texts),
        unit=draw(names),
        kind=kind,  # type: ignore[arg-type]
        monotonic=kind == "sum" and draw(st.booleans()),
        temporality=draw(st.sampled_from(["cumulative", "delta"])),
        scope=draw(scopes),
        points=draw(st.lists(points, max_size=3)),  # type: ignore[arg-type]
    )


metrics = _metrics()


# -- the same request, built with the official classes ---------------------------------------------


def any_value(value: Any) -> common.AnyValue:  # noqa: PLR0911 - one per kind of value
    if isinstance(value, str):
        return common.AnyValue(string_value=value)
    if isinstance(value, bool):
        return common.AnyValue(bool_value=value)
    if isinstance(value, int):
        return common.AnyValue(int_value=value)
    if isinstance(value, float):
        return common.AnyValue(double_value=value)
    if isinstance(value, bytes):
        return common.AnyValue(bytes_value=value)
    if isinstance(value, list):
        return common.AnyValue(array_value=common.ArrayValue(values=map(any_value, value)))
    if isinstance(value, dict):
        return common.AnyValue(kvlist_value=common.KeyValueList(values=pairs(value)))
    assert value is None
    return common.AnyValue()


def pairs(mapping: Any) -> list[common.KeyValue]:
    plain_mapping = {safe_text(key): plain(value) for key, value in mapping.items()}
    return [common.KeyValue(key=k, value=any_value(v)) for k, v in plain_mapping.items()]


def span_message(span: SpanData) -> trace_pb2.Span:
    message = trace_pb2.Span(
        trace_id=span.trace_id.to_bytes(16, "big"),
        span_id=span.span_id.to_bytes(8, "big"),
        trace_state=span.trace_state,
        parent_span_id=span.parent_span_id.to_bytes(8, "big") if span.parent_span_id else b"",
        flags=span.flags,
        name=safe_text(span.name),
        kind=span.kind,  # type: ignore[arg-type]
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=pairs(span.attributes),
        dropped_attributes_count=span.dropped_attributes,
        dropped_events_count=span.dropped_events,
        dropped_links_count=span.dropped_links,
    )
    for event in span.events:
        message.events.add(
            name=safe_text(event.name),
            time_unix_nano=event.time_ns,
            attributes=pairs(event.attributes),
            dropped_attributes_count=event.dropped_attributes,
        )
    for link in span.links:
        message.links.add(
            trace_id=link.trace_id.to_bytes(16, "big"),
            span_id=link.span_id.to_bytes(8, "big"),
            trace_state=link.trace_state,
            attributes=pairs(link.attributes),
            flags=link.flags,
        )
    if span.status_code or span.status_message:
        message.status.code = span.status_code  # type: ignore[assignment]
        message.status.message = safe_text(span.status_message)
    return message


def log_message(record: LogRecord) -> logs_pb2.LogRecord:
    attributes = dict(record.attributes)
    keys = ("exception.type", "exception.message", "exception.stacktrace")
    attributes.update({k: v for k, v in zip(keys, record.exception or (), strict=False) if v})
    severities = ["", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    return logs_pb2.LogRecord(
        time_unix_nano=record.time_ns,
        observed_time_unix_nano=record.time_ns,
        severity_number=record.severity,  # type: ignore[arg-type]
        severity_text=severities[math.ceil(record.severity / 4)],
        body=any_value(safe_text(record.body)),
        attributes=pairs(attributes),
        flags=record.flags,
        trace_id=record.trace_id.to_bytes(16, "big") if record.trace_id else b"",
        span_id=record.span_id.to_bytes(8, "big") if record.span_id else b"",
        event_name=record.event_name,
    )


def exemplar_message(exemplar: Exemplar) -> metrics_pb2.Exemplar:
    message = metrics_pb2.Exemplar(
        time_unix_nano=exemplar.time_ns,
        filtered_attributes=pairs(exemplar.attributes),
        trace_id=exemplar.trace_id.to_bytes(16, "big") if exemplar.trace_id else b"",
        span_id=exemplar.span_id.to_bytes(8, "big") if exemplar.span_id else b"",
    )
    if isinstance(exemplar.value, int):
        message.as_int = exemplar.value
    else:
        message.as_double = exemplar.value
    return message


def number_message(point: NumberPoint) -> metrics_pb2.NumberDataPoint:
    message = metrics_pb2.NumberDataPoint(
        attributes=pairs(point.attributes),
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        exemplars=map(exemplar_message, point.exemplars),
    )
    if isinstance(point.value, int):
        message.as_int = point.value
    else:
        message.as_double = point.value
    return message


def histogram_message(point: HistogramPoint) -> metrics_pb2.HistogramDataPoint:
    message = metrics_pb2.HistogramDataPoint(
        attributes=pairs(point.attributes),
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=point.count,
        sum=point.sum,
        bucket_counts=point.counts,
        explicit_bounds=point.boundaries,
        exemplars=map(exemplar_message, point.exemplars),
    )
    if point.count:
        message.min, message.max = point.min, point.max
    return message


def metric_message(metric: MetricData) -> metrics_pb2.Metric:
    message = metrics_pb2.Metric(
        name=safe_text(metric.name), description=safe_text(metric.description), unit=metric.unit
    )
    numbers = [point for point in metric.points if isinstance(point, NumberPoint)]
    temporality = {"delta": 1, "cumulative": 2}[metric.temporality]
    if metric.kind == "gauge":
        message.gauge.SetInParent()
        message.gauge.data_points.extend(map(number_message, numbers))
    elif metric.kind == "sum":
        message.sum.data_points.extend(map(number_message, numbers))
        message.sum.aggregation_temporality = temporality  # type: ignore[assignment]
        message.sum.is_monotonic = metric.monotonic
    else:
        histograms = [point for point in metric.points if isinstance(point, HistogramPoint)]
        message.histogram.data_points.extend(map(histogram_message, histograms))
        message.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    return message


T = TypeVar("T")


def by_scope(records: Iterable[T]) -> dict[Scope, list[T]]:
    groups: dict[Scope, list[T]] = {}
    for record in records:
        groups.setdefault(record.scope, []).append(record)  # type: ignore[attr-defined]
    return groups


def expected_request(
    request: Any, signal: str, records: Sequence[Any], resource: Resource
) -> bytes:
    shapes: dict[str, tuple[str, str, str, Callable[[Any], Any]]] = {
        "traces": ("resource_spans", "scope_spans", "spans", span_message),
        "logs": ("resource_logs", "scope_logs", "log_records", log_message),
        "metrics": ("resource_metrics", "scope_metrics", "metrics", metric_message),
    }
    outer_name, inner_name, leaf_name, convert = shapes[signal]
    if records:
        outer = getattr(request, outer_name).add()
        outer.resource.CopyFrom(ResourceMessage(attributes=pairs(resource.attributes)))
        for scope, group in by_scope(records).items():
            inner = getattr(outer, inner_name).add(schema_url=scope.schema_url)
            inner.scope.CopyFrom(
                common.InstrumentationScope(name=scope.name, version=scope.version)
            )
            getattr(inner, leaf_name).extend(map(convert, group))
    return canonical(request)


def canonical(request: Any) -> bytes:
    return bytes(request.SerializeToString(deterministic=True))


@patient
@given(st.lists(spans, max_size=4), resources)
def test_spans_survive_the_round_trip(records: list[SpanData], resource: Resource) -> None:
    parsed = ExportTraceServiceRequest.FromString(encode_spans(records, resource))
    assert canonical(parsed) == expected_request(
        ExportTraceServiceRequest(), "traces", records, resource
    )


@patient
@given(st.lists(logs, max_size=4), resources)
def test_logs_survive_the_round_trip(records: list[LogRecord], resource: Resource) -> None:
    parsed = ExportLogsServiceRequest.FromString(encode_logs(records, resource))
    assert canonical(parsed) == expected_request(
        ExportLogsServiceRequest(), "logs", records, resource
    )


@patient
@given(st.lists(metrics, max_size=3), resources)
def test_metrics_survive_the_round_trip(records: list[MetricData], resource: Resource) -> None:
    parsed = ExportMetricsServiceRequest.FromString(encode_metrics(records, resource))
    assert canonical(parsed) == expected_request(
        ExportMetricsServiceRequest(), "metrics", records, resource
    )


# -- halves ----------------------------------------------------------------------------------------


@patient
@given(st.lists(spans, min_size=2, max_size=4), st.data())
def test_halves_of_a_trace_request_are_the_whole(
    records: list[SpanData], data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(records) - 1))
    halves = split_request(encode_spans(records, Resource({"a": 1})), "traces", first)
    parsed = [ExportTraceServiceRequest.FromString(half) for half in halves]
    in_order = [span for group in by_scope(records).values() for span in group]
    found = [
        [canonical(s) for r in p.resource_spans for ss in r.scope_spans for s in ss.spans]
        for p in parsed
    ]
    expected = [canonical(span_message(span)) for span in in_order]
    assert found == [expected[:first], expected[first:]]
    for half in parsed:
        assert [r.resource.attributes[0].key for r in half.resource_spans] == ["a"]


@patient
@given(st.lists(metrics, min_size=1, max_size=4), st.data())
def test_halves_of_a_metrics_request_are_the_whole(
    records: list[MetricData], data: st.DataObject
) -> None:
    total = sum(len(metric.points) for metric in records)
    first = data.draw(st.integers(0, total))
    halves = split_request(encode_metrics(records, Resource({"a": 1})), "metrics", first)
    parsed = [list(points_of(ExportMetricsServiceRequest.FromString(half))) for half in halves]
    whole = list(
        points_of(
            ExportMetricsServiceRequest.FromString(encode_metrics(records, Resource({"a": 1})))
        )
    )
    assert [len(half) for half in parsed] == [first, total - first]
    assert parsed[0] + parsed[1] == whole


def points_of(request: ExportMetricsServiceRequest) -> Iterable[tuple[bytes, ...]]:
    """Every data point with all that identifies it: resource, scope, metric."""
    for outer in request.resource_metrics:
        for inner in outer.scope_metrics:
            for metric in inner.metrics:
                kind = metric.WhichOneof("data")
                assert kind is not None
                body = getattr(metric, kind)
                head = metrics_pb2.Metric()
                head.CopyFrom(metric)
                getattr(head, kind).ClearField("data_points")
                for point in body.data_points:
                    yield (
                        canonical(outer.resource),
                        canonical(inner.scope),
                        canonical(head),
                        canonical(point),
                    )


# -- values that nobody expects --------------------------------------------------------------------


class Exploding:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    SEVEN = 7


def cycle() -> list[Any]:
    loop: list[Any] = [1]
    loop.append(loop)
    return loop


def bomb() -> list[Any]:
    """2**40 leaves in forty lists."""
    tree: list[Any] = ["x"]
    for _ in range(40):
        tree = [tree, tree]
    return tree


def one_span(attributes: Any, **changes: Any) -> SpanData:
    given: dict[str, Any] = {
        "trace_id": 1,
        "span_id": 2,
        "name": "n",
        "start_ns": 3,
        "end_ns": 4,
        "scope": Scope("s"),
        "attributes": attributes,
    }
    return SpanData(**{**given, **changes})


def parsed_span(span: SpanData) -> trace_pb2.Span:
    request = ExportTraceServiceRequest.FromString(encode_spans([span], Resource()))
    found: trace_pb2.Span = request.resource_spans[0].scope_spans[0].spans[0]
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Exploding(), "[unprintable Exploding]"),
        (Colour.RED, "red"),
        (Number.SEVEN, 7),
        (Fraction(1, 2), 0.5),
        (10**5000, hex(10**5000)),
        (1 << 63, str(1 << 63)),
        (-(1 << 63), -(1 << 63)),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        (bytearray(b"x"), b"x"),
        ((1, "a"), [1, "a"]),
        ({Exploding: 1}, {str(Exploding): 1}),
        (cycle(), [1, "[cycle]"]),
        (3 + 4j, "(3+4j)"),
    ],
    ids=lambda _: "",
)
def test_odd_values_are_recorded_as_well_as_can_be(value: Any, expected: Any) -> None:
    attribute = parsed_span(one_span({"key": value})).attributes[0]
    assert attribute.value == any_value(expected)


def test_a_value_that_would_explode_is_cut() -> None:
    span = parsed_span(one_span({"key": bomb(), "other": 1}))
    assert [attribute.key for attribute in span.attributes] == ["key", "other"]
    assert span.ByteSize() < 2_000_000


def test_equal_values_of_different_types_keep_their_type() -> None:
    for value in (1, True, 1.0, 0, False, 0.0, -0.0, "1"):
        attribute = parsed_span(one_span({"key": value})).attributes[0]
        assert canonical(attribute.value) == canonical(any_value(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": b"bytes"},
        {"start_ns": -1},
        {"end_ns": 1 << 70},
        {"kind": 99},
        {"kind": -1},
        {"trace_id": 1 << 200},
        {"trace_id": None},
        {"span_id": "x"},
        {"status_code": -5},
        {"status_message": 7},
        {"flags": None},
        {"dropped_events": -1},
        {"attributes": {None: 1, 2: Exploding(), b"x": 1.5}},
        {"events": [SpanEvent(None, -3, None)]},  # type: ignore[arg-type]
        {"links": [SpanLink(-1, -2, None, None)]},  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_broken_span_neither_raises_nor_spoils_its_neighbour(changes: dict[str, Any]) -> None:
    broken = one_span({"a": 1}, **changes) if "attributes" not in changes else one_span(**changes)
    request = ExportTraceServiceRequest.FromString(
        encode_spans([broken, one_span({"b": 2})], Resource())
    )
    found = request.resource_spans[0].scope_spans[0].spans
    assert len(found) == 2
    assert found[1] == span_message(one_span({"b": 2}))


def test_caches_are_bounded_and_stay_right() -> None:
    records = [one_span({f"key{n}": n, "text": str(n)}, name=f"name{n}") for n in range(20_000)]
    request = ExportTraceServiceRequest.FromString(encode_spans(records, Resource()))
    found = request.resource_spans[0].scope_spans[0].spans
    assert [s.attributes[0].value.int_value for s in found] == list(range(20_000))
    assert found[-1].name == "name19999"
