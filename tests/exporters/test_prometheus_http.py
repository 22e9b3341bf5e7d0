"""The endpoint over real sockets: negotiation, refusals, and clients of all manners."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.exporters import prometheus_http
from alexobs.exporters.prometheus import OPENMETRICS, TEXT
from alexobs.exporters.prometheus_http import (
    PrometheusServer,
    accepts_gzip,
    accepts_openmetrics,
)
from alexobs.metrics import MeterProvider
from alexobs.records import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What Prometheus 2 and 3 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.fixture
def provider() -> MeterProvider:
    made = MeterProvider()
    counter = made.get_meter("alexobs").create_counter("jobs")
    for number in range(60):
        counter.add(number, {"n": str(number)})
    return made


@pytest.fixture
def start(provider: MeterProvider) -> Iterator[Callable[..., PrometheusServer]]:
    started: list[PrometheusServer] = []

    def make(port: int = 0, host: str = "127.0.0.1", **options: Any) -> PrometheusServer:
        server = PrometheusServer(host, port, options.pop("collect", provider.collect), **options)
        started.append(server)
        server.start()
        return server

    yield make
    for server in started:
        server.stop()


def ask(
    server: PrometheusServer, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def client_of(server: PrometheusServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def ends(client: socket.socket) -> bool:
    """Return whether the server has closed the connection; waits for the client's timeout."""
    try:
        return client.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def raw(server: PrometheusServer, request: bytes) -> bytes:
    with client_of(server) as client:
        client.sendall(request)
        chunks = []
        with contextlib.suppress(ConnectionResetError):  # it closed before all was read
            while chunk := client.recv(65536):
                chunks.append(chunk)
        return b"".join(chunks)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        (PROMETHEUS_2, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.7", False),
        ("application/openmetrics-text; q=0.7 , text/plain;q=0.3", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=nonsense", False),
        ("APPLICATION/OpenMetrics-Text", True),
        (";;,,q=1", False),
        ("," * 100_000, False),
    ],
)
def test_openmetrics_is_given_to_those_who_prefer_it(accept: str, expected: bool) -> None:
    assert accepts_openmetrics(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [("", False), ("gzip", True), ("gzip;q=0", False), ("*", True), ("br, gzip;q=0.5", True)],
)
def test_gzip_is_given_to_those_who_take_it(accept: str, expected: bool) -> None:
    assert accepts_gzip(accept) is expected


def test_a_free_port_is_taken_and_both_formats_are_served(
    start: Callable[..., PrometheusServer],
) -> None:
    server = start(resource=Resource({"service.name": "alex"}))
    assert server.port > 0
    assert server.error is None
    status, headers, body = ask(server)
    assert (status, headers["content-type"]) == (200, TEXT)
    assert b'jobs_total{n="7"} 7\n' in body
    assert b'target_info{service_name="alex"} 1' in body
    status, headers, body = ask(server, Accept=PROMETHEUS_2)
    assert (status, headers["content-type"]) == (200, OPENMETRICS)
    assert body.endswith(b"# EOF\n")


def test_gzip_and_head(start: Callable[..., PrometheusServer]) -> None:
    server = start()
    _, headers, packed = ask(server, Accept_Encoding="gzip")
    plain = ask(server)[2]
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    status, headers, body = ask(server, method="HEAD")
    assert (status, int(headers["content-length"]), body) == (200, len(plain), b"")


def test_before_scrape_runs_first(
    start: Callable[..., PrometheusServer], provider: MeterProvider
) -> None:
    late = provider.get_meter("alexobs").create_counter("late")
    server = start(before_scrape=lambda: late.add(1))
    assert b"late_total 1\n" in ask(server)[2]
    assert b"late_total 2\n" in ask(server)[2]


def test_health(start: Callable[..., PrometheusServer]) -> None:
    health: dict[str, Any] = {"status": "ok", "odd": object}
    server = start(health=lambda: health)
    status, headers, body = ask(server, "/healthz?verbose")
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert json.loads(body)["status"] == "ok"
    health["status"] = "failing"
    assert ask(server, "/healthz")[0] == 503
    assert json.loads(ask(start(), "/healthz")[2]) == {"status": "ok"}


