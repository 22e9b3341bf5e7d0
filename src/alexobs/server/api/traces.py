"""Traces: the list, and one as columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api import cursors
from alexobs.server.api.faults import not_found
from alexobs.server.api.windows import MS_NS, bounds_ns, known_cost, lately_ns, ms

if TYPE_CHECKING:
    from alexobs.server.app import Context
    from alexobs.server.store import Store

_SPAN_FILTERS: Final = ("model", "tool", "service", "agent")
# The first look for the newest traces takes this many parts of traces per row that is asked for.
_PARTS_PER_ROW: Final = 4
_WIDER: Final = 16
_TRACE_KEYS: Final = (
    "root_span_id", "name", "kind", "status", "service", "session_id", "user_id", "agent", "model",
)  # fmt: skip
SUM_KEYS: Final = ("spans", "errors", "llm_calls", "tool_calls", "input_tokens", "output_tokens")
_COLUMNS: Final = (
    "name", "kind", "status", "error", "service", "model", "provider", "tool", "agent",
    "iteration", "ttft_ms", "input_tokens", "output_tokens", "cost_usd", "unpriced",
)  # fmt: skip


def traces(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/traces``."""
    place, high, low = cursors.decode(values, (float, int, int))
    limit = values["limit"]
    asked = {
        **bounds_ns(values),
        **{name: values[name] for name in (*_SPAN_FILTERS, "q", "status", "session", "user")},
        **_within_json(values["q"]),
        "filtered": any(values[name] for name in _SPAN_FILTERS),
        "sort": values["sort"],
        "sign": -1 if values["order"] == "desc" else 1,
        "min_duration_ns": _scaled(values["min_duration_ms"]),
        "min_cost": values["min_cost_usd"],
        "after_place": place,
        "after_hi": high,
        "after_lo": low,
        "lately_ns": lately_ns(),
        "limit": limit + 1,
    }
    rows = _newest(context.store, asked) if _by_newest(values) else None
    if rows is None:
        rows = _by_place(context.store, asked)
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        last = shown[-1]
        number = int(last["trace_id"], 16)
        cursor = cursors.encode(values, [last["place"], number >> 64, number & (2**64 - 1)])
    return {"traces": [trace_of(row) for row in shown], "next_cursor": cursor}


def _within_json(text: str | None) -> dict[str, str | None]:
    """Return how `text` stands in the JSON text of contents, in small letters."""
    forms = {"q_json": False, "q_ascii": True}
    return {
        name: None if text is None else json.dumps(text.lower(), ensure_ascii=ascii_only)[1:-1]
        for name, ascii_only in forms.items()
    }


def _scaled(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else int(duration_ms * MS_NS)


def _by_newest(values: dict[str, Any]) -> bool:
    return (values["sort"], values["order"]) == ("start", "desc")


def _newest(store: Store, asked: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the page from a look at the newest traces only; None when that is not enough.

    A list by time seldom needs more than the last thousandth of what is stored. A trace whose
    first span is not before a moment has no part before it, so the page is what it would be.
    """
    to_ns, first_ns = asked["to_ns"], asked["from_ns"]
    if asked["after_place"] is not None:
        last_ns = int(-asked["after_place"]) + 1024  # the place is a double: 256 ns wide
        to_ns = last_ns if to_ns is None else min(to_ns, last_ns)
    parts = asked["limit"] * _PARTS_PER_ROW
    for _ in range(2):
        since_ns, seen = store.query("api_traces_since", to_ns=to_ns, parts=parts).rows[0]
        whole = seen < parts or since_ns <= (first_ns or 0)
        window = {"from_ns": first_ns if whole else since_ns, "to_ns": to_ns}
        rows = _rows(store, {**asked, **window})
        if whole or len(rows) == asked["limit"]:
            return rows
        parts *= _WIDER
    return None


def _by_place(store: Store, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the page in two steps: few columns of many traces tell who is on it."""
    places = _rows(store, {**asked, "places": True})
    if not places:
        return []
    return store.query(
        "api_traces",
        **{name: asked[name] for name in ("sort", "sign", "lately_ns", "limit")},
        from_ns=min(row["start_ns"] for row in places),
        his=[row["trace_hi"] for row in places],
        los=[row["trace_lo"] for row in places],
    ).dicts()


def _rows(store: Store, asked: dict[str, Any]) -> list[dict[str, Any]]:
    if asked["from_ns"] is not None:
        older = store.query("api_traces_older", from_ns=asked["from_ns"]).rows
        if older:
            his, los = zip(*older, strict=True)
            asked = {**asked, "older_his": his, "older_los": los}
    return store.query("api_traces", **asked).dicts()


def trace_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a query as the answer shows it."""
    return {
        "trace_id": row["trace_id"],
        "start_ms": ms(row["start_ns"]),
        "duration_ms": ms(row["duration_ns"]),
        **{key: row[key] for key in _TRACE_KEYS},
        **sums_of(row),
    }


def sums_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of a trace or session."""
    return {
        **{key: row[key] for key in SUM_KEYS},
        "cost_usd": known_cost(row["cost"], row["unpriced"]),
        "unpriced_calls": row["unpriced"],
    }


def trace(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/traces/{trace_id}``."""
    trace_id = values["trace_id"].lower()
    after_ns, after_id = cursors.decode(values, (int, int))
    summary = context.store.query("api_trace", trace_id=trace_id, lately_ns=lately_ns()).dicts()
    if not summary:
        raise not_found(f"trace {trace_id}", "It may have been sampled out, or retention has it.")
    start_ns = summary[0]["start_ns"]
    limit = values["limit"]
    found = context.store.arrow(
        "api_trace_spans",
        trace_id=trace_id,
        from_ns=_since(start_ns, values["from_ms"]),
        to_ns=_since(start_ns, values["to_ms"]),
        after_ns=after_ns,
        after_id=after_id,
        limit=limit + 1,
    )
    shown = found.slice(0, limit)
    columns = {name: shown[name].to_pylist() for name in shown.column_names}
    cursor = None
    if len(found) > limit:
        cursor = cursors.encode(values, [columns["start_ns"][-1], columns["span_id"][-1]])
    return {
        "trace": trace_of({**summary[0], "trace_id": trace_id}),
        "columns": {
            "span_id": [format(one, "016x") for one in columns["span_id"]],
            "parent_span_id": [
                format(one, "016x") if one else None for one in columns["parent_id"]
            ],
            "start_ms": [round((one - start_ns) / 1000) / 1000 for one in columns["start_ns"]],
            "duration_ms": [ms(one) for one in columns["duration_ns"]],
            **{name: columns[name] for name in _COLUMNS},
        },
        "next_cursor": cursor,
    }


def _since(start_ns: int, offset_ms: float | None) -> int | None:
    return None if offset_ms is None else min(start_ns + int(offset_ms * MS_NS), 2**63 - 1)
