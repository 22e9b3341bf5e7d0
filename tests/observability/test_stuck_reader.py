"""A stream whose reader does not read: nothing hangs, and nobody is told that all is well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from alexobs import Observability

if TYPE_CHECKING:
    import pytest


def test_lines_that_nobody_reads_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, write_fd = os.pipe()
    stream = os.fdopen(write_fd, "w", encoding="utf-8")
    monkeypatch.setattr("sys.stdout", stream)
    obs = Observability(
        {
            "metrics": {"prometheus": False},
            "tracing": {"exporter": "none"},
            "logging": {"otlp": False},
        }
    )
    for _ in range(2000):
        obs.logger.info("x" * 100)
    obs.logger.error("the last")
    assert not obs.flush(1)
    assert any("log lines wait" in problem for problem in obs.health().problems)
    assert not obs.shutdown(0.5)
    os.close(read_fd)
    monkeypatch.undo()
    stream.close()


def test_lines_that_are_read_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, write_fd = os.pipe()
    with os.fdopen(write_fd, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with Observability(
            {"metrics": {"prometheus": False}, "tracing": {"exporter": "none"}}
        ) as obs:
            obs.logger.error("read")
            assert obs.flush(5)
            assert obs.health().problems == ()
        monkeypatch.undo()
    assert b"read" in os.read(read_fd, 10_000)
    os.close(read_fd)
