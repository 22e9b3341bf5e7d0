"""OTLP protobuf messages as plain values, by the official classes.

The classes come from ``opentelemetry-proto``, which is imported when the first request arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from alexobs.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Received:
    """Where a record came from: resource attributes and instrumentation scope."""

    resource: Mapping[str, Any]
    scope_name: str
    scope_version: str
    schema_url: str


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A span's event."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedLink:
    """A span's link; ids as hex."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span; ids as hex (empty: none), kind and status as OTLP's numbers."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    events: Sequence[ReceivedEvent]
    links: Sequence[ReceivedLink]
    status_code: int
    status_message: str
    trace_state: str
    flags: int
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    origin: Received


@dataclass(frozen=True, slots=True)
class ReceivedLog:
    """A log record; ids as hex (empty: none)."""

    time_ns: int
    severity: int
    severity_text: str
    body: Any
    attributes: Mapping[str, Any]
    trace_id: str
    span_id: str
    flags: int
    event_name: str
    origin: Received


@dataclass(frozen=True, slots=True)
class ReceivedPoint:
    """A data point. Histograms have ``count``, ``sum``, ``boundaries`` and ``counts``."""

    attributes: Mapping[str, Any]
    start_ns: int
    time_ns: int
    value: float | None = None
    count: int = 0
    sum: float = 0.0
    min: float | None = None
    max: float | None = None
    boundaries: Sequence[float] = ()
    counts: Sequence[int] = ()
    exemplars: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ReceivedMetric:
    """All points of one instrument in one request."""

    name: str
    description: str
    unit: str
    kind: str
    monotonic: bool
    temporality: str
    points: Sequence[ReceivedPoint]
    origin: Received


def _message(signal: str, suffix: str) -> Any:
    """Return a new message of the official classes, as ``ExportTraceServiceRequest``."""
    noun = {"traces": "trace"}.get(signal, signal)
    try:
        module = import_module(f"opentelemetry.proto.collector.{noun}.v1.{noun}_service_pb2")
    except ImportError as missing:
        raise MissingExtraError("Decoding OTLP", "testing") from missing
    return getattr(module, f"Export{noun.title()}Service{suffix}")()


def parse(signal: str, body: bytes) -> Any:
    """Return a request message; ValueError when the body is none."""
    message = _message(signal, "Request")
    try:
        message.ParseFromString(body)
    except Exception as error:  # protobuf's DecodeError, whose module is an extra's
        raise ValueError(f"not an OTLP {signal} request: {error}") from error
    return message


def answer(signal: str, rejected: int = 0, message: str = "") -> bytes:
    """Return the response message, with a partial success when something is said."""
    response = _message(signal, "Response")
    if rejected or message:
        noun = {"traces": "spans", "logs": "log_records", "metrics": "data_points"}[signal]
        setattr(response.partial_success, f"rejected_{noun}", rejected)
        response.partial_success.error_message = message
    encoded: bytes = response.SerializeToString()
    return encoded


def spans(request: Any) -> Iterator[ReceivedSpan]:
    """Yield the spans of a request, in its order."""
    for origin, group in _scopes(request.resource_spans, "scope_spans"):
        for span in group.spans:
            yield ReceivedSpan(
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_span_id=span.parent_span_id.hex(),
                name=span.name,
                kind=span.kind,
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                attributes=plain_map(span.attributes),
                events=[
                    ReceivedEvent(event.name, event.time_unix_nano, plain_map(event.attributes))
                    for event in span.events
                ],
                links=[
                    ReceivedLink(
                        link.trace_id.hex(), link.span_id.hex(), plain_map(link.attributes)
                    )
                    for link in span.links
                ],
                status_code=span.status.code,
                status_message=span.status.message,
                trace_state=span.trace_state,
                flags=span.flags,
                dropped_attributes=span.dropped_attributes_count,
                dropped_events=span.dropped_events_count,
                dropped_links=span.dropped_links_count,
                origin=origin,
            )


def logs(request: Any) -> Iterator[ReceivedLog]:
    """Yield the log records of a request, in its order."""
    for origin, group in _scopes(request.resource_logs, "scope_logs"):
        for record in group.log_records:
            yield ReceivedLog(
                time_ns=record.time_unix_nano,
                severity=record.severity_number,
                severity_text=record.severity_text,
                body=plain(record.body),
                attributes=plain_map(record.attributes),
                trace_id=record.trace_id.hex(),
                span_id=record.span_id.hex(),
                flags=record.flags,
                event_name=record.event_name,
                origin=origin,
            )


def metrics(request: Any) -> Iterator[ReceivedMetric]:
    """Yield the metrics of a request, in its order."""
    for origin, group in _scopes(request.resource_metrics, "scope_metrics"):
        for metric in group.metrics:
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            temporality = getattr(data, "aggregation_temporality", 0)
            yield ReceivedMetric(
                name=metric.name,
                description=metric.description,
                unit=metric.unit,
                kind=kind,
                monotonic=getattr(data, "is_monotonic", False),
                temporality=("", "delta", "cumulative")[temporality],
                points=[_point(kind, point) for point in data.data_points],
                origin=origin,
            )


def plain(value: Any) -> Any:
    """Return an ``AnyValue`` as a Python value."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain_map(value.kvlist_value.values)
    return getattr(value, kind)


def plain_map(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return key-value pairs as a dict; a doubled key is an error, as it is in OTLP."""
    values: dict[str, Any] = {}
    for pair in pairs:
        if pair.key in values:
            raise ValueError(f"attribute {pair.key!r} is there twice")
        values[pair.key] = plain(pair.value)
    return values


def _scopes(resources: Any, member: str) -> Iterator[tuple[Received, Any]]:
    for resource in resources:
        attributes = plain_map(resource.resource.attributes)
        for group in getattr(resource, member):
            scope = group.scope
            yield Received(attributes, scope.name, scope.version, group.schema_url), group


def _point(kind: str, point: Any) -> ReceivedPoint:
    common = {
        "attributes": plain_map(point.attributes),
        "start_ns": point.start_time_unix_nano,
        "time_ns": point.time_unix_nano,
        "exemplars": [_exemplar(exemplar) for exemplar in point.exemplars],
    }
    if kind != "histogram":
        return ReceivedPoint(**common, value=getattr(point, point.WhichOneof("value")))
    return ReceivedPoint(
        **common,
        count=point.count,
        sum=point.sum,
        min=point.min if point.HasField("min") else None,
        max=point.max if point.HasField("max") else None,
        boundaries=list(point.explicit_bounds),
        counts=list(point.bucket_counts),
    )


def _exemplar(exemplar: Any) -> dict[str, Any]:
    return {
        "value": getattr(exemplar, exemplar.WhichOneof("value")),
        "time_ns": exemplar.time_unix_nano,
        "trace_id": exemplar.trace_id.hex(),
        "span_id": exemplar.span_id.hex(),
        "attributes": plain_map(exemplar.filtered_attributes),
    }
