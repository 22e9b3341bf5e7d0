from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.server.app import Server, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Running:
    server: Server

    def post(
        self, path: str, body: bytes, kind: str = "application/x-protobuf", **headers: str
    ) -> Answer:
        return self.request("POST", "http", path, body, {"content-type": kind, **headers})

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", "web", path, None, headers)

    def request(
        self, method: str, port: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self.server.port(port), timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, body, given)
            response = client.getresponse()
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        finally:
            client.close()

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.server.store.sql(text, max_rows=100_000).rows


def start(server: Server) -> threading.Thread:
    ready = threading.Event()
    thread = threading.Thread(target=lambda: server.run(ready=ready.set))
    thread.start()
    assert ready.wait(20)
    return thread


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    server = Server(Settings(data_dir=folder, grpc_port=0, http_port=0, web_port=0))
    thread = start(server)
    yield Running(server)
    server.stop()
    thread.join()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A function that starts one more server, with these settings."""
    started: list[tuple[Server, threading.Thread]] = []

    def begin(**settings: Any) -> Running:
        folder = tmp_path / f"server{len(started)}"
        server = Server(Settings(folder, grpc_port=0, http_port=0, web_port=0, **settings))
        started.append((server, start(server)))
        return Running(server)

    yield begin
    for server, thread in started:
        server.stop()
        thread.join()
