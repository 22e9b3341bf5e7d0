"""Whether memory stays flat under steady use: 60 s by default, ``--seconds 3600`` for an hour.

Bias, first: every message, session and user is new, so that caches fill to their bounds and
entries are evicted all the time, which an agent that repeats its history does not cause. The first
third is warm-up, in which the caches fill; growth is between the medians of the second and the
last third.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Group, main
from receiver import Receiver

from alexobs import Observability

if TYPE_CHECKING:
    from collections.abc import Iterator

GROWTH_MIB, LAST_MIB, PER_SECOND = "growth_mib", "last_mib", "spans_per_s"
TURN_S = 0.02
TEXT = "word " * 3_000


def rss_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def turn(obs: Observability, number: int) -> int:
    """Record one session, all of whose texts are new; return how many spans it had."""
    with obs.session(f"task {number}", user_id=f"user {number}"):
        for step in range(1, 6):
            with obs.iteration(step), obs.span("step", number=number, text=f"{number} {TEXT}"):
                obs.logger.info("step", number=number, note=f"note {number}")
                obs.metrics.record_llm_request(
                    model=f"model {number % 50}", latency_s=0.5, input_tokens=number
                )
    return 11


def steady(obs: Observability, seconds: float) -> dict[str, float]:
    """Record for so many seconds, at an even pace; return what became of the memory."""
    samples: list[float] = []
    began = time.monotonic()
    number = spans = 0
    while (elapsed := time.monotonic() - began) < seconds:
        spans += turn(obs, number)
        number += 1
        if elapsed * 60 / seconds > len(samples):
            samples.append(rss_mib())
        time.sleep(TURN_S)
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    return {
        GROWTH_MIB: statistics.median(last) - statistics.median(middle),
        LAST_MIB: samples[-1],
        PER_SECOND: spans / seconds,
    }


def measure(seconds: float) -> Group:
    """Run one `Observability` with all its parts under steady use."""
    group = Group("memory under steady use")
    with (
        Receiver() as url,
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
    ):
        obs = Observability(
            {},
            tracing={"otlp_endpoint": url},
            pipeline={"spool_dir": folder},
            metrics={"prometheus": False},
        )
        group.add("alexobs", steady(obs, seconds))
        assert obs.flush(30)
        assert all(account.balanced for account in obs.health().signals.values())
        obs.shutdown()
    return group


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--seconds", type=float, default=60.0)
    known, rest = parser.parse_known_args()

    def groups() -> Iterator[Group]:
        """Measure once: a process has only one memory."""
        yield measure(known.seconds)

    main("memory", groups, rest)
