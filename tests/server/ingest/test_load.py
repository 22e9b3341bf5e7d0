from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alexobs.cli import main
from alexobs.exporters.otlp.jsonlines import logs_to_json, spans_to_json
from alexobs.records import LogRecord, Resource, Scope, SpanData

if TYPE_CHECKING:
    from pathlib import Path

RESOURCE = Resource({"service.name": "loaded"})


def span(number: int) -> SpanData:
    return SpanData(
        trace_id=99,
        span_id=number,
        name="loaded",
        start_ns=10**18,
        end_ns=10**18 + 1,
        attributes={"n": number},
        scope=Scope("alexobs"),
    )


def test_a_file_of_requests_is_taken_once(running: Any, tmp_path: Path) -> None:
    record = LogRecord(
        time_ns=10**18, severity=9, body="loaded log", attributes={}, scope=Scope("alexobs")
    )
    path = tmp_path / "spans.jsonl"
    lines = [spans_to_json([span(1), span(2)], RESOURCE), logs_to_json([record], RESOURCE)]
    path.write_bytes(b"\n".join([*lines, spans_to_json([span(3)], RESOURCE), b""]))
    endpoint = f"http://127.0.0.1:{running.server.port('http')}"
    assert main(["load", str(path), "--endpoint", endpoint]) == 0
    assert main(["load", str(path), "--endpoint", endpoint]) == 0
    assert running.sql("SELECT count(*) FROM spans WHERE name = 'loaded'") == [(3,)]
    assert running.sql("SELECT count(*) >= 1 FROM logs WHERE body = 'loaded log'") == [(True,)]


@pytest.mark.parametrize("text", ["not json", '{"something": "else"}', "[1, 2]"])
def test_what_is_no_request_is_named(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    assert main(["load", str(path)]) == 1
    assert f"{path}:1" in capsys.readouterr().err


def test_without_a_server_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_bytes(spans_to_json([span(1)], RESOURCE))
    assert main(["load", str(path), "--endpoint", "http://127.0.0.1:1"]) == 1
    assert "alexobs up" in capsys.readouterr().err
