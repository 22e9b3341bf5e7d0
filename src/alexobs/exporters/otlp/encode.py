"""Spans and log records as OTLP export requests in protobuf."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeVar

from alexobs.exporters.otlp import wire
from alexobs.exporters.otlp.metrics import encode_metrics
from alexobs.exporters.values import repaired_log, repaired_span
from alexobs.records import LogRecord, SpanData
from alexobs.semconv import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexobs.records import Resource, Scope, SpanEvent, SpanLink

__all__ = ["encode_logs", "encode_metrics", "encode_spans", "log_attributes", "severity_text"]

_T = TypeVar("_T", SpanData, LogRecord)
_UINT64 = (1 << 64) - 1
_SEVERITIES = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

# Tags and values in one call each: ids are big-endian, times little-endian.
_pack_child_ids = struct.Struct(">HQQHQHQ").pack
_pack_root_ids = struct.Struct(">HQQHQ").pack
_pack_times_flags = struct.Struct("<BQBQHI").pack
_pack_log_times = struct.Struct("<BQBQ").pack
_pack_event_time = struct.Struct("<BQ").pack

_span_attributes = wire.attribute_encoder(b"\x4a")
_event_attributes = wire.attribute_encoder(b"\x1a")
_link_attributes = wire.attribute_encoder(b"\x22")
_log_attributes = wire.attribute_encoder(b"\x32")

_names: dict[tuple[str, int], bytes] = {}
_severities: dict[int, bytes] = {}
_bodies: dict[str, bytes] = {}
_CACHE_MAX_ENTRIES = 4096
# What repeats is short.
_BODY_MAX_CHARACTERS = 128


def severity_text(severity: int) -> str:
    """Return the name of an OpenTelemetry severity number (``INFO`` for 9 to 12)."""
    return _SEVERITIES[(severity + 3) // 4] if 1 <= severity <= 24 else ""


def log_attributes(record: LogRecord) -> dict[str, Any]:
    """Return the attributes of `record` with its exception's, where it has one."""
    if record.exception is None:
        return record.attributes
    kind, message, stacktrace = record.exception
    exception = {
        EXCEPTION_TYPE: kind,
        EXCEPTION_MESSAGE: message,
        EXCEPTION_STACKTRACE: stacktrace,
    }
    return {**record.attributes, **{key: text for key, text in exception.items() if text}}


def encode_spans(spans: Sequence[SpanData], resource: Resource) -> bytes:
    """Return an ``ExportTraceServiceRequest``, spans grouped by scope."""
    return wire.export_request(_grouped(spans, _encode_span, repaired_span), resource)


def encode_logs(records: Sequence[LogRecord], resource: Resource) -> bytes:
    """Return an ``ExportLogsServiceRequest``, records grouped by scope."""
    return wire.export_request(_grouped(records, _encode_log, repaired_log), resource)


def _grouped(
    records: Sequence[_T],
    encode: Callable[[_T], bytes],
    repair: Callable[[_T], _T],
) -> dict[Scope, list[bytes]]:
    groups: dict[Scope, list[bytes]] = {}
    lengths = wire.LENGTHS
    scope: Scope | None = None
    parts: list[bytes] = []
    for record in records:
        try:
            body = encode(record)
        except Exception:
            record = repair(record)  # noqa: PLW2901 - from here on the repaired one is meant
            body = encode(record)
        own_scope: Scope = record.scope
        if own_scope is not scope:
            scope = own_scope
            parts = groups.setdefault(own_scope, [])
        size = len(body)
        parts += b"\x12", lengths[size] if size < 2048 else wire.varint(size), body
    return groups


