"""What recording adds to an event loop's delay, at 1,000 spans a second.

Bias, first: every fiftieth span carries a text of 200 KB, which is more than most agents send; and
the loop shares one interpreter with our worker, which is the worst case. The same load runs with a
tracer that does nothing and with ours, in turn, in one process: the difference of the two 99th
percentiles is what we add. `delay` is how late a callback comes that was due in 2 ms.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

import harness
from harness import Group, main
from opentelemetry.trace import NoOpTracer
from receiver import Receiver

from alexobs import Observability

if TYPE_CHECKING:
    from collections.abc import Iterator

P99_MS, MEDIAN_MS = "p99_ms", "median_ms"
SECONDS = 3.0
EVERY_S, SPANS = 0.01, 10  # 1,000 a second
DUE_S = 0.002
TEXT, LONG_TEXT = "word " * 20, "word " * 40_000


async def watch(until: float) -> list[float]:
    """Return how many milliseconds late each callback of the loop came."""
    delays = []
    while time.perf_counter() < until:
        due = time.perf_counter() + DUE_S
        await asyncio.sleep(DUE_S)
        delays.append((time.perf_counter() - due) * 1e3)
    return delays


async def work(tracer: Any, until: float) -> int:
    """Record spans as an agent's tasks do: a few at a time, nested."""
    made = 0
    while time.perf_counter() < until:
        with tracer.start_as_current_span("turn"):
            for _ in range(SPANS - 1):
                made += 1
                text = TEXT if made % 50 else LONG_TEXT
                with tracer.start_as_current_span(
                    "step", attributes={"number": made, "text": text, "model": "gpt-5-mini"}
                ):
                    pass
        await asyncio.sleep(EVERY_S)
    return made


async def phase(tracer: Any) -> dict[str, float]:
    """Run the load for a while and measure the loop."""
    until = time.perf_counter() + SECONDS
    delays, made = await asyncio.gather(watch(until), work(tracer, until))
    assert made > SECONDS * 100, "the load was not made"
    return {
        P99_MS: statistics.quantiles(delays, n=100)[98],
        MEDIAN_MS: statistics.median(delays),
    }


def groups() -> Iterator[Group]:
    """Measure both, in turn."""
    group = Group("event-loop delay at 1,000 spans/s")
    with Receiver() as url, tempfile.TemporaryDirectory() as folder:
        obs = Observability(
            {},
            tracing={"otlp_endpoint": url},
            pipeline={"spool_dir": folder},
            metrics={"prometheus": False},
        )
        asyncio.run(phase(obs.tracer))  # warm-up
        for _ in range(harness._default_rounds):  # noqa: SLF001 - set by its command line
            without = asyncio.run(phase(NoOpTracer()))
            recorded = asyncio.run(phase(obs.tracer))
            added = {name: recorded[name] - without[name] for name in recorded}
            group.add("alexobs", added)
            group.add("loop with alexobs", recorded)
            group.add("loop without", without)
        assert obs.flush(30)
        assert obs.health().signals["traces"].balanced
        obs.shutdown()
    yield group


if __name__ == "__main__":
    main("event_loop", groups)
