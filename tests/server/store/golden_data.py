"""The small fixed data set that the golden files of the named queries are results on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alexobs import semconv

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from api_kit import (
    DAY_NS,
    Api,
    Fact,
    Traffic,
    logs_request,
    metrics_request,
    running,
    traces_request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND_NS = 10**9


def filled(folder: Path) -> Iterator[Api]:
    """A server with two sessions, their logs, some points, and one span that still runs."""
    traffic = Traffic(seed=21, sessions=2)
    for api in running(folder):
        half = len(traffic.spans) // 2
        api.send("traces", traces_request(traffic.spans[:half]))
        api.send("traces", traces_request(traffic.spans[half:]))
        api.send("logs", logs_request(traffic.logs))
        api.send("logs", announcement(traffic.spans[0]))
        for number in range(3):
            at_ns = DAY_NS + number * 60 * SECOND_NS
            points = [
                ("alex.llm.requests", {"model": model}, at_ns, 10.0 * number + place)
                for place, model in enumerate(("gpt-4.1", "home-made"))
            ]
            lost = ("alexobs.records", {"signal": "traces", "outcome": "exported"}, at_ns, 7.0)
            api.send("metrics", metrics_request("my-agent", [*points, lost]))
        yield api


def announcement(root: Fact) -> dict[str, object]:
    """The log record by which a span below `root` says that it runs."""
    named = {
        "alex.span.name": "alex.tool.execute",
        "alex.span.parent_span_id": root.span_id,
        semconv.ALEX_KIND: "tool",
        semconv.ALEX_TOOL_NAME: "shell",
        semconv.ALEX_SESSION_ID: "session-0",
    }
    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in named.items()]
    start = {"key": "alex.span.start_ns", "value": {"intValue": str(DAY_NS + SECOND_NS)}}
    record = {
        "timeUnixNano": str(DAY_NS + SECOND_NS),
        "eventName": semconv.EVENT_SPAN_RUNNING,
        "traceId": root.trace_id,
        "spanId": "00000000000000aa",
        "attributes": [*attributes, start],
    }
    service = {"key": "service.name", "value": {"stringValue": "my-agent"}}
    logs = {"scope": {"name": "alexobs"}, "logRecords": [record]}
    return {"resourceLogs": [{"resource": {"attributes": [service]}, "scopeLogs": [logs]}]}