def test_faults_behind_the_endpoint_are_answers_and_not_crashes(
    start: Callable[..., PrometheusServer], capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Any:
        raise RuntimeError("a secret")

    server = start(collect=broken, health=broken)
    status, _, body = ask(server)
    assert (status, body) == (500, b"metrics could not be collected: RuntimeError\n")
    status, _, body = ask(server, "/healthz")
    assert (status, json.loads(body)["error"]) == (503, "RuntimeError")
    assert capfd.readouterr() == ("", "")


def test_unknown_paths_methods_and_broken_requests_get_clear_text(
    start: Callable[..., PrometheusServer], capfd: pytest.CaptureFixture[str]
) -> None:
    server = start()
    assert ask(server, "/")[0] == 200
    assert ask(server, "/nothing")[0] == 404
    assert b"/metrics" in ask(server, "/nothing")[2]
    for method in ("POST", "PUT", "DELETE", "BREW"):
        status, headers, body = ask(server, method=method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert b"only GET" in body
    assert b" 400 " in raw(server, b"nonsense with too many words\r\n\r\n").splitlines()[0]
    assert b" 400 " in raw(server, b"GET /metrics HTTP/x.y\r\n\r\n").splitlines()[0]
    assert b" 414 " in raw(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n").splitlines()[0]
    many = b"".join(b"X-%d: y\r\n" % number for number in range(200))
    assert b" 431 " in raw(server, b"GET / HTTP/1.1\r\n" + many + b"\r\n").splitlines()[0]
    assert ask(server)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_told_once_and_raises_nothing(
    start: Callable[..., PrometheusServer],
) -> None:
    told: list[str] = []
    first = start()
    second = start(first.port, warn=told.append)
    assert second.error is not None
    assert f"127.0.0.1:{first.port}" in second.error
    assert "prometheus_port" in second.error
    assert told == [second.error]
    first.stop()
    assert second.start()
    assert second.error is None
    assert ask(second)[0] == 200


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 0), ("256.1.1.1", 0), ("127.0.0.1", 99_999)]
)
def test_impossible_addresses_are_errors_and_not_exceptions(
    start: Callable[..., PrometheusServer], host: str, port: int
) -> None:
    def warn(_: str) -> None:
        raise RuntimeError

    server = start(port, host, warn=warn)
    assert server.error is not None
    assert host in server.error


def test_ipv6(start: Callable[..., PrometheusServer]) -> None:
    server = start(host="::1")
    if server.error is not None:
        pytest.skip(f"no IPv6 here: {server.error}")
    with socket.create_connection(("::1", server.port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in client.recv(100)


def test_stop_frees_the_port_and_start_takes_it_again(
    start: Callable[..., PrometheusServer],
) -> None:
    server = start()
    port = server.port
    with client_of(server) as idle:
        began = time.monotonic()
        server.stop()
        server.stop()
        assert time.monotonic() - began < 5
        assert ends(idle)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    assert server.start()
    assert server.start()
    assert server.port == port
    assert ask(server)[0] == 200


def test_many_scrapes_at_once(start: Callable[..., PrometheusServer]) -> None:
    server = start()
    answers: list[int] = []

    def scrape() -> None:
        answers.extend(ask(server, Accept=PROMETHEUS_2)[0] for _ in range(5))

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40


def test_idle_and_dripping_clients_are_cut_off_and_hold_up_nobody(
    start: Callable[..., PrometheusServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_http, "CONNECTION_S", 0.5)
    monkeypatch.setattr(prometheus_http, "CONNECTIONS_MAX", 4)
    server = start()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(server)) for _ in range(4)]
        for client in clients:
            client.sendall(b"GET /metrics HT")
        surplus = stack.enter_context(client_of(server))
        assert ends(surplus)  # more than may be at once
        began = time.monotonic()
        dripping = clients[0]
        dripping.settimeout(0.05)
        while time.monotonic() - began < 8 and not ends(dripping):
            with contextlib.suppress(OSError):
                dripping.sendall(b"T")
        assert ends(dripping)
        assert all(ends(client) for client in clients)
    assert ask(server)[0] == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_leaves_the_port_to_the_parent(
    start: Callable[..., PrometheusServer],
) -> None:
    server = start()
    child = os.fork()
    if child == 0:
        try:
            server.after_fork_in_child()
            server.stop()
            server.start()
            os._exit(0 if server.error is not None else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert ask(server)[0] == 200
