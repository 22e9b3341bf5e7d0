"""Requests as OTLP/JSON: lowerCamelCase keys, hexadecimal ids, 64-bit integers as text."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import msgspec

from alexobs.exporters.otlp.encode import log_attributes, severity_text
from alexobs.exporters.otlp.metrics import TEMPORALITIES, is_integer
from alexobs.exporters.values import (
    plain_attributes,
    repaired_log,
    repaired_span,
    safe_text,
)
from alexobs.records import HistogramPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alexobs.records import (
        Exemplar,
        LogRecord,
        MetricData,
        NumberPoint,
        Resource,
        Scope,
        SpanData,
        SpanEvent,
        SpanLink,
    )

_Object = dict[str, Any]


def spans_to_json(spans: Sequence[SpanData], resource: Resource) -> bytes:
    """Return an ``ExportTraceServiceRequest`` in JSON, without a line break."""
    repaired = map(repaired_span, spans)
    return _request(("resourceSpans", "scopeSpans", "spans"), repaired, _span, resource)


def logs_to_json(records: Sequence[LogRecord], resource: Resource) -> bytes:
    """Return an ``ExportLogsServiceRequest`` in JSON, without a line break."""
    repaired = map(repaired_log, records)
    return _request(("resourceLogs", "scopeLogs", "logRecords"), repaired, _log, resource)


def metrics_to_json(metrics: Sequence[MetricData], resource: Resource) -> bytes:
    """Return an ``ExportMetricsServiceRequest`` in JSON, without a line break."""
    return _request(("resourceMetrics", "scopeMetrics", "metrics"), metrics, _metric, resource)


def _request(
    names: tuple[str, str, str],
    records: Iterable[Any],
    convert: Callable[[Any], _Object],
    resource: Resource,
) -> bytes:
    groups: dict[Scope, list[_Object]] = {}
    for record in records:
        groups.setdefault(record.scope, []).append(convert(record))
    scoped = [
        _present(scope=_scope(scope), schemaUrl=safe_text(scope.schema_url)) | {names[2]: items}
        for scope, items in groups.items()
    ]
    whole = {"resource": {"attributes": _attributes(resource.attributes)}, names[1]: scoped}
    return msgspec.json.encode({names[0]: [whole] if scoped else []})


def _scope(scope: Scope) -> _Object:
    return _present(name=safe_text(scope.name), version=safe_text(scope.version))


def _present(**members: Any) -> _Object:
    """Return the members that differ from protobuf's defaults."""
    return {name: value for name, value in members.items() if value}


def _span(span: SpanData) -> _Object:
    return {
        "traceId": _hex(span.trace_id, 32),
        "spanId": _hex(span.span_id, 16),
        "name": span.name,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
    } | _present(
        parentSpanId=_hex(span.parent_span_id, 16),
        traceState=span.trace_state,
        flags=span.flags,
        kind=span.kind,
        attributes=_attributes(span.attributes),
        droppedAttributesCount=span.dropped_attributes,
        events=[_event(event) for event in span.events],
        droppedEventsCount=span.dropped_events,
        links=[_link(link) for link in span.links],
        droppedLinksCount=span.dropped_links,
        status=_present(message=span.status_message, code=span.status_code),
    )


def _event(event: SpanEvent) -> _Object:
    return {"timeUnixNano": str(event.time_ns), "name": event.name} | _present(
        attributes=_attributes(event.attributes), droppedAttributesCount=event.dropped_attributes
    )


def _link(link: SpanLink) -> _Object:
    return {"traceId": _hex(link.trace_id, 32), "spanId": _hex(link.span_id, 16)} | _present(
        traceState=link.trace_state, attributes=_attributes(link.attributes), flags=link.flags
    )


def _log(record: LogRecord) -> _Object:
    return {
        "timeUnixNano": str(record.time_ns),
        "observedTimeUnixNano": str(record.time_ns),
        "body": {"stringValue": record.body},
    } | _present(
        severityNumber=record.severity,
        severityText=severity_text(record.severity),
        attributes=_attributes(log_attributes(record)),
        flags=record.flags,
        traceId=_hex(record.trace_id, 32),
        spanId=_hex(record.span_id, 16),
        eventName=record.event_name,
    )


def _metric(metric: MetricData) -> _Object:
    data: _Object = {"dataPoints": [_point(point) for point in metric.points]}
    if metric.kind != "gauge":
        data["aggregationTemporality"] = TEMPORALITIES[metric.temporality]
    if metric.kind == "sum" and metric.monotonic:
        data["isMonotonic"] = True
    return {"name": safe_text(metric.name), metric.kind: data} | _present(
        description=safe_text(metric.description), unit=safe_text(metric.unit)
    )


def _point(point: NumberPoint | HistogramPoint) -> _Object:
    times = {"startTimeUnixNano": str(point.start_ns), "timeUnixNano": str(point.time_ns)}
    shared = times | _present(
        attributes=_attributes(point.attributes), exemplars=list(map(_exemplar, point.exemplars))
    )
    if not isinstance(point, HistogramPoint):
        return shared | _number(point.value)
    extremes = {"min": _double(point.min), "max": _double(point.max)} if point.count else {}
    return (
        shared
        | extremes
        | {
            "count": str(point.count),
            "sum": _double(point.sum),
            "bucketCounts": [str(count) for count in point.counts],
            "explicitBounds": [_double(boundary) for boundary in point.boundaries],
        }
    )


def _exemplar(exemplar: Exemplar) -> _Object:
    return (
        {"timeUnixNano": str(exemplar.time_ns)}
        | _number(exemplar.value)
        | _present(
            filteredAttributes=_attributes(exemplar.attributes),
            traceId=_hex(exemplar.trace_id, 32),
            spanId=_hex(exemplar.span_id, 16),
        )
    )


def _number(value: float) -> _Object:
    return {"asInt": str(value)} if is_integer(value) else {"asDouble": _double(value)}


def _attributes(attributes: Mapping[str, Any]) -> list[_Object]:
    return [
        {"key": key, "value": _any_value(value)}
        for key, value in plain_attributes(attributes).items()
    ]


def _any_value(value: Any) -> _Object:  # noqa: PLR0911 - one per kind of value
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": _double(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    if isinstance(value, dict):
        pairs = [{"key": key, "value": _any_value(item)} for key, item in value.items()]
        return {"kvlistValue": {"values": pairs}}
    return {}


def _double(value: float) -> float | str:
    """Return `value` as protobuf's JSON mapping writes it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _hex(number: int, digits: int) -> str:
    return f"{number:0{digits}x}" if number else ""
