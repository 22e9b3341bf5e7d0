"""The endpoint that Prometheus scrapes: ``/metrics`` and ``/healthz`` on threads of its own.

It is open to whoever reaches its address, so its work is bounded: a number of connections at
once, a time for each of them, one request per connection, and no request body is ever read.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final

from alexobs.exporters.prometheus import OPENMETRICS, TEXT, encode_openmetrics, encode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alexobs.records import MetricData, Resource

CONNECTIONS_MAX: Final = 32  # a Prometheus makes one; beyond, connections are closed unanswered
CONNECTION_S: Final = 15.0  # for one connection in all; Prometheus gives up after 10 s by default
_IDLE_S: Final = 5.0  # between two bytes
_POLL_S: Final = 0.25
_GZIP_FROM_BYTES: Final = 1024
_JSON: Final = "application/json; charset=utf-8"
_PLAIN: Final = "text/plain; charset=utf-8"


def accepts_openmetrics(accept: str) -> bool:
    """Return whether an Accept header prefers OpenMetrics to the text format."""
    wanted = _qualities(accept)
    text = max(wanted.get("text/plain", 0.0), wanted.get("text/*", 0.0), wanted.get("*/*", 0.0))
    return wanted.get("application/openmetrics-text", 0.0) > 0 and (
        wanted["application/openmetrics-text"] >= text
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip."""
    wanted = _qualities(accept_encoding)
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0


def _qualities(header: str) -> dict[str, float]:
    """Return the best quality (0 to 1) of each name in an Accept-like header."""
    found: dict[str, float] = {}
    for part in header[:8192].split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                quality = _quality(value)
        if name:
            found[name.lower()] = max(quality, found.get(name.lower(), 0.0))
    return found


def _quality(text: str) -> float:
    try:
        quality = float(text.strip())
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0


class PrometheusServer:
    """Serves what `collect` gives, until `stop`.

    A port that cannot be had is no exception: `error` says why, and `warn` is told once.

    Args:
        host: address to listen on.
        port: 0 takes a free one; `port` tells which.
        collect: gives cumulative metrics.
        health: gives what ``/healthz`` shows; status 503 when its ``status`` is ``failing``.
        before_scrape: called before `collect`, to bring in what has ended just now.
        warn: told why the endpoint could not be started.
        resource: shown as ``target_info``.
    """

    def __init__(
        self,
        host: str,
        port: int,
        collect: Callable[[], Sequence[MetricData]],
        *,
        health: Callable[[], Mapping[str, Any]] | None = None,
        before_scrape: Callable[[], object] | None = None,
        warn: Callable[[str], object] | None = None,
        resource: Resource | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.error: str | None = None
        self._collect = collect
        self._health = health
        self._before_scrape = before_scrape
        self._warn = warn
        self._resource = resource
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Listen and serve; return whether that succeeded. Never raises."""
        if self._server is not None:
            return True
        try:
            self._server = _Server(self.host, self.port, self)
        except (OSError, OverflowError, UnicodeError) as failure:
            self.error = _why(self.host, self.port, failure)
            self._tell(self.error)
            return False
        self.error = None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL_S,),
            name="alexobs-prometheus",
            daemon=True,
        )
        self._thread.start()
        return True

    def stop(self) -> None:
        """Close the port and the connections. Can be started again."""
        server, thread, self._server, self._thread = self._server, self._thread, None, None
        if server is None or thread is None:
            return
        server.shutdown()
        server.server_close()
        server.close_connections()
        thread.join(timeout=_IDLE_S)

    def after_fork_in_child(self) -> None:
        """Give up the parent's socket in a forked child; the parent goes on serving."""
        server, self._server, self._thread = self._server, None, None
        if server is not None:
            server.socket.close()

    def page(self, *, openmetrics: bool) -> bytes:
        """Return the metrics as they are now."""
        if self._before_scrape is not None:
            self._before_scrape()
        encode = encode_openmetrics if openmetrics else encode_text
        return encode(self._collect(), self._resource)

    def health(self) -> Mapping[str, Any]:
        """Return what ``/healthz`` shows."""
        return {"status": "ok"} if self._health is None else self._health()

    def _tell(self, message: str) -> None:
        if self._warn is not None:
            try:
                self._warn(message)
            except Exception:
                return  # the endpoint's error says the same


def _why(host: str, port: int, failure: Exception) -> str:
    reason = getattr(failure, "strerror", None) or str(failure)
    return (
        f"the Prometheus endpoint cannot listen on {host}:{port}: {reason}; "
        "metrics are recorded, but not served (set metrics.prometheus_port to a free port, "
        "or to 0 to take any)"
    )


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    block_on_close = False  # threads of slow clients must not hold up the end of the process
    request_queue_size = 16
    # On Windows this option would let two processes share the port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, host: str, port: int, owner: PrometheusServer) -> None:
        self.owner = owner
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: dict[Any, float] = {}
        self._guard = threading.Lock()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            room = len(self._connections) < CONNECTIONS_MAX
            if room:
                self._connections[request] = time.monotonic() + CONNECTION_S
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        now = time.monotonic()
        with self._guard:
            late = [request for request, until in self._connections.items() if until < now]
        for request in late:
            _shut(request)

    def close_connections(self) -> None:
        with self._guard:
            open_now = list(self._connections)
        for request in open_now:
            _shut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is its own business."""


def _shut(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - only `_Server` makes one
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def version_string(self) -> str:
        return "alexobs"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: standard error belongs to the application."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path in {"/healthz", "/health"}:
            self._healthz()
        elif path == "/":
            self._answer(200, b"alexobs: see /metrics and /healthz\n", _PLAIN)
        else:
            self._answer(404, b"not found: there are /metrics and /healthz here\n", _PLAIN)

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class found wrong with a request; 501 is its "no such method"."""
        self.request_version = self.protocol_version  # a broken request line leaves HTTP/0.9
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer(405, b"only GET and HEAD are allowed\n", _PLAIN, {"Allow": "GET, HEAD"})
        else:
            text = message or HTTPStatus(code).phrase
            self._answer(code, f"{text}\n".encode("utf-8", "replace"), _PLAIN)

    def _metrics(self) -> None:
        openmetrics = accepts_openmetrics(self._header("Accept"))
        try:
            body = self.server.owner.page(openmetrics=openmetrics)
        except Exception as failure:
            text = f"metrics could not be collected: {type(failure).__name__}\n"
            self._answer(500, text.encode(), _PLAIN)
            return
        self._answer(200, body, OPENMETRICS if openmetrics else TEXT, {"Vary": "Accept"})

    def _healthz(self) -> None:
        try:
            health = self.server.owner.health()
            body = json.dumps(health, default=str).encode()
            status = 503 if health.get("status") == "failing" else 200
        except Exception as failure:
            body = json.dumps({"status": "failing", "error": type(failure).__name__}).encode()
            status = 503
        self._answer(status, body + b"\n", _JSON)

    def _header(self, name: str) -> str:
        headers = getattr(self, "headers", None)  # absent when the request could not be read
        return "" if headers is None else str(headers.get(name, ""))

    def _answer(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.close_connection = True
        self.send_response(status)
        if len(body) >= _GZIP_FROM_BYTES and accepts_gzip(self._header("Accept-Encoding")):
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