def _encode_span(span: SpanData) -> bytes:
    trace_id = span.trace_id
    parent_id = span.parent_span_id
    high, low = trace_id >> 64, trace_id & _UINT64
    if parent_id:
        ids = _pack_child_ids(0x0A10, high, low, 0x1208, span.span_id, 0x2208, parent_id)
    else:
        ids = _pack_root_ids(0x0A10, high, low, 0x1208, span.span_id)
    try:
        name = _names[span.name, span.kind]
    except KeyError:
        name = _encode_name(span.name, span.kind)
    times = _pack_times_flags(0x39, span.start_ns, 0x41, span.end_ns, 0x0185, span.flags)
    parts = [ids, name, times]
    _span_attributes(parts, span.attributes)
    if (
        span.status_code
        or span.events
        or span.links
        or span.trace_state
        or span.status_message
        or span.dropped_attributes
        or span.dropped_events
        or span.dropped_links
    ):
        _append_rarities(parts, span)
    return b"".join(parts)


def _encode_name(name: str, kind: int) -> bytes:
    encoded = wire.text_field(b"\x2a", name) + wire.number_field(b"\x30", kind)
    _remember(_names, (name, kind), encoded)
    return encoded


def _remember(cache: dict[Any, bytes], key: object, encoded: bytes) -> None:
    if len(cache) >= _CACHE_MAX_ENTRIES:
        cache.clear()
    cache[key] = encoded


def _append_rarities(parts: list[bytes], span: SpanData) -> None:
    parts.append(wire.text_field(b"\x1a", span.trace_state))
    parts.append(wire.number_field(b"\x50", span.dropped_attributes))
    parts += [wire.field(b"\x5a", _encode_event(event)) for event in span.events]
    parts.append(wire.number_field(b"\x60", span.dropped_events))
    parts += [wire.field(b"\x6a", _encode_link(link)) for link in span.links]
    parts.append(wire.number_field(b"\x70", span.dropped_links))
    status = wire.text_field(b"\x12", span.status_message)
    status += wire.number_field(b"\x18", span.status_code)
    if status:
        parts.append(wire.field(b"\x7a", status))


def _encode_event(event: SpanEvent) -> bytes:
    parts = [_pack_event_time(0x09, event.time_ns), wire.text_field(b"\x12", event.name)]
    if event.attributes:
        _event_attributes(parts, event.attributes)
    parts.append(wire.number_field(b"\x20", event.dropped_attributes))
    return b"".join(parts)


def _encode_link(link: SpanLink) -> bytes:
    high, low = link.trace_id >> 64, link.trace_id & _UINT64
    parts = [_pack_root_ids(0x0A10, high, low, 0x1208, link.span_id)]
    parts.append(wire.text_field(b"\x1a", link.trace_state))
    if link.attributes:
        _link_attributes(parts, link.attributes)
    if link.flags:
        parts.append(b"\x35" + wire.pack_fixed32(link.flags))
    return b"".join(parts)


def _encode_log(record: LogRecord) -> bytes:
    # The moment of observing is the moment of logging: there is no collector between.
    parts = [_pack_log_times(0x09, record.time_ns, 0x59, record.time_ns)]
    parts.append(_severities.get(record.severity) or _encode_severity(record.severity))
    body = record.body
    found = _bodies.get(body) if type(body) is str and len(body) <= _BODY_MAX_CHARACTERS else None
    parts.append(found or _encode_body(body))
    _log_attributes(parts, log_attributes(record))
    if record.flags:
        parts.append(b"\x45" + wire.pack_fixed32(record.flags))
    if record.trace_id or record.span_id:
        _append_ids(parts, record.trace_id, record.span_id)
    if record.event_name:
        parts.append(wire.text_field(b"\x62", record.event_name))
    return b"".join(parts)


def _encode_severity(severity: int) -> bytes:
    encoded = wire.number_field(b"\x10", severity)
    encoded += wire.text_field(b"\x1a", severity_text(severity))
    _remember(_severities, severity, encoded)
    return encoded


def _encode_body(body: Any) -> bytes:
    encoded = wire.field(b"\x2a", wire.any_value(body))
    if type(body) is str and len(body) <= _BODY_MAX_CHARACTERS:
        _remember(_bodies, body, encoded)
    return encoded


def _append_ids(parts: list[bytes], trace_id: int, span_id: int) -> None:
    high, low = trace_id >> 64, trace_id & _UINT64
    ids = _pack_root_ids(0x4A10, high, low, 0x5208, span_id)
    parts.append(ids[:18] if not span_id else ids if trace_id else ids[18:])
