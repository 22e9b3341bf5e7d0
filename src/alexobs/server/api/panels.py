"""The eight panels of the overview, and the values that its filters can take."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api.endpoints import STATUSES
from alexobs.server.api.faults import ApiError
from alexobs.server.api.spans import BUCKETS
from alexobs.server.api.windows import MINUTE_S, check_order, known_cost, window_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from alexobs.server.api.windows import Window
    from alexobs.server.app import Context

    Row = dict[str, Any]

DEFAULT_S: Final = 15 * 60
POINTS: Final = 60
MAX_POINTS: Final = 1500
# Lines beyond these are too many to tell apart; the rest are one line.
MAX_SERIES: Final = 20
# Shorter steps cut too many hours for whole ones to be worth it.
_BY_HOUR_FROM_MIN: Final = 180
_QUANTILES: Final = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}
_STEPS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080, 43_200)


def panels(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/panels``."""
    window = window_of(values, DEFAULT_S)
    step = _step_min(values["step"], window)
    asked = {
        "from_minute": window.from_minute,
        "to_minute": window.to_minute,
        "step": step,
        **{name: values[name] for name in ("model", "tool", "service")},
    }
    rows = context.store.query("api_panels", **asked).dicts()
    cuts = _cuts(window, step) if step >= _BY_HOUR_FROM_MIN else None
    latency = context.store.query("api_panel_latency", **asked, cuts=cuts).dicts()
    active = context.store.query(
        "api_active_sessions", to_ns=window.to_ns, service=values["service"]
    )
    minutes = range(window.from_minute, window.to_minute, step)
    grid = _Grid(minutes, step * MINUTE_S)
    return {
        "from_ms": window.from_minute * MINUTE_S * 1000,
        "to_ms": window.to_minute * MINUTE_S * 1000,
        "step_s": step * MINUTE_S,
        "times_ms": [minute * MINUTE_S * 1000 for minute in minutes],
        "panels": _panels(grid, rows, latency, active.rows[0][0]),
    }


def _panels(grid: _Grid, rows: list[Row], latency: list[Row], active: int) -> dict[str, Any]:
    llm = [row for row in rows if row["what"] == "llm"]
    tools = [row for row in rows if row["what"] == "tool"]
    models, used = _Labels("model", llm), _Labels("tool", tools)
    costs = sum(row["cost"] for row in llm)
    unpriced = sum(row["unpriced"] for row in llm)
    return {
        "llm_requests": {"unit": "requests/s", "series": _requests(grid, llm, models)},
        "llm_latency": {"unit": "s", "series": _quantiles(grid, latency)},
        "tokens": {"unit": "tokens/s", "series": _tokens(grid, llm)},
        "cost": {
            "unit": "USD",
            "series": _costs(grid, llm, models),
            "total_usd": known_cost(costs, unpriced),
            "unpriced_calls": unpriced,
        },
        "active_sessions": {"unit": "sessions", "value": active},
        "tool_usage": {"unit": "executions", "shares": used.shares()},
        "tool_duration": {"unit": "s", "series": _durations(grid, latency, used)},
        "model_usage": {"unit": "requests", "shares": models.shares()},
    }


