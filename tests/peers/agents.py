"""Agents for the back ends: the example, observed, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alexobs
from alexobs.cli.demo import KeepingExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.records import SpanData

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "react_agent.py"
BUSY_S = 0.2


@contextlib.contextmanager
def observed(
    home: Path, *, only: str = "", **settings: Any
) -> Iterator[tuple[alexobs.Observability, Any]]:
    """Yield an `Observability` and what it keeps of the spans that it exports.

    With `only="traces"` neither logs nor metrics are sent, which Jaeger does not take.
    """
    obs = alexobs.init(
        {},
        service_name="alex-peers",
        logging={"level": "info", "stream": "stderr", "otlp": not only},
        metrics={
            "prometheus": not only,
            "prometheus_port": 0,
            "otlp": not only,
            "export_interval_s": 0.5,
        },
        pipeline={"spool_dir": str(home / "spool"), "shutdown_timeout_s": 10.0},
        **settings,
    )
    try:
        yield obs, KeepingExporter.in_front_of(obs)
    finally:
        obs.shutdown()


def solve_and_fail(obs: alexobs.Observability) -> None:
    """Run the example's agent, then a session whose tool fails."""
    runpy.run_path(str(EXAMPLE))["main"]([])

    @obs.tool
    def divide(a: int, b: int) -> float:
        return a / b

    with contextlib.suppress(ZeroDivisionError), obs.session("divide by zero"), obs.iteration(1):
        try:
            divide(1, 0)
        except ZeroDivisionError:
            obs.logger.exception("the division failed")
            raise


def delivered(obs: alexobs.Observability, within_s: float = 60.0) -> bool:
    """Whether nothing waits any more, within a time in which metrics go on being made."""
    until = time.monotonic() + within_s
    while not obs.flush(max(0.0, until - time.monotonic())):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def by_id(spans: list[SpanData]) -> dict[str, SpanData]:
    return {f"{span.span_id:016x}": span for span in spans}


@contextlib.contextmanager
def in_own_process(home: Path, *, bad: bool = False, **environment: str) -> Iterator[str]:
    """Run an agent again and again in a process of its own; yield the port of its /metrics."""
    home.mkdir(parents=True, exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ALEX")}
    settings = {"HOME": str(home), "ALEX_METRICS_PROMETHEUS_PORT": "0", **environment}
    process = subprocess.Popen(
        [sys.executable, __file__, "bad" if bad else "good"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**clean, **settings},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def main() -> None:
    obs = alexobs.init(logging={"level": "error", "stream": "stderr"})
    address = obs.health().prometheus or ""
    sys.stdout.write(address.removeprefix("http://").removesuffix("/metrics") + "\n")
    sys.stdout.flush()
    sys.stdout = sys.stderr
    ended = threading.Event()

    def end_with_the_caller() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=end_with_the_caller, daemon=True).start()
    while not ended.wait(BUSY_S):
        if sys.argv[1] == "bad":
            misbehave(obs)
        else:
            solve_and_fail(obs)
    obs.shutdown()


def misbehave(obs: alexobs.Observability) -> None:
    """Record what a budget is for: most requests fail, and all are dear."""
    for status in ("error", "error", "success"):
        obs.metrics.record_llm_request(
            model="gpt-4o",
            status=status,
            latency_s=1.0,
            input_tokens=1000,
            output_tokens=100,
            cost_usd=5.0,
        )


if __name__ == "__main__":
    main()
