"""`/metrics`: the agents' ``alex_*`` series for Prometheus, and the server's own figures."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from alexobs.server.app import Context

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Series of which nothing has come for this long are not shown: their process has ended.
STALE_NS: Final = 5 * 60 * 1_000_000_000
_KINDS: Final = {"sum": "counter", "gauge": "gauge", "histogram": "histogram"}


def routes(context: Context) -> list[Route]:
    """Return the route of the scrape."""

    async def metrics(_: Request) -> Response:
        text = await run_in_threadpool(render, context)
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    return [Route("/metrics", metrics)]


def render(context: Context) -> str:
    """Return the exposition."""
    since_ns = time.time_ns() - STALE_NS
    found = context.store.query("metric_latest", since_ns=since_ns, prefix="alex").dicts()
    lines: list[str] = []
    for name, points in _families(found):
        lines += _family(name, points)
    lines += _own(context)
    return "\n".join(lines) + "\n"


def _families(points: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    families: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        if point["type"] in _KINDS:
            families.setdefault(prometheus_name(point), []).append(point)
    yield from sorted(families.items())


def prometheus_name(point: dict[str, Any]) -> str:
    """Return a metric's name in Prometheus: underscores, and ``_total`` on counters."""
    name = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in point["metric"])
    if point["type"] == "sum" and point["monotonic"] and not name.endswith("_total"):
        name += "_total"
    return name


def _family(name: str, points: list[dict[str, Any]]) -> Iterator[str]:
    first = points[0]
    kind = _KINDS[first["type"]]
    if first["type"] == "sum" and not first["monotonic"]:
        kind = "gauge"
    if first["description"]:
        yield f"# HELP {name} {_escaped(first['description'], quote=False)}"
    yield f"# TYPE {name} {kind}"
    for point in points:
        labels = _labels(point)
        if kind != "histogram":
            yield f"{name}{_shown(labels)} {_number(point['value'])}"
            continue
        yield from _histogram(name, labels, point)


def _labels(point: dict[str, Any]) -> dict[str, str]:
    labels = {"job": point["service"], "instance": point["instance"] or "unknown"}
    for key, value in json.loads(point["attributes"]).items():
        name = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in key)
        name = f"_{name}" if name[:1].isdigit() or not name else name
        labels[name] = value if isinstance(value, str) else json.dumps(value)
    return labels


def _histogram(name: str, labels: dict[str, str], point: dict[str, Any]) -> Iterator[str]:
    running = 0
    bounds = [*(point["bounds"] or ()), math.inf]
    for bound, count in zip(bounds, point["buckets"] or [point["count"]], strict=False):
        running += count
        yield f"{name}_bucket{_shown(labels | {'le': _number(bound)})} {running}"
    yield f"{name}_sum{_shown(labels)} {_number(point['sum'] or 0.0)}"
    yield f"{name}_count{_shown(labels)} {point['count']}"


def _own(context: Context) -> list[str]:
    intake, store = context.intake, context.store
    figures: list[tuple[str, str, str, Iterable[tuple[dict[str, str], float]]]] = [
        (
            "alexobs_server_requests_total",
            "counter",
            "OTLP requests by signal; refused ones were told to come back.",
            [({"signal": name}, n) for name, n in sorted(intake.requests.items())],
        ),
        (
            "alexobs_server_records_total",
            "counter",
            "Spans, log records and data points taken.",
            [({"signal": name}, n) for name, n in sorted(intake.records.items())],
        ),
        (
            "alexobs_server_rejected_total",
            "counter",
            "Records without an identity, left out of their requests.",
            [({"signal": name}, n) for name, n in sorted(intake.rejected.items())],
        ),
        (
            "alexobs_server_commits_total",
            "counter",
            "Groups of requests committed since the data file was made.",
            [({}, store.committed)],
        ),
        (
            "alexobs_server_waiting_bytes",
            "gauge",
            "Requests that wait for their commit.",
            [({}, intake.writer.waiting_bytes)],
        ),
        (
            "alexobs_server_store_bytes",
            "gauge",
            "Size of the data file and its log.",
            [({}, store.size_bytes())],
        ),
        (
            "alexobs_server_start_time_seconds",
            "gauge",
            "Unix time of the server's start.",
            [({}, intake.started)],
        ),
    ]
    lines = []
    for name, kind, text, values in figures:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{_shown(labels)} {_number(value)}" for labels, value in values]
    return lines


def _shown(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str, *, quote: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