def _cuts(window: Window, step: int) -> list[int]:
    """Return the hours (Unix time / 3600) that a step or the window begins or ends within."""
    edges = (*range(window.from_minute, window.to_minute, step), window.to_minute)
    return sorted({minute // 60 for minute in edges if minute % 60})


def _step_min(step_s: int | None, window: Window) -> int:
    minutes = window.to_minute - window.from_minute
    if step_s is None:
        wanted = -(-minutes // POINTS)
        return next((step for step in _STEPS_MIN if step >= wanted), wanted)
    step = step_s // MINUTE_S
    if minutes // step > MAX_POINTS:
        least = -(-minutes // MAX_POINTS) * MINUTE_S
        raise ApiError(
            422, "too_many_points", f"step: {minutes // step} points are too many",
            f"Expected {least} or more for this window.",
        )  # fmt: skip
    return step


class _Grid:
    """Points of all series at the same times."""

    def __init__(self, minutes: Sequence[int], step_s: int) -> None:
        self.step_s = step_s
        self._index = {minute: index for index, minute in enumerate(minutes)}

    def sums(self, rows: Iterable[Row], value: Callable[[Row], float]) -> list[float]:
        """Return the sum of `value` at each time."""
        points = [0.0] * len(self._index)
        for row in rows:
            points[self._index[row["tick"]]] += value(row)
        return points

    def values(self, rows: Iterable[Row], column: str) -> list[float | None]:
        """Return the value of `column` at each time; null where there is none."""
        points: list[float | None] = [None] * len(self._index)
        for row in rows:
            points[self._index[row["tick"]]] = row[column]
        return points


class _Labels:
    """Models or tools by use, the most used first; those beyond `MAX_SERIES` share a line."""

    def __init__(self, name: str, rows: list[Row]) -> None:
        self._name = name
        self._counts: dict[str, int] = defaultdict(int)
        for row in rows:
            self._counts[row["label"] or ""] += row["spans"]
        ordered = sorted(self._counts, key=lambda label: (-self._counts[label], label))
        self.shown = ordered[:MAX_SERIES]
        self._others = ordered[MAX_SERIES:]

    def groups(self, rows: list[Row]) -> list[tuple[dict[str, str], list[Row]]]:
        """Return the rows of each line with its labels."""
        by_label: dict[str, list[Row]] = {label: [] for label in self.shown}
        others: list[Row] = []
        for row in rows:
            by_label.get(row["label"] or "", others).append(row)
        found = [({self._name: label}, rows) for label, rows in by_label.items()]
        return [*found, (self._rest(), others)] if others else found

    def shares(self) -> list[dict[str, Any]]:
        """Return how often each was used."""
        found: list[Row] = [
            {"labels": {self._name: label}, "value": self._counts[label]} for label in self.shown
        ]
        if self._others:
            rest = sum(self._counts[label] for label in self._others)
            found.append({"labels": self._rest(), "value": rest})
        return found

    def _rest(self) -> dict[str, str]:
        return {"others": str(len(self._others))}


def _requests(grid: _Grid, rows: list[Row], models: _Labels) -> list[Row]:
    found: list[Row] = []
    for labels, of_model in models.groups(rows):
        for status in (*STATUSES, *{row["status"] for row in of_model}.difference(STATUSES)):
            chosen = [row for row in of_model if row["status"] == status]
            if chosen:
                values = grid.sums(chosen, lambda row: row["spans"] / grid.step_s)
                found.append({"labels": {**labels, "status": str(status)}, "values": values})
    return found


def _tokens(grid: _Grid, rows: list[Row]) -> list[Row]:
    return [
        {
            "labels": {"bucket": bucket},
            "values": grid.sums(rows, lambda row, key=bucket: row[key] / grid.step_s),  # type: ignore[misc]
        }
        for bucket in BUCKETS
    ]


def _costs(grid: _Grid, rows: list[Row], models: _Labels) -> list[Row]:
    return [
        {"labels": labels, "values": grid.sums(of_model, lambda row: row["cost"])}
        for labels, of_model in models.groups(rows)
        if any(row["cost"] or not row["unpriced"] for row in of_model)
    ]


def _quantiles(grid: _Grid, latency: list[Row]) -> list[Row]:
    rows = [row for row in latency if row["what"] == "llm"]
    return [
        {"labels": {"quantile": quantile}, "values": grid.values(rows, column)}
        for column, quantile in _QUANTILES.items()
    ]


def _durations(grid: _Grid, latency: list[Row], used: _Labels) -> list[Row]:
    """Percentiles cannot be added up, so the least used tools have no line."""
    by_tool: dict[str, list[Row]] = {tool: [] for tool in used.shown}
    for row in latency:
        if row["what"] == "tool" and (row["label"] or "") in by_tool:
            by_tool[row["label"] or ""].append(row)
    return [
        {"labels": {"tool": tool}, "values": grid.values(rows, "p95")}
        for tool, rows in by_tool.items()
    ]


def facets(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/facets``."""
    check_order(values)
    minute_ms = MINUTE_S * 1000
    found: dict[str, list[Row]] = {
        name: [] for name in ("model", "tool", "service", "agent", "user", "status")
    }
    rows = context.store.query(
        "api_facets",
        from_minute=None if values["from"] is None else values["from"] // minute_ms,
        to_minute=None if values["to"] is None else -(-values["to"] // minute_ms),
    )
    for facet, value, count in rows.rows:
        found[facet].append({"value": value, "count": count})
    return {"facets": found}
