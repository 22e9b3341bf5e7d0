"""`alexobs tail` as a person sees it: on a terminal, while the agent works."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from api_kit import DAY_NS, Fact, LogFact, Traffic, logs_request, traces_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api_kit import Api

WAIT_S = 20
PROGRAM = "import sys, alexobs.cli; sys.exit(alexobs.cli.main(sys.argv[1:]))"


class Terminal:
    """`alexobs tail` on a pseudo-terminal; `screen` is what stands there now."""

    def __init__(self, api: Api, *options: str) -> None:
        self._end, inner = pty.openpty()
        url = f"http://127.0.0.1:{api.server.port('web')}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "tail", "--url", url, *options],
            stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
            env={**os.environ, "COLUMNS": "120", "LINES": "50", "TERM": "xterm", "NO_COLOR": "1"},
        )  # fmt: skip
        os.close(inner)
        self.text = ""

    def read(self, timeout_s: float) -> None:
        """Take in what has been written, waiting for some of it."""
        if select.select([self._end], [], [], timeout_s)[0]:
            try:
                self.text += os.read(self._end, 65_536).decode(errors="replace")
            except OSError:  # the other end has closed it
                return

    def until(self, pattern: str) -> str:
        """Return the screen as soon as it shows `pattern`."""
        deadline = time.monotonic() + WAIT_S
        while not re.search(pattern, self.screen) and time.monotonic() < deadline:
            self.read(0.1)
        assert re.search(pattern, self.screen), self.screen
        return self.screen

    @property
    def screen(self) -> str:
        """The lines that are left when cursor movements and deletions are done."""
        lines = [""]
        for piece in re.split(r"(\x1b\[\d+A\x1b\[J|\n)", self.text.replace("\r", "")):
            if piece == "\n":
                lines.append("")
            elif piece.startswith("\x1b["):
                up = int(piece[2 : piece.index("A")])
                del lines[len(lines) - 1 - up :]
                lines.append("")
            else:
                lines[-1] += piece
        return "\n".join(lines)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def tail(empty_api: Api) -> Iterator[Terminal]:
    terminal = Terminal(empty_api)
    yield terminal
    terminal.close()


def trace() -> list[Fact]:
    spans = Traffic(seed=12, sessions=1).spans
    return sorted(spans, key=lambda span: span.start_ns)


def send_until_seen(api: Api, terminal: Terminal) -> None:
    """Send log lines until one shows: then the terminal is connected, and all that comes is."""
    deadline = time.monotonic() + WAIT_S
    while "are you there" not in terminal.screen and time.monotonic() < deadline:
        line = LogFact(DAY_NS, 9, "are you there", 0, 0, "", "my-agent", {})
        api.send("logs", logs_request([line]))
        terminal.read(0.3)
    assert "are you there" in terminal.screen


def test_a_tree_grows_and_stands_when_its_root_has_ended(empty_api: Api, tail: Terminal) -> None:
    root, *below = trace()
    send_until_seen(empty_api, tail)
    calls = [span for span in below if span.is_llm]
    half = below.index(calls[1])
    empty_api.send("traces", traces_request(below[:half]))
    early = tail.until(rf"llm {re.escape(calls[0].model)}")
    assert early.count("llm ") == 1
    empty_api.send("traces", traces_request(below[half:]))
    tail.until(rf"(?s)(llm .*){{{len(calls)}}}")
    empty_api.send("traces", traces_request([root]))
    whole = tail.until(rf"{len(calls)} LLM calls")
    assert whole.count("llm ") == len(calls)  # drawn again in place, not once more below
    assert whole.count(f"session {root.agent}") == 1
    known = sum(call.cost or 0 for call in calls)
    assert f"${known:.4f}" in whole
    line = LogFact(DAY_NS, 17, "and then it broke", 0, 0, "", "my-agent", {})
    empty_api.send("logs", logs_request([line]))
    after = tail.until("and then it broke")
    assert after.index("LLM calls") < after.index("and then it broke")


def test_ctrl_c_ends_it(empty_api: Api, tail: Terminal) -> None:
    send_until_seen(empty_api, tail)
    tail.process.send_signal(signal.SIGINT)
    assert tail.process.wait(10) in (0, 130)
    tail.read(0.2)
    assert "Traceback" not in tail.text
