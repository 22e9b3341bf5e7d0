"""Sessions: the list, and one as a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api import cursors
from alexobs.server.api.faults import not_found
from alexobs.server.api.spans import BUCKETS, contents_of
from alexobs.server.api.traces import sums_of
from alexobs.server.api.windows import bounds_ns, lately_ns, ms

if TYPE_CHECKING:
    from alexobs.server.app import Context

    Row = dict[str, Any]

_SAME: Final = ("status", "service", "user_id", "agent", "model", "traces")
_TURN: Final = (
    "trace_id", "parent_span_id", "name", "kind", "status", "error", "service", "model",
    "provider", "tool", "agent", "iteration", "ttft_ms", "unpriced",
)  # fmt: skip


def sessions(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/sessions``."""
    place, after_session = cursors.decode(values, (float, str))
    limit = values["limit"]
    order = {"sort": values["sort"], "sign": -1 if values["order"] == "desc" else 1}
    # Who is on the page takes few columns of many sessions, the rest many of few.
    places = context.store.query(
        "api_sessions",
        **bounds_ns(values),
        **{name: values[name] for name in ("q", "status", "service", "agent", "user")},
        **order,
        lately_ns=lately_ns(),
        after_place=place,
        after_session=after_session,
        places=True,
        limit=limit + 1,
    ).rows
    shown = _rows(context, [name for name, _ in places[:limit]], **order)
    cursor = None
    if len(places) > limit:
        last_session, last_place = places[limit - 1]
        cursor = cursors.encode(values, [last_place, last_session])
    return {"sessions": [_session_of(row) for row in shown], "next_cursor": cursor}


def _rows(context: Context, ids: list[str], sort: str = "start", sign: int = 1) -> list[Row]:
    """Return sessions with their tasks, which stand in spans, of which there are many."""
    if not ids:
        return []
    rows = context.store.query(
        "api_sessions", sessions=ids, sort=sort, sign=sign, lately_ns=lately_ns(), limit=len(ids)
    ).dicts()
    if not rows:
        return []
    found = context.store.query(
        "api_session_tasks", sessions=ids, from_ns=min(row["start_ns"] for row in rows)
    )
    tasks = dict(found.rows)
    return [{**row, "task": tasks.get(row["session_id"])} for row in rows]


def _session_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "session_id": row["session_id"],
        "start_ms": ms(row["start_ns"]),
        "end_ms": ms(row["end_ns"]),
        "duration_ms": ms(row["duration_ns"]),
        "task": row["task"],
        **{key: row[key] for key in _SAME},
        **sums_of(row),
    }


def session(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/sessions/{session_id}``."""
    session_id = values["session_id"]
    after_ns, after_id = cursors.decode(values, (int, int))
    summary = _rows(context, [session_id])
    if not summary:
        raise not_found(f"session {session_id[:80]!r}")
    limit = values["limit"]
    rows = context.store.query(
        "api_session_turns",
        session=session_id,
        from_ns=summary[0]["start_ns"],
        after_ns=after_ns,
        after_id=after_id,
        limit=limit + 1,
    ).dicts()
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        cursor = cursors.encode(values, [shown[-1]["start_ns"], shown[-1]["span_id"]])
    return {
        "session": _session_of(summary[0]),
        "turns": _turns(context, shown),
        "next_cursor": cursor,
    }


def _turns(context: Context, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the turns, each with the messages that no turn before it showed."""
    seen: set[int] = set()
    repeated: list[int] = []
    for row in rows:
        inputs = row["input_messages"] or []
        fresh = [code for code in inputs if code not in seen]
        seen.update(inputs, row["output_messages"] or ())
        repeated.append(len(inputs) - len(fresh))
        row["input_messages"] = fresh
    contents = contents_of(context.store, rows)
    return [
        _turn(row, content, count)
        for row, content, count in zip(rows, contents, repeated, strict=True)
    ]


def _turn(row: dict[str, Any], contents: dict[str, Any], repeated: int) -> dict[str, Any]:
    return {
        "span_id": row["span_hex"],
        **{key: row[key] for key in _TURN},
        "start_ms": ms(row["start_ns"]),
        "duration_ms": ms(row["duration_ns"]),
        "idle_ms": ms(row["idle_ns"]),
        "tokens": {bucket: row[bucket] for bucket in BUCKETS},
        "cost_usd": row["cost"],
        "repeated_messages": repeated,
        **{
            name: contents[name]
            for name in ("input_messages", "output_messages", "tool_arguments", "tool_result")
        },
    }
