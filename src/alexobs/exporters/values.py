"""Attribute values of any type as plain, bounded, valid data that every wire format can carry.

A value that a user attached to a span may hold anything: cycles, NaN, lone surrogates, integers
of any size, objects whose ``str()`` raises. What comes out of here is str (valid Unicode), bool,
int (64 bit), float, bytes, None, and lists and dicts (text keys) of these; nothing here raises.
"""

from __future__ import annotations

import base64
import math
import numbers
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from alexobs.records import LogRecord, SpanData, SpanEvent, SpanLink

# Parsers of protobuf stop at 100 nested messages; a dict level costs three of them.
MAX_DEPTH = 24
# Bounds values whose parts are shared (ten levels of [x, x, …] are a thousand million leaves).
MAX_NODES = 100_000
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
_UINT64 = (1 << 64) - 1
_TOO_DEEP = "[too deep]"
_TOO_MANY = "[too many elements]"
_CYCLE = "[cycle]"


def clean(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs joined, lone surrogates replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def safe_text(value: object) -> str:
    """Return ``str(value)`` as valid Unicode, or a note when that raises."""
    try:
        return clean(str.__str__(value) if isinstance(value, str) else str(value))
    except Exception:
        return f"[unprintable {type(value).__name__}]"


def plain_int(value: int) -> int | str:
    """Return `value`, or its text when it does not fit in 64 bits."""
    if INT64_MIN <= value <= INT64_MAX:
        return value
    try:
        return str(value)
    except ValueError:  # beyond the interpreter's limit of decimal digits
        return hex(value)


def plain(value: Any) -> Any:
    """Return `value` as plain data (see the module's docstring)."""
    kind = type(value)
    if kind is str:
        return clean(value)
    if kind is bool or kind is float or kind is bytes or value is None:
        return value
    if kind is int:
        return plain_int(value)
    return _Traversal().convert(value, 0)


def plain_attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `attributes` with text keys and plain values."""
    return {safe_text(key): plain(value) for key, value in list(attributes.items())}


def attribute_text(value: Any) -> str:
    """Return a plain value as text for formats that have nothing else; lists and dicts as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | dict):
        return msgspec.json.encode(json_ready(value)).decode()
    return "" if value is None else str(value)


def json_ready(value: Any) -> Any:
    """Return a plain value with what JSON lacks (NaN, infinities, bytes) as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [json_ready(item) for item in value]
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    return value


class _Traversal:
    """Converts one value, with a bound on depth and on the number of parts."""

    def __init__(self) -> None:
        self._nodes_left = MAX_NODES
        self._path: set[int] = set()

    def convert(self, value: Any, depth: int) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            return _TOO_MANY
        try:
            return self._convert(value, depth)
        except Exception:
            return safe_text(value)

    def _convert(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one per kind of value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return safe_text(value)
        if isinstance(value, numbers.Integral):
            return plain_int(int(value))
        if isinstance(value, numbers.Real):
            return float(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, Mapping | list | tuple | AbstractSet):
            return self._container(value, depth)
        return safe_text(value)

    def _container(self, value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
        if id(value) in self._path:
            return _CYCLE
        if depth >= MAX_DEPTH:
            return _TOO_DEEP
        self._path.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            return self._sequence(value, depth)
        finally:
            self._path.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for key, item in list(value.items()):
            if self._nodes_left <= 0:
                converted[_TOO_MANY] = len(value) - len(converted)
                break
            converted[safe_text(key)] = self.convert(item, depth + 1)
        return converted

    def _sequence(self, value: Iterable[Any], depth: int) -> list[Any]:
        converted: list[Any] = []
        for item in list(value):
            converted.append(self.convert(item, depth + 1))
            if self._nodes_left < 0:
                break
        return converted


def _bounded(value: Any, maximum: int = _UINT64) -> int:
    try:
        return min(max(int(value), 0), maximum)
    except Exception:
        return 0


def repaired_span(span: SpanData) -> SpanData:
    """Return a copy of `span` in which every field has its type and range."""
    return SpanData(
        trace_id=_bounded(span.trace_id, (1 << 128) - 1),
        span_id=_bounded(span.span_id),
        parent_span_id=_bounded(span.parent_span_id),
        name=safe_text(span.name),
        start_ns=_bounded(span.start_ns),
        end_ns=_bounded(span.end_ns),
        attributes=plain_attributes(span.attributes),
        scope=type(span.scope)(*map(safe_text, span.scope)),
        kind=_bounded(span.kind, 5),
        events=[_repaired_event(event) for event in span.events],
        links=[_repaired_link(link) for link in span.links],
        status_code=_bounded(span.status_code, 2),
        status_message=safe_text(span.status_message or ""),
        trace_state=safe_text(span.trace_state or ""),
        flags=_bounded(span.flags, 0xFFFF_FFFF),
        dropped_attributes=_bounded(span.dropped_attributes, 0xFFFF_FFFF),
        dropped_events=_bounded(span.dropped_events, 0xFFFF_FFFF),
        dropped_links=_bounded(span.dropped_links, 0xFFFF_FFFF),
    )


def _repaired_event(event: SpanEvent) -> SpanEvent:
    return SpanEvent(
        safe_text(event.name),
        _bounded(event.time_ns),
        plain_attributes(event.attributes or {}),
        _bounded(event.dropped_attributes, 0xFFFF_FFFF),
    )


def _repaired_link(link: SpanLink) -> SpanLink:
    return SpanLink(
        _bounded(link.trace_id, (1 << 128) - 1),
        _bounded(link.span_id),
        safe_text(link.trace_state or ""),
        plain_attributes(link.attributes or {}),
        _bounded(link.flags, 0xFFFF_FFFF),
    )


def repaired_log(record: LogRecord) -> LogRecord:
    """Return a copy of `record` in which every field has its type and range."""
    exception = record.exception
    return LogRecord(
        time_ns=_bounded(record.time_ns),
        severity=_bounded(record.severity, 24),
        body=safe_text(record.body),
        attributes=plain_attributes(record.attributes),
        scope=type(record.scope)(*map(safe_text, record.scope)),
        trace_id=_bounded(record.trace_id, (1 << 128) - 1),
        span_id=_bounded(record.span_id),
        flags=_bounded(record.flags, 0xFFFF_FFFF),
        exception=None
        if exception is None
        else (safe_text(exception[0]), safe_text(exception[1]), safe_text(exception[2])),
        event_name=safe_text(record.event_name or ""),
    )
