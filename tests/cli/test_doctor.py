"""`alexobs doctor` names what is ill, and what to do about it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability
from alexobs.cli import main
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from pathlib import Path

Findings = dict[str, dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".alex").mkdir()
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / ".alex" / "config.yaml").write_text(text)


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, Findings]:
    code = main(["doctor", "--json"])
    return code, {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_broken_configuration_is_all_that_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, "observability: {tracing: {sample_rate: 2}}")
    code, findings = doctor(capsys)
    assert code == 2
    assert "sample_rate: 2" in findings["configuration"]["found"]
    assert findings["configuration"]["advice"]
    assert "back end" not in findings


def test_what_is_switched_off_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, "observability: {enabled: false}")
    code, findings = doctor(capsys)
    assert code == 0
    assert findings["observability"]["found"] == "switched off"
    write(home, "observability: {metrics: {prometheus: false}, tracing: {exporter: console}}")
    code, findings = doctor(capsys)
    assert code == 0
    assert "no endpoint" in findings["metrics"]["found"]
    assert findings["back end"]["found"] == "console"


def test_a_back_end_is_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with OTLPSink() as sink:
        at = f"observability: {{tracing: {{otlp_endpoint: '{sink.endpoint}'}}, "
        write(home, at + "metrics: {prometheus: false}}")
        code, findings = doctor(capsys)
        assert (code, findings["back end"]["well"]) == (0, True)
    code, findings = doctor(capsys)
    assert (code, findings["back end"]["well"]) == (1, False)
    assert "refused" in findings["back end"]["found"]
    assert "otherwise" not in findings["back end"]["advice"]
    assert "waits in the spool" in findings["back end"]["advice"]


def test_a_taken_port_and_waiting_records_are_told_to_people(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        write(
            home,
            "observability: {tracing: {otlp_endpoint: 'http://127.0.0.1:1'}, "
            f"metrics: {{prometheus_port: {port}}}, pipeline: {{shutdown_timeout_s: 0}}}}",
        )
        with Observability(metrics={"prometheus": False}) as obs, obs.span("waits"):
            pass
        assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert f"127.0.0.1:{port}" in printed
    assert "records of 1 processes wait" in printed
    assert "alexobs spool replay" in printed
