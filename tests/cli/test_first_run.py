"""A first run on a machine where nothing listens is no alarm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from alexobs import parts
from alexobs.cli import doctor, main
from alexobs.config.model import Config
from alexobs.exporters.factory import make_exporters

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(("endpoint", "expected"), [("", False), ("http://collector:4318", True)])
def test_nobody_need_be_at_the_default_address(endpoint: str, expected: bool) -> None:
    tracing = Config().tracing
    config = replace(
        Config(), tracing=replace(tracing, otlp_endpoint=endpoint or tracing.otlp_endpoint)
    )
    (destination,) = parts.destinations(make_exporters(config))
    assert destination.expected is expected


@pytest.mark.parametrize(("unasked", "code"), [(True, 0), (False, 1)])
def test_doctor_finds_nothing_wrong_with_a_fresh_machine(
    unasked: bool,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALEX_METRICS_PROMETHEUS_PORT", "0")
    monkeypatch.delenv("ALEX_CONFIG", raising=False)
    if unasked:
        monkeypatch.setattr(doctor, "_connect", lambda *_: "cannot be reached: refused")
    else:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOBODY)
    assert main(["doctor"]) == code
    out = capsys.readouterr().out
    assert ("alexobs up" in out) is unasked
    assert ("correct tracing.*_endpoint" in out) is not unasked
