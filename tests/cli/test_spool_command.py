from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.cli import main
from alexobs.pipeline.delivery import Destination
from alexobs.pipeline.spool import Spool
from alexobs.records import Batch, SendResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.fixture
def directory(home: Path) -> Path:
    return home / ".alex" / "spool"


class Nowhere:
    """A destination of which only the name counts."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        raise NotImplementedError

    def close(self) -> None: ...


def leave(directory: Path, *bodies: bytes, encoding: str = "otlp", address: str = "") -> None:
    spool = Spool(directory)
    destination = Destination(Nowhere(encoding), address=address).number
    for body in bodies:
        spool.append(Batch("traces", encoding, 2, body), destination=destination)
    spool.close()


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


class Receiver(BaseHTTPRequestHandler):
    """An OTLP back end that keeps what it gets."""

    status = 200
    bodies: list[bytes]
    address: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Receiver]]:
    class Fresh(Receiver):
        bodies: list[bytes] = []  # noqa: RUF012 - one class for each test

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    Fresh.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", Fresh.address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield Fresh
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_empty_spool(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spool", "ls"]) == 0
    assert capsys.readouterr().out == f"{directory}: nothing waits\n"


def test_what_waits_is_listed(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(directory, b"a", b"b")
    live = Spool(directory)
    live.append(Batch("logs", "otlp", 5, b"c"))
    assert main(["spool", "ls"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    ended, running = sorted(rows, key=lambda row: "running" in row)  # made in one millisecond
    assert header.split() == ["PROCESS", "STATE", "OLDEST", "SIZE", "WAITING"]
    assert "ended" in ended
    assert ended.endswith("4 traces (otlp)")
    assert "running" in running
    assert running.endswith("5 logs (otlp)")
    live.close()


def test_what_waits_is_listed_for_programs(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(directory, b"abc")
    assert main(["spool", "ls", "--json"]) == 0
    (spool,) = printed(capsys)["spools"]
    assert spool["live"] is False
    assert spool["waiting"] == {"otlp": {"traces": {"batches": 1, "records": 2, "size_bytes": 3}}}


def test_replay_sends_everything_and_leaves_nothing(
    directory: Path, receiver: type[Receiver], capsys: pytest.CaptureFixture[str]
) -> None:
    leave(directory, b"one", b"two", address=receiver.address)
    leave(directory, b"three", address=receiver.address)
    assert main(["spool", "replay", "--json"]) == 0
    assert printed(capsys) == {"delivered": {"traces": 6}, "lost": {}, "left": 0, "messages": []}
    assert len(receiver.bodies) == 3
    assert list(directory.iterdir()) == []


def test_replay_keeps_what_nobody_takes(
    directory: Path, receiver: type[Receiver], capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 503
    leave(directory, b"one", address=receiver.address)
    assert main(["spool", "replay", "--timeout", "5"]) == 1
    out = capsys.readouterr().out
    assert "delivered: nothing" in out
    assert "left: 2 records" in out


def test_replay_sends_nothing_to_another_back_end_unless_told(
    directory: Path, receiver: type[Receiver], capsys: pytest.CaptureFixture[str]
) -> None:
    leave(directory, b"one", address="http://elsewhere:4318")
    assert main(["spool", "replay"]) == 1
    assert "--anywhere" in capsys.readouterr().out
    assert receiver.bodies == []
    assert main(["spool", "replay", "--anywhere"]) == 0
    assert receiver.bodies == [b"one"]


def test_purge_asks_first(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(directory, b"one")
    assert main(["spool", "purge"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert len(list(directory.iterdir())) == 1


def test_purge_spares_the_living(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(directory, b"one")
    live = Spool(directory)
    ticket = live.append(Batch("logs", "otlp", 5, b"c"))
    assert main(["spool", "purge", "--yes", "--json"]) == 0
    assert printed(capsys) == {"thrown_away": {"traces": 2}}
    assert live.read(ticket) is not None
    assert len(list(directory.iterdir())) == 1
    live.close()


def test_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(tmp_path / "else", b"one")
    assert main(["spool", "ls", "--dir", str(tmp_path / "else"), "--json"]) == 0
    assert len(printed(capsys)["spools"]) == 1
