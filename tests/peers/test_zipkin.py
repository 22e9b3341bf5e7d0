"""A real Zipkin keeps what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agents import by_id, delivered, observed, solve_and_fail
from peer_processes import ask

from alexobs.exporters.values import attribute_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alexobs.records import SpanData

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(240)]


def test_zipkin_returns_the_tree_that_was_recorded(
    start: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    zipkin = start.zipkin()
    endpoint = zipkin.url("http", "/api/v2/spans")
    tracing = {"exporter": "zipkin", "zipkin_endpoint": endpoint}
    with observed(tmp_path, tracing=tracing) as (obs, kept):
        solve_and_fail(obs)
        assert delivered(obs)
        recorded = by_id(kept.spans)
    traces = {f"{span.trace_id:032x}" for span in recorded.values()}
    assert len(traces) == 2

    def everything() -> Any:
        found = [
            span for trace in traces for span in ask(zipkin.url("http", f"/api/v2/trace/{trace}"))
        ]
        return found if len(found) >= len(recorded) else None

    arrived = {span["id"]: span for span in eventually(everything)}
    assert set(arrived) == set(recorded)
    for identity, span in recorded.items():
        compare(arrived[identity], span)
    failed = [span for span in arrived.values() if "error" in span.get("tags", {})]
    assert {span["name"] for span in failed} >= {"alex.tool.execute", "alex.session.solve_task"}


def compare(arrived: dict[str, Any], span: SpanData) -> None:
    assert arrived["traceId"] == f"{span.trace_id:032x}"
    assert int(arrived.get("parentId", "0"), 16) == span.parent_span_id
    assert arrived["name"] == span.name.lower()
    assert arrived["timestamp"] == span.start_ns // 1000
    assert arrived["duration"] == max((span.end_ns - span.start_ns) // 1000, 1)
    tags = arrived.get("tags", {})
    for key, value in span.attributes.items():
        assert tags[key] == attribute_text(value), key
    assert ("error" in tags) == (span.status_code == 2)
    if span.status_code == 2:
        assert tags["error"] == (span.status_message or "true")
    happened = arrived.get("annotations", [])
    assert [one["timestamp"] for one in happened] == [one.time_ns // 1000 for one in span.events]
