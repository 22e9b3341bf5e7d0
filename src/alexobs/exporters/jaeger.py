"""Jaeger's Thrift batches over HTTP, by OpenTelemetry's mapping to Jaeger."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from alexobs.exporters import thrift
from alexobs.exporters.collector import CollectorExporter
from alexobs.exporters.values import (
    attribute_text,
    plain_attributes,
    repaired_span,
    safe_text,
)
from alexobs.records import Batch
from alexobs.semconv import SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alexobs.exporters.endpoints import Endpoint
    from alexobs.records import Resource, SpanData, SpanEvent, SpanLink

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATUSES = {1: "OK", 2: "ERROR"}
_ERROR = 2
_UINT64 = (1 << 64) - 1
_SAMPLED = 1
_FOLLOWS_FROM = 1
# Values of Jaeger's TagType, and the field of a Tag that holds such a value.
_STRING, _DOUBLE, _BOOL, _LONG, _BINARY = range(5)
_BATCH_SPANS = 2


class JaegerExporter(CollectorExporter):
    """Posts spans to Jaeger's collector. Its Thrift endpoint does not take compressed bodies."""

    encoding = "jaeger"
    content_type = "application/x-thrift"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, gzip=False)

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return a ``Batch`` struct."""
        process = thrift.struct_field(1, _process(resource))
        encoded = [_span(repaired_span(span)) for span in spans]
        return process + thrift.struct_list_field(_BATCH_SPANS, encoded) + thrift.STOP

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by spans, or None for one span."""
        try:
            spans, others = _parts(batch.body)
        except ValueError:
            return None
        middle = len(spans) // 2
        if not middle:
            return None
        halves = (spans[:middle], spans[middle:])
        bodies = [
            others + thrift.struct_list_field(_BATCH_SPANS, half) + thrift.STOP for half in halves
        ]
        return (
            Batch(batch.signal, batch.encoding, len(halves[0]), bodies[0]),
            Batch(batch.signal, batch.encoding, len(halves[1]), bodies[1]),
        )


def _parts(body: bytes) -> tuple[list[bytes], bytes]:
    """Return the spans of a batch, and its other fields as they stand."""
    spans: list[bytes] = []
    others: list[bytes] = []
    for kind, number, start, end in thrift.fields(body):
        if number == _BATCH_SPANS and kind == thrift.LIST:
            spans = thrift.list_items(body, start)
        else:
            others.append(body[start - 3 : end])
    return spans, b"".join(others)


def _process(resource: Resource) -> bytes:
    attributes = plain_attributes(resource.attributes)
    service = safe_text(attributes.pop(SERVICE_NAME, None) or "unknown_service")
    return thrift.text_field(1, service) + _tags_field(2, attributes) + thrift.STOP


def _span(span: SpanData) -> bytes:
    parts = [
        thrift.i64_field(1, span.trace_id & _UINT64),
        thrift.i64_field(2, span.trace_id >> 64),
        thrift.i64_field(3, span.span_id),
        thrift.i64_field(4, span.parent_span_id),
        thrift.text_field(5, span.name),
        thrift.struct_list_field(6, [_reference(link) for link in span.links]),
        thrift.i32_field(7, span.flags & _SAMPLED),
        thrift.i64_field(8, span.start_ns // 1000),
        thrift.i64_field(9, max(span.end_ns - span.start_ns, 0) // 1000),
        _tags_field(10, span.attributes | _own_tags(span)),
        thrift.struct_list_field(11, [_log(event) for event in span.events]),
        thrift.STOP,
    ]
    return b"".join(parts)


def _own_tags(span: SpanData) -> dict[str, Any]:
    tags: dict[str, Any] = {
        "span.kind": _KINDS.get(span.kind),
        "otel.status_code": _STATUSES.get(span.status_code),
        "otel.status_description": span.status_message,
        "error": span.status_code == _ERROR,
        "otel.scope.name": span.scope.name,
        "otel.scope.version": span.scope.version,
        "w3c.tracestate": span.trace_state,
        "otel.dropped_attributes_count": span.dropped_attributes,
        "otel.dropped_events_count": span.dropped_events,
        "otel.dropped_links_count": span.dropped_links,
    }
    return {key: value for key, value in tags.items() if value}


def _reference(link: SpanLink) -> bytes:
    parts = [
        thrift.i32_field(1, _FOLLOWS_FROM),
        thrift.i64_field(2, link.trace_id & _UINT64),
        thrift.i64_field(3, link.trace_id >> 64),
        thrift.i64_field(4, link.span_id),
        thrift.STOP,
    ]
    return b"".join(parts)


def _log(event: SpanEvent) -> bytes:
    fields = {"event": event.name, **event.attributes}
    return thrift.i64_field(1, event.time_ns // 1000) + _tags_field(2, fields) + thrift.STOP


def _tags_field(number: int, attributes: Mapping[str, Any]) -> bytes:
    return thrift.struct_list_field(number, list(_tags(attributes.items())))


def _tags(items: Iterable[tuple[str, Any]]) -> Iterable[bytes]:
    for key, value in items:
        kind, field = _typed(value)
        yield thrift.text_field(1, key) + thrift.i32_field(2, kind) + field + thrift.STOP


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return _BOOL, thrift.bool_field(5, value)
    if isinstance(value, int):
        return _LONG, thrift.i64_field(6, value)
    # Jaeger's own JSON has no NaN and no infinity: one of them makes the whole trace unreadable.
    if isinstance(value, float) and math.isfinite(value):
        return _DOUBLE, thrift.double_field(4, value)
    if isinstance(value, bytes):
        return _BINARY, thrift.binary_field(7, value)
    return _STRING, thrift.text_field(3, attribute_text(value))
