"""Log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api import cursors
from alexobs.server.api.windows import attributes_of, bounds_ns, ms

if TYPE_CHECKING:
    from alexobs.server.app import Context

_SEVERITIES: Final = {"debug": 5, "info": 9, "warn": 13, "error": 17}
_SAME: Final = ("event_name", "service", "scope", "trace_id", "span_id", "session_id")


def logs(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/logs``."""
    after_ns, after_row = cursors.decode(values, (int, int))
    limit = values["limit"]
    rows = context.store.query(
        "api_logs",
        **bounds_ns(values),
        **{name: values[name] for name in ("q", "service", "session")},
        trace_id=values["trace"],
        span_id=values["span"],
        severity=_SEVERITIES.get(values["level"]),
        sign=-1 if values["order"] == "desc" else 1,
        after_ns=after_ns,
        after_row=after_row,
        limit=limit + 1,
    ).dicts()
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        cursor = cursors.encode(values, [shown[-1]["time_ns"], shown[-1]["row_number"]])
    return {"logs": [log_of(row) for row in shown], "next_cursor": cursor}


def log_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a query as the answer shows it."""
    return {
        "time_ms": ms(row["time_ns"]),
        "level": level_of(row["severity"] or 0),
        "severity": row["severity"] or 0,
        "body": row["body"] or "",
        **{key: row[key] or None for key in _SAME},
        "attributes": attributes_of(row["attributes"], row["attributes_json"]),
    }


def level_of(severity: int) -> str:
    """Return the level that a severity belongs to."""
    fitting = [level for level, least in _SEVERITIES.items() if severity >= least]
    return fitting[-1] if fitting else "debug"
