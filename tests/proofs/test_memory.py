"""A busy agent's memory stays where it was, with its back end up or down."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from alexobs.testing.otlp import OTLPSink

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.slow,
]

SOAK_S = 10.0
# A kilobyte lost with every span would be ten times this.
GROWTH_BYTES = 4_000_000
SPOOL_BYTES = 2_000_000

AGENT = """
import os, sys, time
import alexobs
sys.stderr = open(os.devnull, "w")       # nobody reads it while the program runs
obs = alexobs.init(settings)
SOAK_S = float(sys.argv[1])

class Model:
    def chat(self, messages, model):
        if len(messages) % 9 == 0:
            raise LookupError("the model is lost")
        return {"role": "assistant", "content": "answer " + "x" * 200}

client = obs.instrument(Model())

@obs.tool
def look(path):
    return "a file's content " * 20

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def task(number):
    with obs.session("task", session_id=f"s{number}"):
        messages = []
        for turn in range(12):
            with obs.iteration():
                messages.append({"role": "user", "content": f"question {number} " + "y" * 300})
                try:
                    messages.append(client.chat(messages, model="gpt-5-mini"))
                except LookupError:
                    obs.logger.exception("failed", number=number)
                look(f"file{turn}")
                obs.metrics.counter("turns").add(1, {"number": number % 5000})
                time.sleep(0.002)
    obs.tracer.start_span("never ended", attributes={"text": "z" * 500})

lows, began, number = [], time.monotonic(), 0
second = 0
while time.monotonic() - began < SOAK_S:
    task(number)
    number += 1
    if time.monotonic() - began > second:
        second += 1
        lows.append(rss())
health = obs.health()
assert health.balanced
made = health.signals["traces"].created
print(min(lows[-3:]) - min(lows[3:6]), lows[-1], made, flush=True)
assert not health.faults, health.faults
os._exit(0)
"""


@pytest.mark.parametrize("back_end", ["up", "down"])
def test_memory_does_not_grow(
    start: Callable[..., subprocess.Popen[str]],
    sink: OTLPSink,
    settings: dict[str, Any],
    tmp_path: Path,
    back_end: str,
) -> None:
    settings["logging"] |= {"level": "warn"}
    settings["pipeline"] |= {"spool_max_bytes": SPOOL_BYTES}
    if back_end == "down":
        sink.stop()
    process = start(AGENT, str(SOAK_S))
    while process.poll() is None:
        time.sleep(0.2)
        sink.clear()
    out, stderr = process.communicate()
    assert process.returncode == 0, stderr[-2000:]
    growth_bytes, rss_bytes, spans = map(int, out.split())
    assert spans > 100 * SOAK_S
    assert growth_bytes < GROWTH_BYTES, f"from {rss_bytes - growth_bytes} to {rss_bytes}"
    on_disk = sum(p.stat().st_size for p in (tmp_path / "spool").rglob("*") if p.is_file())
    assert on_disk <= SPOOL_BYTES * 1.1
