"""How long the server's questions take over many spans, through HTTP.

The data file is filled through the server's own way in, without HTTP: a tenth of the spans in the
last 15 minutes before it was filled, the others over ten days.

    python benchmarks/queries.py [--spans 1000000] [--rounds 5] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import ServerProcess, bodies

from alexobs import semconv
from alexobs.exporters.otlp.encode import encode_spans
from alexobs.records import Resource, Scope, SpanData
from alexobs.server.ingest.decode import Checker
from alexobs.server.ingest.normalise import Normaliser
from alexobs.server.ingest.writer import FullError, Writer
from alexobs.server.store import Retention, Store

if TYPE_CHECKING:
    from collections.abc import Iterable

BIG_TRACE = 10_000
# Distinct spans are made once and repeated under new ids, because making them is the slow part.
DISTINCT = 40_000
DAYS = 10


def fill(store: Store, spans: int) -> None:
    normaliser = Normaliser()
    writer = Writer(store, normaliser)
    checker = Checker(normaliser)
    put(writer, checker, [big_trace()])
    made = 0
    while made < spans:
        count = min(DISTINCT, spans - made)
        ago_s, length_s = when(made, count, spans)
        requests = bodies(count, 4000, foreign=False, seed=made, ago_s=ago_s, length_s=length_s)
        put(writer, checker, requests)
        made += count
        print(f"\r{made:,} spans", end="", file=sys.stderr, flush=True)
    writer.stop()
    store.tidy()
    print(file=sys.stderr)


def when(made: int, count: int, spans: int) -> tuple[int, int]:
    """Return how long ago these spans began, and for how long: a tenth falls in 15 minutes."""
    early, window_s = 0.9 * spans, DAYS * 86_400
    if made >= early:
        return 900, 900
    return round(window_s * (1 - made / early)) + 900, round(window_s * count / early)


def put(writer: Writer, checker: Checker, requests: Iterable[bytes]) -> None:
    for body in requests:
        checked = checker.check("traces", body)
        while True:
            try:
                writer.submit(checked, len(body))
                break
            except FullError:
                time.sleep(0.01)


def big_trace() -> bytes:
    scope, start_ns = Scope("alexobs"), time.time_ns() - 10**11
    return encode_spans(
        [
            SpanData(
                trace_id=7,
                span_id=number + 1,
                parent_span_id=number // 10 + 1 if number else 0,
                name=semconv.SPAN_TOOL,
                start_ns=start_ns + number * 10**6,
                end_ns=start_ns + number * 10**6 + 10**7,
                attributes={semconv.ALEX_KIND: "tool", semconv.ALEX_TOOL_NAME: f"t{number % 9}"},
                scope=scope,
            )
            for number in range(BIG_TRACE)
        ],
        Resource({"service.name": "bench"}),
    )


def settle(server: ServerProcess) -> None:
    """Return when what the server does after its start is done."""
    before = -1.0
    while server.cpu_s() - before > 0.02:
        before = server.cpu_s()
        time.sleep(0.5)


def timed(server: ServerProcess, path: str, rounds: int) -> tuple[float, float]:
    """Return the median of `rounds` requests, and the server's CPU for one, in milliseconds.

    A first one warms up. On a machine that others use as well, the CPU says more.
    """
    client = http.client.HTTPConnection("127.0.0.1", server.web, timeout=60)
    times = []
    cpu_s = 0.0
    for index in range(rounds + 1):
        if index == 1:
            cpu_s = server.cpu_s()
        begun = time.perf_counter()
        client.request("GET", path)
        response = client.getresponse()
        body = response.read()
        times.append((time.perf_counter() - begun) * 1000)
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status} {body[:200]!r}")
    client.close()
    return statistics.median(times[1:]), (server.cpu_s() - cpu_s) / rounds * 1000


def questions(now_ms: int) -> dict[str, tuple[str, float | None]]:
    """Return what is asked, and the goal in milliseconds where there is one."""

    def last(minutes: int) -> str:
        return f"from={now_ms - minutes * 60_000}&to={now_ms}"

    return {
        "the eight panels, 15 minutes": (f"/api/panels?{last(15)}", 100),
        "the eight panels, a day": (f"/api/panels?{last(1440)}", 100),
        f"the eight panels, {DAYS} days": (f"/api/panels?{last(1440 * DAYS)}", 100),
        "the eight panels, a day, one model": (f"/api/panels?{last(1440)}&model=gpt-4o", 100),
        "one trace of 10,000 spans": (f"/api/traces/{7:032x}", 150),
        "list of traces": ("/api/traces?limit=50", 30),
        "list of traces, 15 minutes": (f"/api/traces?limit=50&{last(15)}", 30),
        "list of traces, a day": (f"/api/traces?limit=50&{last(1440)}", 30),
        "list of traces, a day, by cost": (f"/api/traces?limit=50&sort=cost&{last(1440)}", None),
        "list of traces, one model": ("/api/traces?limit=50&model=gpt-4o", None),
        "list of sessions": ("/api/sessions?limit=50", None),
        "list of sessions, a day": (f"/api/sessions?limit=50&{last(1440)}", None),
        "costs, a day": (f"/api/costs?{last(1440)}", None),
        f"costs, {DAYS} days": (f"/api/costs?{last(1440 * DAYS)}", None),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="fill this folder once, and ask it again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        store = Store(folder, Retention(days=0, max_bytes=0))
        if not count_of(store):
            fill(store, args.spans)
        count, size = count_of(store), store.size_bytes()
        newest_ms = store.sql("SELECT max(start_ns) // 1000000 FROM finished_spans").rows[0][0]
        store.close()
        server = ServerProcess(folder)
        print(f"{count:,} spans, {size / count:.0f} bytes each, started in {server.start_s:.2f} s")
        settle(server)
        print("| question | time | CPU | goal |\n|---|---:|---:|---:|")
        for name, (path, goal_ms) in questions(newest_ms).items():
            goal = f"{goal_ms:g} ms" if goal_ms else ""
            wall_ms, cpu_ms = timed(server, path, args.rounds)
            print(f"| {name} | {wall_ms:.0f} ms | {cpu_ms:.0f} ms | {goal} |")
        server.stop()


def count_of(store: Store) -> int:
    return int(store.sql("SELECT count(*) FROM finished_spans").rows[0][0])


if __name__ == "__main__":
    main()
