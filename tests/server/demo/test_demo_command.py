"""`alexobs demo`: a server, an agent that it watches, and an end or a page that stays up."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("openai", reason="the demo's agent needs it")

from alexobs.server.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = "import sys, alexobs.cli; sys.exit(alexobs.cli.main(['demo', *sys.argv[1:]]))"
USUAL_PORTS = (4317, 4318, 4319)
PASS_S = 30


def environment(home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALEX_", "OTEL_")) and not name.endswith("_API_KEY")
    }
    return {**kept, "HOME": str(home), "COLUMNS": "120", "ALEX_METRICS_PROMETHEUS_PORT": "0"}


def run_demo(home: Path, *options: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *options],
        env=environment(home), capture_output=True, text=True, timeout=PASS_S, check=False,
    )  # fmt: skip


def stored(folder: Path) -> list[tuple[Any, ...]]:
    store = Store(folder)
    try:
        return store.sql(
            "SELECT session_id, count(*), count(*) FILTER (kind = 'llm'), sum(cost_usd) FROM spans"
            " GROUP BY ALL"
        ).rows
    finally:
        store.close()


def test_without_a_terminal_it_ends_after_one_pass_and_the_session_stays(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^The page: http://127\.0\.0\.1:\d+$", done.stdout, re.MULTILINE)
    assert "created 17 = exported 17" in done.stdout
    ((session, spans, calls, cost),) = stored(tmp_path / ".alex/demo")
    assert (spans, calls) == (17, 5)
    assert f"· ${cost:.4f} ·" in done.stdout
    assert f"/sessions/{session}" in done.stdout
    assert f"alexobs up --data-dir {tmp_path}/.alex/demo" in done.stdout
    assert not (tmp_path / ".alex/spool").exists()  # what others left there is not its business


@contextlib.contextmanager
def listening(ports: tuple[int, ...]) -> Iterator[list[socket.socket]]:
    """Listen on those of the ports that are not taken already."""
    with contextlib.ExitStack() as stack:
        found = []
        for port in ports:
            with contextlib.suppress(OSError):
                found.append(stack.enter_context(socket.create_server(("127.0.0.1", port))))
        yield found


def test_ports_that_are_taken_are_left_to_who_has_them(tmp_path: Path) -> None:
    with listening(USUAL_PORTS) as ours:
        done = run_demo(tmp_path, "--once")
        for taken in ours:
            with socket.create_connection(taken.getsockname(), timeout=5):
                pass  # it listens as before
    assert done.returncode == 0, done.stderr
    for port in USUAL_PORTS:
        assert f"Port {port} is taken: the demo's server takes another." in done.stdout
    page = re.search(r"The page: http://127\.0\.0\.1:(\d+)", done.stdout)
    assert page
    assert int(page[1]) not in USUAL_PORTS
    assert "created 17 = exported 17" in done.stdout


def test_data_that_another_server_has_is_left_to_it(tmp_path: Path) -> None:
    owner = Store(tmp_path / "data")
    done = run_demo(tmp_path, "--data-dir", str(tmp_path / "data"))
    owner.close()
    assert done.returncode == 0, done.stderr
    assert "another alexobs server owns" in done.stdout
    assert "created 17 = exported 17" in done.stdout
    assert stored(tmp_path / "data") == []


def test_without_the_servers_packages_the_agent_runs_all_the_same(tmp_path: Path) -> None:
    program = f"import sys; sys.modules['duckdb'] = None\n{PROGRAM}"
    done = run_demo(tmp_path, program=program)
    assert done.returncode == 0, done.stderr
    assert "pip install 'alexobs[server]'" in done.stderr
    assert "4 iterations · 5 LLM calls" in done.stdout


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, home: Path, *options: str) -> None:
        self.screen, inner = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *options],
            env=environment(home), stdin=inner, stdout=inner, stderr=inner,
            start_new_session=True,
        )  # fmt: skip
        os.close(inner)
        self.text = ""

    def read_until(self, wanted: str) -> str:
        deadline = time.monotonic() + PASS_S
        while wanted not in self.text and time.monotonic() < deadline:
            try:
                self.text += os.read(self.screen, 65_536).decode(errors="replace")
            except OSError:  # the other end has closed it
                break
        assert wanted in self.text
        return self.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_the_page_stays_up_until_it_is_asked_to_end(
    tmp_path: Path, number: int
) -> None:
    demo = Terminal(tmp_path)
    try:
        text = demo.read_until("Ctrl-C ends the server.")
        found = re.search(r"(http://127\.0\.0\.1:\d+)/sessions/([0-9a-f]{32})", text)
        assert found
        with urllib.request.urlopen(f"{found[1]}/api/sessions/{found[2]}", timeout=10) as answer:
            session = json.load(answer)
        kinds = [turn["kind"] for turn in session["turns"]]
        assert (kinds.count("llm"), kinds.count("tool")) == (5, 7)
        assert sum(turn["cost_usd"] or 0 for turn in session["turns"]) > 0
        with urllib.request.urlopen(found[1], timeout=10) as answer:
            assert b"<html" in answer.read()
        demo.process.send_signal(number)
        demo.read_until("alexobs up --data-dir")
        assert demo.process.wait(10) == 0
    finally:
        demo.process.kill()
        demo.process.wait()
        os.close(demo.screen)
