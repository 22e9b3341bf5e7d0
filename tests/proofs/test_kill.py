"""An agent that is killed at any moment while its back end is down: what was spooled arrives."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from alexobs.testing.otlp import OTLPSink

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.slow,
]

KILLS = 50
AT_ONCE = 5  # dying processes side by side: each start costs most of a second

AGENT = """
import os, sys, time
import alexobs
from alexobs.context import current_span
obs = alexobs.init(settings)
name, number, ended = sys.argv[1], 0, []
safe = os.open(f"{name}.safe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
@obs.tool
def look():
    ended.append(current_span().span_id)
obs._engine.redactor.text("what is compiled at first use, is now")
print("ready", flush=True)
sys.stdin.readline()
while True:
    with obs.session("task", session_id=f"{name}-{number}") as session:
        with obs.iteration() as iteration:
            look()
            obs.logger.info("a line", number=number)
        ended.append(iteration.span.span_id)
    ended.append(session.span.span_id)
    number += 1
    time.sleep(0.001)
    if number % 7 == 0:
        obs._engine.pipeline.spool_all()     # from here on, a kill must not lose these
        assert obs.health().signals["traces"].exported == 0
        os.write(safe, "".join(f"{one:016x}\\n" for one in ended).encode())
        ended.clear()
"""


def kill_some(start: Callable[..., subprocess.Popen[str]], names: list[str]) -> None:
    agents = [start(AGENT, name) for name in names]
    for agent in agents:
        assert agent.stdin is not None
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n"
        agent.stdin.write("go\n")
        agent.stdin.flush()
    chance = random.Random(names[0])
    for agent in agents:
        time.sleep(chance.uniform(0.02, 0.2))  # the moment is the test's subject
        agent.send_signal(signal.SIGKILL)
    for agent in agents:
        _, stderr = agent.communicate(timeout=30)
        assert agent.returncode == -signal.SIGKILL, stderr


def test_fifty_killed_agents_lose_nothing_that_was_spooled(
    start: Callable[..., subprocess.Popen[str]],
    sink: OTLPSink,
    settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    settings["logging"] |= {"level": "warn"}
    sink.stop()
    names = [f"agent{number}" for number in range(KILLS)]
    for first in range(0, KILLS, AT_ONCE):
        kill_some(start, names[first : first + AT_ONCE])
    safe = [line for name in names for line in (tmp_path / f"{name}.safe").read_text().split()]

    sink.start()
    with Observability(settings) as obs:
        with obs.span("the next process"):
            pass
        deadline = time.monotonic() + 60
        while obs.health().signals["traces"].replayed < len(safe) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert obs.flush(10.0)
        health = obs.health()
    received = Counter(span.span_id for span in sink.spans())
    assert len(safe) > 20 * KILLS
    assert not set(safe) - set(received), "a spooled span was lost"
    assert set(received.values()) == {1}, "a span arrived twice"
    assert health.balanced
    assert health.signals["traces"].replayed == len(received) - 1
    # A kill amid the making of a folder leaves it empty, for an hour.
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []
