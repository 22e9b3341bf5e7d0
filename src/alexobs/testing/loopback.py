"""A small threaded HTTP/1.1 server on loopback that can also misbehave on purpose.

The standard library's ``http.server`` cannot reset a connection in the middle of a chunked body
and spends most of its time in the e-mail parser; the scripted provider and the sinks need the
first, and the benchmarks cannot afford the second.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it arrived. Header names are lower case; ``path`` has no query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body with its ``Content-Encoding`` undone (gzip, or none)."""
        if self.headers.get("content-encoding") == "gzip":
            return gzip.decompress(self.body)
        return self.body

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError when it is none."""
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answers, faults included.

    Attributes:
        body: bytes of a plain response, sent with ``Content-Length``.
        chunks: when given, the response is chunked, one write per item, and `body` is ignored.
        raw: when given, exactly these bytes are written: status line, headers and body.
        first_byte_after_s: pause before the status line.
        chunk_every_s: pause before each chunk but the first.
        reset_after_chunks: the connection is reset after that many chunks; for a plain
            response any number resets it in the middle of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] | None = None
    raw: bytes = b""
    first_byte_after_s: float = 0.0
    chunk_every_s: float = 0.0
    reset_after_chunks: int | None = None


Handler = Callable[[Request], Response | None]


def plain_bytes(response: Response) -> bytes:
    """Return status line, headers and body of a plain response, as they go over the wire."""
    return _head(response, f"Content-Length: {len(response.body)}") + response.body


def chunked_bytes(response: Response) -> bytes:
    """Return a whole chunked response, as it goes over the wire."""
    framed = b"".join(_frame(chunk) for chunk in response.chunks or ())
    return _head(response, "Transfer-Encoding: chunked") + framed + b"0\r\n\r\n"


def _head(response: Response, framing: str) -> bytes:
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:  # 529 is Anthropic's own
        phrase = "Overloaded"
    lines = [f"HTTP/1.1 {response.status} {phrase}", framing]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join(lines).encode("latin-1") + HEAD_END


def _frame(chunk: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


class _ConnectionLostError(Exception):
    """The client has gone, or the server is closing."""


class _Connection:
    """One accepted socket: reads requests, writes responses, until either side has enough."""

    def __init__(self, sock: socket.socket, handler: Handler, closing: threading.Event) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._handler = handler
        self._closing = closing
        self._buffer = bytearray()

    def serve(self) -> None:
        with self._socket, contextlib.suppress(_ConnectionLostError, OSError, ValueError):
            while True:
                request = self._read_request()
                response = self._handled(request)
                if response is None:
                    self._reset()
                    return
                self._write(response)
                if request.headers.get("connection", "").lower() == "close":
                    return

    def _handled(self, request: Request) -> Response | None:
        try:
            return self._handler(request)
        except Exception as error:  # whoever asked is the one who can see it
            body = {"error": {"message": f"the handler raised {error!r}", "type": "handler"}}
            headers = {"Content-Type": "application/json", "x-should-retry": "false"}
            return Response(500, json.dumps(body).encode(), headers)

    def close(self) -> None:
        """Wake a blocked read from another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read_request(self) -> Request:
        end = self._fill_until(HEAD_END)
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + len(HEAD_END)]
        method, target, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, self._read_body(headers))

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        return self._take(int(headers.get("content-length") or 0))

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            end = self._fill_until(b"\r\n")
            size = int(self._buffer[:end].split(b";")[0], 16)
            del self._buffer[: end + 2]
            body += self._take(size)
            self._take(2)
            if size == 0:
                return bytes(body)

    def _fill_until(self, mark: bytes) -> int:
        while (found := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise _ConnectionLostError
            self._receive()
        return found

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _receive(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise _ConnectionLostError
        self._buffer += data

    def _write(self, response: Response) -> None:
        self._pause(response.first_byte_after_s)
        if response.raw:
            self._socket.sendall(response.raw)
        elif response.chunks is not None:
            self._write_chunks(response, response.chunks)
        elif response.reset_after_chunks is not None:
            wire = plain_bytes(response)
            self._socket.sendall(wire[: len(wire) - max(1, len(response.body) // 2)])
            self._reset()
        else:
            self._socket.sendall(plain_bytes(response))

    def _write_chunks(self, response: Response, chunks: Sequence[bytes]) -> None:
        self._socket.sendall(_head(response, "Transfer-Encoding: chunked"))
        for number, chunk in enumerate(chunks):
            if number == response.reset_after_chunks:
                self._reset()
            if number:
                self._pause(response.chunk_every_s)
            self._socket.sendall(_frame(chunk))
        if response.reset_after_chunks is not None:
            self._reset()
        self._socket.sendall(b"0\r\n\r\n")

    def _pause(self, seconds: float) -> None:
        if seconds and self._closing.wait(seconds):
            raise _ConnectionLostError

    def _reset(self) -> None:
        # A reset overtakes data that the peer's kernel has not handed over yet; wait until it has.
        self._closing.wait(0.02)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        raise _ConnectionLostError


class LoopbackServer:
    """Serves `handler` on 127.0.0.1 until closed; one daemon thread per connection.

    A handler returns a `Response`, or None to reset the connection at once.
    """

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self._handler = handler
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[_Connection, threading.Thread] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="loopback", daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop accepting, cut what is open, and wait for the threads."""
        if self._closing.is_set():
            return
        self._closing.set()
        # Closing a listening socket does not wake accept() everywhere; a connection does.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._acceptor.join(5)
        self._listener.close()
        with self._lock:
            open_now = list(self._connections.items())
        for connection, _ in open_now:
            connection.close()
        for _, thread in open_now:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._closing.is_set():
                sock.close()
                return
            connection = _Connection(sock, self._handler, self._closing)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: _Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
