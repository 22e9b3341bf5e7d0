"""How long the server's questions take over many spans, at the store.

The data file is filled through the server's own way in, without HTTP.

    python benchmarks/queries.py [--spans 1000000] [--rounds 5] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest import bodies

from alexobs import semconv
from alexobs.exporters.otlp.encode import encode_spans
from alexobs.records import Resource, Scope, SpanData
from alexobs.server.ingest.decode import Checker
from alexobs.server.ingest.normalise import Normaliser
from alexobs.server.ingest.writer import FullError, Writer
from alexobs.server.store import Retention, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BIG_TRACE = 10_000
# Distinct spans are made once and repeated under new ids, because making them is the slow part.
DISTINCT = 40_000


def fill(store: Store, spans: int) -> None:
    normaliser = Normaliser()
    writer = Writer(store, normaliser)
    checker = Checker(normaliser)
    put(writer, checker, [big_trace()])
    made = 0
    while made < spans:
        count = min(DISTINCT, spans - made)
        put(writer, checker, bodies(count, 4000, foreign=False, seed=made))
        made += count
        print(f"\r{made:,} spans", end="", file=sys.stderr, flush=True)
    writer.stop()
    store.tidy()
    print(file=sys.stderr)


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


def timed(run: Callable[[], Any], rounds: int) -> float:
    """Return the median of `rounds` in milliseconds; a first one warms up."""
    run()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        run()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def questions(store: Store) -> dict[str, tuple[Callable[[], Any], float]]:
    """Return what is asked, and the goal in milliseconds."""
    now_ns = time.time_ns()
    minute = now_ns // 60_000_000_000

    def panels(minutes: int) -> None:
        asked = {"from_minute": minute - minutes, "to_minute": minute + 1, "step": minutes // 15}
        store.query("api_panels", **asked)
        store.query("api_panel_latency", **asked)
        store.query("api_active_sessions", to_ns=now_ns)

    def traces() -> None:
        since_ns = now_ns - 3600 * 10**9
        store.query("api_traces", from_ns=since_ns, to_ns=now_ns, limit=50, filtered=False)

    return {
        "the eight panels, 15 minutes": (lambda: panels(15), 100),
        "the eight panels, a day": (lambda: panels(1440), 100),
        "one trace of 10,000 spans": (
            lambda: store.arrow("api_trace_spans", trace_id=f"{7:032x}").num_rows,
            150,
        ),
        "list of traces": (traces, 30),
        "the newest 50 traces, of all": (lambda: store.query("traces", limit=50), 30),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="fill this folder once, and ask it again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        begun = time.perf_counter()
        store = Store(folder, Retention(days=0, max_bytes=0))
        opened = time.perf_counter() - begun
        if store.sql("SELECT count(*) FROM finished_spans").rows[0][0] == 0:
            fill(store, args.spans)
        count = store.sql("SELECT count(*) FROM finished_spans").rows[0][0]
        print(
            f"{count:,} spans, {store.size_bytes() / count:.0f} bytes each, "
            f"opened in {opened:.2f} s"
        )
        for name, (run, goal_ms) in questions(store).items():
            print(f"{name:40} {timed(run, args.rounds):9.1f} ms   goal {goal_ms:g} ms")
        store.close()


if __name__ == "__main__":
    main()
