"""What the proofs share: configurations that touch nothing outside, and processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.testing.otlp import OTLPSink
from alexobs.testing.provider import ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as running:
        yield running


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as running:
        yield running


@pytest.fixture
def settings(sink: OTLPSink, tmp_path: Path) -> dict[str, Any]:
    """Everything switched on, towards `sink`, with a spool of its own."""
    return {
        "logging": {"stream": "stderr"},
        "metrics": {"prometheus": False, "export_interval_s": 60.0},
        "tracing": {"exporter": "otlp", "otlp_endpoint": sink.endpoint, "announce": "off"},
        "pipeline": {
            "linger_s": 0.05,
            "timeout_s": 5.0,
            "spool_dir": str(tmp_path / "spool"),
            "shutdown_timeout_s": 10.0,
        },
    }


@pytest.fixture
def start(
    settings: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs in which `settings` is what the name says; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: str, command: list[str] | None = None) -> Any:
        script = tmp_path / f"program{len(running)}.py"
        head = f"settings = {settings!r}\nsink_url = {settings['tracing']['otlp_endpoint']!r}\n"
        script.write_text(head + textwrap.dedent(program))
        process = subprocess.Popen(
            [sys.executable, *(command or []), str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(tmp_path),
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes, too
        process.communicate()


def environment(home: Path) -> dict[str, str]:
    """Return this process's environment with another home and without anybody's settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "ALEX"))}
    path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**clean, "HOME": str(home), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
