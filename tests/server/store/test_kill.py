"""The server is killed under load: what it acknowledged is there once, nothing is there twice."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alexobs.cli import main
from alexobs.server.store import Store

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

KILLS = 20
SPANS_PER_REQUEST = 20


class Up:
    """`alexobs up` as a process, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from alexobs.cli import main; raise SystemExit(main())",
             *command(folder, 0)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(4)]
        self.http = int(lines[2].rsplit(":", 1)[1])

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode


def command(folder: Path, http_port: int) -> list[str]:
    ports = {"grpc": 0, "http": http_port, "web": 0}
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    return ["up", "--data-dir", str(folder), *options]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def request(ids: list[int]) -> bytes:
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for span_id in ids:
        scope.spans.add(
            trace_id=(1).to_bytes(16, "big"),
            span_id=span_id.to_bytes(8, "big"),
            name="span",
            start_time_unix_nano=time.time_ns(),
            end_time_unix_nano=time.time_ns(),
        )
    return bytes(message.SerializeToString())


class Load(threading.Thread):
    """Sends until the server is gone; what was refused or cut off is sent again later."""

    def __init__(self, port: int, numbers: Any, acknowledged: set[int], again: list[Any]) -> None:
        super().__init__()
        self._port, self._numbers = port, numbers
        self._acknowledged, self._again = acknowledged, again

    def run(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(client):
            self._send(client)

    def _send(self, client: http.client.HTTPConnection) -> None:
        while True:
            try:
                ids = self._again.pop()
            except IndexError:
                ids = [next(self._numbers) for _ in range(SPANS_PER_REQUEST)]
            try:
                headers = {"content-type": "application/x-protobuf"}
                client.request("POST", "/v1/traces", request(ids), headers)
                answer = client.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self._again.append(ids)
                return
            if answer.status == 200:
                self._acknowledged.update(ids)
            else:
                self._again.append(ids)


def wait_for(port: int, process: BaseProcess) -> None:
    """Return when somebody listens at `port`."""
    while True:
        assert process.is_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            process.join(0.02)
        else:
            return


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ready_made = multiprocessing.get_context("forkserver")  # imports once, not for each start
    ready_made.set_forkserver_preload(["alexobs.server.app"])
    numbers = iter(range(1, 10**9))
    acknowledged: set[int] = set()
    again: list[Any] = []
    random_ = random.Random(5)
    for _ in range(KILLS):
        port = free_port()
        up = ready_made.Process(target=main, args=(command(tmp_path, port),))
        up.start()
        senders = [Load(port, numbers, acknowledged, again) for _ in range(3)]
        wait_for(port, up)
        before = len(acknowledged)
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 30
        wanted = before + random_.randrange(20, 160)
        while len(acknowledged) < wanted and time.monotonic() < deadline:
            senders[0].join(0.01)
        senders[0].join(random_.random() / 10)  # somewhere in the next commits
        assert up.is_alive()
        up.kill()
        up.join()
        for sender in senders:
            sender.join()
    assert len(acknowledged) > KILLS * 20
    store = Store(tmp_path)
    rows = store.sql("SELECT span_id FROM finished_spans", max_rows=10**7).rows
    found = [row[0] for row in rows]
    summed = store.sql("SELECT sum(spans) FROM trace_parts").rows[0][0]
    rolled = store.sql("SELECT sum(spans) FROM rollup").rows[0][0]
    store.close()
    assert acknowledged <= set(found)
    assert len(found) == len(set(found)) == summed == rolled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_what_it_took(tmp_path: Path, number: int) -> None:
    up = Up(tmp_path)
    acknowledged: set[int] = set()
    sender = Load(up.http, iter(range(1, 10**9)), acknowledged, [])
    sender.start()
    while len(acknowledged) < 200:
        sender.join(0.01)
    assert up.end(number) == 0
    sender.join()
    store = Store(tmp_path)
    found = {row[0] for row in store.sql("SELECT span_id FROM finished_spans", max_rows=10**7).rows}
    store.close()
    assert acknowledged <= found


def run_up(*options: str) -> subprocess.CompletedProcess[str]:
    program = "from alexobs.cli import main; raise SystemExit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "up", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("option", ["--http-port", "--web-port", "--grpc-port"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, option: str) -> None:
    free = {"--http-port", "--web-port", "--grpc-port"} - {option}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        others = [word for name in sorted(free) for word in (name, "0")]
        done = run_up("--data-dir", str(tmp_path), option, str(port), *others)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1" in done.stderr
    assert option in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_data_says_so(tmp_path: Path) -> None:
    up = Up(tmp_path)
    ports = ["--http-port", "0", "--web-port", "0", "--grpc-port", "0"]
    done = run_up("--data-dir", str(tmp_path), *ports)
    assert up.end(signal.SIGTERM) == 0
    assert done.returncode == 1
    assert "another alexobs server owns" in done.stderr


def test_other_machines_are_let_in_with_a_token_only(tmp_path: Path) -> None:
    done = run_up("--data-dir", str(tmp_path), "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "--token" in done.stderr


def test_without_its_packages_it_names_the_install_command(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from alexobs.cli import main; raise SystemExit(main(['up']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "pip install 'alexobs[server]'" in done.stderr
