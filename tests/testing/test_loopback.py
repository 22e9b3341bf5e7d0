from __future__ import annotations

import contextlib
import gzip
import socket
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from alexobs.records import Usage
from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.testing.provider import ScriptedProvider


def echo(request: Request) -> Response:
    text = f"{request.method} {request.path} {request.query} {request.content.decode()}"
    return Response(body=text.encode(), headers={"X-Asked": request.headers.get("x-ask", "")})


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(echo) as server:
        yield server


def exchange(server: LoopbackServer, wire: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(wire)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_bodies_arrive_whole_however_they_are_framed(server: LoopbackServer) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    chunked = httpx.post(f"{server.url}/a?b=c", content=pieces(), headers={"X-Ask": "me"})
    assert chunked.text == "POST /a b=c one two"
    assert chunked.headers["X-Asked"] == "me"
    zipped = {"Content-Encoding": "gzip"}
    assert httpx.post(server.url, content=gzip.compress(b"z"), headers=zipped).text.endswith("z")
    assert httpx.get(server.url).text == "GET /  "


def test_a_client_that_expects_100_gets_it(server: LoopbackServer) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert exchange(server, head + b"hi").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


def test_connections_are_kept_unless_the_client_says_close(server: LoopbackServer) -> None:
    twice = b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n"
    answers = exchange(server, twice + b"GET /3 HTTP/1.1\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("wire", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000])
def test_what_is_no_http_ends_the_connection_and_nothing_else(
    server: LoopbackServer, wire: bytes
) -> None:
    with contextlib.suppress(OSError):  # reset while it was still sending
        assert exchange(server, wire) == b""
    assert httpx.get(server.url).status_code == 200


def test_a_handler_that_raises_is_told_to_the_client() -> None:
    def broken(request: Request) -> Response:
        raise LookupError("no answer for this")

    with LoopbackServer(broken) as server:
        answer = httpx.get(server.url)
    assert answer.status_code == 500
    assert "LookupError('no answer for this')" in answer.text
    assert answer.headers["x-should-retry"] == "false"


def test_closing_ends_open_connections_and_pauses() -> None:
    def slow(request: Request) -> Response:
        return Response(first_byte_after_s=60)

    server = LoopbackServer(slow)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.close()
        with contextlib.suppress(ConnectionResetError):  # when the request was not read yet
            assert client.recv(1) == b""
    server.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_fixed_reply_with_pauses_keeps_its_pauses(provider: ScriptedProvider) -> None:
    provider.always("slow", first_byte_after_s=0.03)
    for _ in range(2):
        answer = httpx.post(f"{provider.url}/v1/chat/completions", json={"model": "m"})
        assert answer.elapsed.total_seconds() >= 0.03


def test_requests_can_be_told_apart(provider: ScriptedProvider) -> None:
    provider.reply("a", usage=None, service_tier="flex")
    with openai.OpenAI(base_url=provider.openai_url, api_key="unused") as client:
        answer = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}]
        )
    assert (answer.usage, answer.service_tier) == (None, "flex")
    (request,) = provider.requests
    assert (request.api, request.model, request.stream) == ("openai.chat", "m", False)
    httpx.post(f"{provider.url}/v1/embeddings", content=b"no json")
    assert provider.requests[-1].json is None


def test_errors_of_embeddings_are_the_providers_own(provider: ScriptedProvider) -> None:
    provider.fail(404).fail(400)
    openais = httpx.post(f"{provider.url}/v1/embeddings", json={"input": "a"})
    assert openais.json()["error"]["code"] == "model_not_found"
    googles = httpx.post(f"{provider.url}/v1beta/models/e:embedContent", json={})
    assert googles.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_usage_can_be_left_out_of_every_dialect(provider: ScriptedProvider) -> None:
    paths = ["/v1/responses", "/v1/embeddings", "/v1beta/models/g:generateContent"]
    for path in paths:
        provider.reply("a", usage=None)
        answer = httpx.post(provider.url + path, json={"model": "m"}).json()
        assert not answer.get("usage")
        assert "usageMetadata" not in answer
    provider.reply("a", usage=Usage(input_tokens=5))
    assert httpx.post(provider.url + paths[2], json={}).json()["usageMetadata"] == {
        "promptTokenCount": 5,
        "candidatesTokenCount": 0,
        "totalTokenCount": 5,
    }
