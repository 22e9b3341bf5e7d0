"""Log records to columns; those that announce a running span become that span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from alexobs import semconv
from alexobs.server.ingest import proto
from alexobs.server.ingest.attributes import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.server.ingest.resources import Senders
    from alexobs.server.store import Group

_MAP = pa.map_(pa.string(), pa.string())
_SCHEMA = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("severity", pa.uint8()),
        ("severity_text", pa.string()),
        ("body", pa.string()),
        ("event_name", pa.string()),
        ("service", pa.string()),
        ("resource_id", pa.uint64()),
        ("scope", pa.string()),
        ("trace_hi", pa.uint64()),
        ("trace_lo", pa.uint64()),
        ("span_id", pa.uint64()),
        ("session_id", pa.string()),
        ("attributes", _MAP),
        ("attributes_json", _MAP),
    ]
)
_LEVELS = ((21, "fatal"), (17, "error"), (13, "warn"), (9, "info"), (5, "debug"), (1, "trace"))
_MAX_NS = 2**63 - 1


def tables(
    requests: Sequence[Any], senders: Senders, group: Group
) -> tuple[pa.Table | None, list[Any]]:
    """Return the log records as a table, and running spans as pairs of resource and span."""
    rows: list[tuple[Any, ...]] = []
    running: list[Any] = []
    for request in requests:
        for resource_logs in request.resource_logs:
            sender = senders.resource(resource_logs.resource.SerializeToString())
            group.resources.append(sender.row(group.time_ns))
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    if record.event_name == semconv.EVENT_SPAN_RUNNING:
                        span = running_span(record)
                        if span is not None:
                            running.append((resource_logs.resource, span))
                        continue
                    rows.append(_row(record, sender, scope_logs.scope.name, group.time_ns))
    if not rows:
        return None, running
    columns = [list(column) for column in zip(*rows, strict=True)]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA), running


def _row(record: Any, sender: Any, scope: str, now_ns: int) -> tuple[Any, ...]:
    attributes = proto.attributes_of(record.attributes)
    session = attributes.get(semconv.ALEX_SESSION_ID) or attributes.get("session_id")
    body = proto.value_of(record.body)
    trace_id = record.trace_id if len(record.trace_id) == 16 else bytes(16)
    span_id = record.span_id if len(record.span_id) == 8 else bytes(8)
    severity = min(max(record.severity_number, 0), 255)
    return (
        min(record.time_unix_nano or record.observed_time_unix_nano or now_ns, _MAX_NS),
        severity,
        next((name for least, name in _LEVELS if severity >= least), ""),
        body if isinstance(body, str) else "" if body is None else json_text(body),
        record.event_name or None,
        sender.service,
        sender.resource_id,
        scope,
        int.from_bytes(trace_id[:8], "big"),
        int.from_bytes(trace_id[8:], "big"),
        int.from_bytes(span_id, "big"),
        session if isinstance(session, str) else None,
        [(key, value) for key, value in attributes.items() if isinstance(value, str)],
        [(k, json_text(v)) for k, v in attributes.items() if not isinstance(v, str)],
    )


def running_span(record: Any) -> Any:
    """Return the span that a record announces; None when it has no identity."""
    if len(record.trace_id) != 16 or len(record.span_id) != 8:
        return None
    attributes = proto.attributes_of(record.attributes)
    start_ns = attributes.pop("alex.span.start_ns", None)
    parent = attributes.pop("alex.span.parent_span_id", "")
    name = attributes.pop("alex.span.name", "")
    kind = attributes.pop("alex.span.kind", 1)
    attributes.pop(semconv.ALEX_STATUS, None)
    span = proto.Span(
        trace_id=record.trace_id,
        span_id=record.span_id,
        name=name if isinstance(name, str) else "",
        kind=kind if isinstance(kind, int) and 0 <= kind <= 5 else 1,
        start_time_unix_nano=start_ns
        if isinstance(start_ns, int) and 0 < start_ns <= _MAX_NS
        else min(record.time_unix_nano, _MAX_NS),
        parent_span_id=_parent(parent),
    )
    proto.set_attributes(span.attributes, attributes)
    return span


def _parent(text: Any) -> bytes:
    try:
        found = bytes.fromhex(text)
    except (TypeError, ValueError):
        return b""
    return found if len(found) == 8 and any(found) else b""
