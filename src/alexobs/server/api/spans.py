"""One span with everything that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs import semconv
from alexobs.server.api.faults import not_found
from alexobs.server.api.logs import log_of
from alexobs.server.api.windows import attributes_of, decoded, ms

if TYPE_CHECKING:
    from alexobs.server.app import Context
    from alexobs.server.store import Store

OTEL_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_CODES: Final = ("unset", "ok", "error")
BUCKETS: Final = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")
LISTS: Final = ("system_instructions", "input_messages", "output_messages", "tool_definitions")
VALUES: Final = ("tool_arguments", "tool_result")
MAX_LOGS: Final = 100
_SAME: Final = (
    "name", "kind", "status", "service", "model", "provider", "agent", "iteration", "scope",
    "response_model", "operation", "session_id", "run_id", "parent_run_id", "user_id",
    "tool_call_id", "attempts",
)  # fmt: skip


def span(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/spans/{trace_id}/{span_id}``."""
    ids = {name: values[name].lower() for name in ("trace_id", "span_id")}
    rows = context.store.query("api_span", **ids).dicts()
    if not rows:
        raise not_found(f"span {ids['span_id']} of trace {ids['trace_id']}")
    row = rows[0]
    attributes = attributes_of(row["attributes"], row["attributes_json"])
    raw_usage = attributes.pop(semconv.ALEX_LLM_RAW_USAGE, None)
    return {
        **ids,
        "parent_span_id": row["parent_hex"] if row["parent_id"] else None,
        "start_ms": ms(row["start_ns"]),
        "duration_ms": ms(row["duration_ns"]),
        **{key: row[key] for key in _SAME},
        "tool": row["tool_name"],
        "error": error_of(row),
        "ttft_ms": None if row["ttft_s"] is None else row["ttft_s"] * 1000,
        "otel_kind": OTEL_KINDS[row["otel_kind"] or 0] if (row["otel_kind"] or 0) < 6 else "other",
        "status_code": STATUS_CODES[min(row["status_code"] or 0, 2)],
        "status_message": row["status_message"] or None,
        "price": _price(row, decoded(raw_usage)),
        "contents": contents_of(context.store, [row])[0],
        "attributes": attributes,
        "resource": decoded(row["resource"]) or {},
        "events": [_event(one) for one in decoded(row["events"]) or []],
        "links": [_link(one) for one in decoded(row["links"]) or []],
        "dropped": row["dropped"] or 0,
        "logs": _logs(context.store, ids),
    }


def error_of(row: dict[str, Any]) -> str | None:
    """Return a span's error in one line."""
    parts = [part for part in (row["error_type"], row["status_message"]) if part]
    return ": ".join(parts) or ("error" if row["status"] == "error" else None)


def _price(row: dict[str, Any], raw_usage: Any) -> dict[str, Any]:
    return {
        "cost_usd": row["cost"],
        "price_id": row["price_id"],
        "price_date": row["price_date"],
        "unpriced": row["unpriced"],
        "tokens": {bucket: row[bucket] for bucket in BUCKETS},
        "raw_usage": raw_usage,
    }


def contents_of(store: Store, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the contents of spans; a body that retention has taken stands as null."""
    wanted = {code for row in rows for name in (*LISTS, *VALUES) for code in row.get(name) or ()}
    bodies = store.messages(wanted) if wanted else {}
    read = {code: decoded(body) for code, body in bodies.items()}
    return [_resolved(row, read) for row in rows]


def _resolved(row: dict[str, Any], read: dict[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: [read.get(code) for code in row.get(name) or ()] for name in LISTS
    }
    for name in VALUES:
        codes = row.get(name)
        values = [read.get(code) for code in codes or ()]
        found[name] = values[0] if len(values) == 1 else values or None
    return found


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": event.get("name") or "",
        "time_ms": ms(event.get("time_ns") or 0),
        "attributes": event.get("attributes") or {},
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": link.get("trace_id") or "",
        "span_id": link.get("span_id") or "",
        "attributes": link.get("attributes") or {},
    }


def _logs(store: Store, ids: dict[str, str]) -> list[dict[str, Any]]:
    found = store.query("api_logs", **ids, sign=1, limit=MAX_LOGS)
    return [log_of(row) for row in found.dicts()]
