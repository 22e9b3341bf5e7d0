"""What the API says of spans, as the spans that trees are drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs import semconv
from alexobs.records import Scope, SpanData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.cli.client import Client

_SCOPE: Final = Scope("alexobs")
_ATTRIBUTES: Final = {
    "kind": semconv.ALEX_KIND,
    "status": semconv.ALEX_STATUS,
    "model": semconv.GEN_AI_REQUEST_MODEL,
    "tool": semconv.ALEX_TOOL_NAME,
    "agent": semconv.ALEX_AGENT,
    "iteration": semconv.ALEX_ITERATION,
    "session_id": semconv.ALEX_SESSION_ID,
    "input_tokens": semconv.ALEX_LLM_INPUT_TOKENS,
    "output_tokens": semconv.ALEX_LLM_OUTPUT_TOKENS,
    "cost_usd": semconv.ALEX_COST,
}


def span_data(row: dict[str, Any], now_ms: float) -> SpanData:
    """Return a span of the API (times: Unix ms) as a span to draw; a running one ends now."""
    start_ns = int(row["start_ms"] * 1e6)
    duration = row["duration_ms"]
    end_ns = int(now_ms * 1e6) if duration is None else start_ns + int(duration * 1e6)
    name = row["name"] if duration is not None else f"{row['name']} …"
    attributes = {
        key: row[field] for field, key in _ATTRIBUTES.items() if row.get(field) is not None
    }
    return SpanData(
        int(row["trace_id"], 16),
        int(row["span_id"], 16),
        name,
        start_ns,
        max(end_ns, start_ns),
        attributes,
        _SCOPE,
        int(row["parent_span_id"] or "0", 16),
        status_code=2 if row["status"] == semconv.ERROR else 0,
        status_message=row["error"] or "",
    )


def rows_of(client: Client, trace_id: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the spans of a trace as rows with absolute times, over as many pages as it takes."""
    cursor = None
    while limit > 0:
        page = client.get(f"traces/{trace_id}", limit=min(limit, 10_000), cursor=cursor)
        columns, begin_ms = page["columns"], page["trace"]["start_ms"]
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            yield {**row, "trace_id": trace_id, "start_ms": begin_ms + row["start_ms"]}
        limit -= len(columns["span_id"])
        cursor = page["next_cursor"]
        if cursor is None:
            return
