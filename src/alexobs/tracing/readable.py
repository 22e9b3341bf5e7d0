"""Spans as the SDK's ``ReadableSpan`` shows them, for the SpanProcessors of others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import format_span_id, format_trace_id

from alexobs.tracing.failure import Failure

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from alexobs.records import SpanEvent
    from alexobs.tracing.span import Span


class ReadableEvent:
    """An event as the SDK's ``ReadableSpan`` shows it."""

    __slots__ = ("attributes", "dropped_attributes", "name", "timestamp")

    def __init__(self, event: SpanEvent) -> None:
        self.name = event.name
        self.timestamp = event.time_ns
        self.dropped_attributes = event.dropped_attributes
        self.attributes = {
            key: value.stacktrace() if isinstance(value, Failure) else value
            for key, value in event.attributes.items()
        }


def to_json(span: Span, indent: int | None) -> str:
    """Return the span in the form of the SDK's ``ReadableSpan.to_json``."""
    parent, status = span.parent, span.status
    shown: dict[str, Any] = {
        "name": span.name,
        "context": _context(span.context),
        "kind": str(span.kind),
        "parent_id": f"0x{format_span_id(parent.span_id)}" if parent is not None else None,
        "start_time": _time(span.start_time),
        "end_time": _time(span.end_time),
        "status": {"status_code": status.status_code.name},
        "attributes": dict(span.attributes),
        "events": [
            {"name": e.name, "timestamp": _time(e.timestamp), "attributes": dict(e.attributes)}
            for e in span.events
        ],
        "links": [
            {"context": _context(link.context), "attributes": dict(link.attributes or {})}
            for link in span.links
        ],
        "resource": {"attributes": dict(span.resource.attributes), "schema_url": ""},
    }
    if status.description:
        shown["status"]["description"] = status.description
    return json.dumps(shown, indent=indent, default=_text, skipkeys=True)


def _context(context: SpanContext) -> dict[str, str]:
    return {
        "trace_id": f"0x{format_trace_id(context.trace_id)}",
        "span_id": f"0x{format_span_id(context.span_id)}",
        "trace_state": repr(context.trace_state),
    }


def _time(time_ns: int | None) -> str | None:
    if not time_ns:
        return None
    moment = datetime.fromtimestamp(time_ns / 1e9, tz=UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
