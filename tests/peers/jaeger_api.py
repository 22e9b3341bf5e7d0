"""What Jaeger's query API answers, compared with what was recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from peer_processes import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peer_processes import Process

    from alexobs.records import SpanData

ERROR = 2


def arrived(
    jaeger: Process, recorded: Mapping[str, SpanData], eventually: Callable[..., Any]
) -> dict[str, Any]:
    """Return Jaeger's spans of the recorded traces, by id, when all are there."""
    traces = {f"{span.trace_id:032x}" for span in recorded.values()}

    def everything() -> Any:
        found = [
            span
            for trace in traces
            for one in ask(jaeger.url("QUERY", f"/api/traces/{trace}"))["data"]
            for span in one["spans"]
        ]
        return found if len(found) >= len(recorded) else None

    found = eventually(everything)
    assert found, jaeger.log()
    spans = {span["spanID"]: span for span in found}
    assert len(spans) == len(found), "each span once"
    return spans


def compare(found: dict[str, Any], span: SpanData) -> None:
    assert found["traceID"] == f"{span.trace_id:032x}"
    parents = [one["spanID"] for one in found["references"] if one["refType"] == "CHILD_OF"]
    assert parents == ([f"{span.parent_span_id:016x}"] if span.parent_span_id else [])
    assert found["operationName"] == span.name
    assert found["startTime"] == span.start_ns // 1000
    assert found["duration"] == (span.end_ns - span.start_ns) // 1000
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    for key, value in span.attributes.items():
        assert same(tags[key], value), (key, tags[key], value)
    assert bool(tags.get("error", False)) == (span.status_code == ERROR)
    if span.status_message:
        assert tags["otel.status_description"] == span.status_message
    events = [
        (log["timestamp"], {field["key"]: field["value"] for field in log["fields"]})
        for log in found["logs"]
    ]
    assert len(events) == len(span.events)
    for (timestamp, fields), event in zip(events, span.events, strict=True):
        assert timestamp == event.time_ns // 1000
        assert fields["event"] == event.name
        assert all(same(fields[key], value) for key, value in event.attributes.items())


def same(found: Any, value: Any) -> bool:
    """Whether Jaeger's value is the one that was recorded; lists are JSON text there."""
    if isinstance(value, list | tuple | dict):
        return bool(json.loads(found) == json.loads(json.dumps(value)))
    return bool(found == value and isinstance(found, bool) == isinstance(value, bool))
