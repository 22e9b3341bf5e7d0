"""What was spent, on what, by whom; and what has no price."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api.spans import BUCKETS
from alexobs.server.api.windows import MINUTE_S, known_cost, ms, window_of

if TYPE_CHECKING:
    from alexobs.server.app import Context

DEFAULT_S: Final = 30 * 86_400
# grouping(day, model, agent, service): a bit is set for what the row is not divided by.
_TOTAL, _DAY, _DAY_MODEL, _MODEL, _AGENT, _SERVICE = 15, 7, 3, 11, 13, 14
_CALL: Final = (
    "trace_id", "model", "provider", "service", "session_id", "status", "cost_usd",
    "input_tokens", "output_tokens",
)  # fmt: skip


def costs(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/costs``."""
    window = window_of(values, DEFAULT_S)
    filters = {name: values[name] for name in ("model", "service")}
    limit = values["limit"]
    exact = {"from_ns": window.from_ns, "to_ns": window.to_ns, "limit": limit, **filters}
    store = context.store
    sums = store.query(
        "api_costs",
        from_minute=window.from_minute,
        to_minute=window.to_minute,
        offset_min=values["utc_offset_min"],
        **filters,
    ).dicts()
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in sums:
        rows[row["grouped"]].append(row)
    total = rows[_TOTAL][0] if rows[_TOTAL] else {}
    # Each in a pass of its own: together they take longer than one after the other.
    of_sessions = store.query("api_cost_owners", **exact).dicts()
    of_users = store.query("api_cost_owners", **exact, by_user=True).dicts()
    return {
        "from_ms": window.from_minute * MINUTE_S * 1000,
        "to_ms": window.to_minute * MINUTE_S * 1000,
        "total": _figures(total),
        "by_day": [_row(row, "day") for row in _by_day(rows[_DAY])],
        "by_day_and_model": [
            {"day": row["day"], "model": row["model"], **_spend(row)}
            for row in _by_day(rows[_DAY_MODEL])
        ],
        "by_model": [_row(row, "model") for row in rows[_MODEL][:limit]],
        "by_agent": [_row(row, "agent") for row in rows[_AGENT][:limit]],
        "by_service": [_row(row, "service") for row in rows[_SERVICE][:limit]],
        "by_session": [_row(row, "key") for row in of_sessions],
        "by_user": [_row(row, "key") for row in of_users],
        "by_token_bucket": [
            {"bucket": bucket, "tokens": total.get(bucket) or 0} for bucket in BUCKETS
        ],
        "calls": [_call(row) for row in store.query("api_cost_calls", **exact).dicts()],
        "unpriced": [_unpriced(row) for row in store.query("api_cost_unpriced", **exact).dicts()],
    }


def _by_day(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["day"], row["model"] or ""))


def _row(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {"key": row[key], **_figures(row)}


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {**_spend(row), **{bucket: row.get(bucket) or 0 for bucket in BUCKETS}}


def _spend(row: dict[str, Any]) -> dict[str, Any]:
    unpriced = row.get("unpriced") or 0
    return {
        "cost_usd": known_cost(row.get("cost"), unpriced),
        "llm_calls": row.get("llm_calls") or 0,
        "unpriced_calls": unpriced,
    }


def _call(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in _CALL},
        "span_id": row["span_hex"],
        "start_ms": ms(row["start_ns"]),
        "duration_ms": ms(row["duration_ns"]),
    }


def _unpriced(row: dict[str, Any]) -> dict[str, Any]:
    figures = ("model", "provider", "reason", "calls", "input_tokens", "output_tokens")
    return {
        **{key: row[key] for key in figures},
        "example": {"trace_id": row["trace_id"], "span_id": row["span_hex"]},
    }
