"""Metrics: their names, and the series of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api.faults import ApiError, not_found
from alexobs.server.api.windows import MS_NS, decoded, ms, window_of

if TYPE_CHECKING:
    from alexobs.server.app import Context

DEFAULT_S: Final = 3600
POINTS: Final = 240
MAX_POINTS: Final = 2000
_NAMED: Final = ("name", "type", "unit", "description", "temporality", "monotonic")


def metrics(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/metrics``."""
    rows = context.store.query("api_metrics", q=values["q"], service=values["service"]).dicts()
    return {"metrics": [_metric_of(row) for row in rows]}


def _metric_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in _NAMED},
        "services": [one for one in row["services"] if one],
        "series": row["series"],
        "points": row["points"],
        "last_ms": ms(row["last_ns"]),
    }


def metric(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/metrics/{name}``."""
    window = window_of(values, DEFAULT_S)
    span_s = (window.to_minute - window.from_minute) * 60
    step = values["step"] or max(1, -(-span_s // POINTS))
    if span_s // step > MAX_POINTS:
        raise ApiError(
            422, "too_many_points", f"step: {span_s // step} points are too many",
            f"Expected {-(-span_s // MAX_POINTS)} or more for this window.",
        )  # fmt: skip
    kind = context.store.query("api_metric_kind", name=values["name"]).dicts()
    if not kind:
        raise not_found(f"metric {values['name'][:80]!r}", "See /api/metrics.")
    rows = context.store.query(
        "api_metric_series",
        name=values["name"],
        from_ns=window.from_ns,
        to_ns=window.to_ns,
        step_ns=step * 1000 * MS_NS,
        service=values["service"],
        limit=values["limit"] + 1,
    ).dicts()
    return {
        "name": values["name"],
        "type": kind[0]["type"],
        "unit": kind[0]["unit"],
        "step_s": step,
        "series": [_series_of(row) for row in rows[: values["limit"]]],
        "truncated": len(rows) > values["limit"],
    }


def _series_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "service": row["service"],
        "instance": row["instance"],
        "attributes": decoded(row["attributes"]) or {},
        "times_ms": [ms(one) for one in row["times"]],
        "values": row["values"],
        "counts": row["counts"],
        "sums": row["sums"],
    }
