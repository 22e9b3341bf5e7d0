"""The server's process: the store, the writer, and who listens where."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass, field
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from alexobs.config.model import RedactionConfig
from alexobs.errors import ServerError
from alexobs.redaction import Redactor
from alexobs.server.ingest.decode import Checker
from alexobs.server.ingest.grpc import GrpcFront
from alexobs.server.ingest.http import OtlpApp
from alexobs.server.ingest.intake import Intake
from alexobs.server.ingest.normalise import Normaliser
from alexobs.server.ingest.writer import Writer
from alexobs.server.prices import server_prices
from alexobs.server.security import Guard, check_host, error_body
from alexobs.server.store import Retention, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

# Each has ``routes(context) -> list[starlette.routing.BaseRoute]``; asked in this order.
ROUTE_MODULES: Final = (
    "alexobs.server.scrape",
    "alexobs.server.api",
    "alexobs.server.web",
)
SHUTDOWN_S: Final = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides. Ports: 0 takes a free one."""

    data_dir: Path = field(default_factory=lambda: Path("~/.alex/data").expanduser())
    host: str = "127.0.0.1"
    grpc_port: int = 4317
    http_port: int = 4318
    web_port: int = 4319
    token: str = ""
    retention: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class Context:
    """What the web application's routes work with."""

    store: Store
    intake: Intake
    settings: Settings
    stopping: threading.Event


def web_app(context: Context) -> ASGIApp:
    """Return the application of the page and the API."""
    routes: list[Any] = [
        Route("/healthz", lambda _: PlainTextResponse("ok\n")),
        Route("/readyz", _readyz),
    ]
    for name in ROUTE_MODULES:
        if util.find_spec(name) is not None:
            make_routes = getattr(import_module(name), "routes", None)
            routes += make_routes(context) if make_routes is not None else []
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
    )
    app.state.context = context
    settings = context.settings
    return Guard(app, token=settings.token, host=settings.host, web=True)


async def _readyz(request: Request) -> Response:
    """Whether a request of the largest size would be taken now."""
    context: Context = request.app.state.context
    if context.intake.writer.has_room(context.intake.max_body):
        return PlainTextResponse("ready\n")
    message = "the server has more to write than it can hold"
    return JSONResponse(error_body("busy", message), 503, {"retry-after": "1"})


_CODES: Final = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    code = _CODES.get(error.status_code, "error")
    return JSONResponse(error_body(code, error.detail), error.status_code, error.headers)


async def _server_error(_: Request, error: Exception) -> Response:
    return JSONResponse(error_body("internal", f"{type(error).__name__}: {error}"[:500]), 500)


class Server:
    """A running server: `run` serves until `stop` is called or a signal arrives."""

    def __init__(self, settings: Settings) -> None:
        check_host(settings.host, settings.token)
        self.settings = settings
        self._sockets: dict[str, socket.socket] = {}
        self._stopping = threading.Event()
        self._servers: list[uvicorn.Server] = []
        try:
            for name, option in (("http", "--http-port"), ("web", "--web-port")):
                port = getattr(settings, f"{name}_port")
                self._sockets[name] = _listen(settings.host, port, option)
            self.store = Store(settings.data_dir, settings.retention)
        except BaseException:
            self._close_sockets()
            raise
        normaliser = Normaliser(server_prices(), Redactor(RedactionConfig()))
        self.writer = Writer(self.store, normaliser)
        self.intake = Intake(Checker(normaliser), self.writer)
        try:
            self._grpc = GrpcFront(
                self.intake, host=settings.host, port=settings.grpc_port, token=settings.token
            )
        except BaseException:
            self._close()
            raise
        self.context = Context(self.store, self.intake, settings, self._stopping)

    def port(self, name: str) -> int:
        """Return the port that is listened on: ``grpc``, ``http`` or ``web``."""
        if name == "grpc":
            return self._grpc.port
        port: int = self._sockets[name].getsockname()[1]
        return port

    def run(self, *, ready: Callable[[], object] | None = None) -> None:
        """Serve until told to stop; then commit what was taken, and close."""
        try:
            asyncio.run(self._serve(ready))
        finally:
            self._grpc.stop(SHUTDOWN_S)
            self._close()

    def _close(self) -> None:
        self.writer.stop()
        self.store.close()
        self._close_sockets()

    def stop(self) -> None:
        """End `run`; from any thread or signal handler."""
        self._stopping.set()
        for server in self._servers:
            server.should_exit = True

    async def _serve(self, ready: Callable[[], object] | None) -> None:
        settings = self.settings
        otlp = Guard(OtlpApp(self.intake), token=settings.token, host=settings.host, web=False)
        self._servers = [_uvicorn(otlp), _uvicorn(web_app(self.context))]
        tasks = [
            asyncio.create_task(server._serve(sockets=[self._sockets[name]]))  # noqa: SLF001 - `serve` would take the signals
            for server, name in zip(self._servers, ("http", "web"), strict=True)
        ]
        while not all(server.started for server in self._servers):
            if any(task.done() for task in tasks) or self._stopping.is_set():
                break
            await asyncio.sleep(0.005)
        self._grpc.start()
        if ready is not None and not self._stopping.is_set():
            ready()
        self.store.warm_up()
        if self._stopping.is_set():
            self.stop()
        await asyncio.gather(*tasks)

    def _close_sockets(self) -> None:
        for listening in self._sockets.values():
            with contextlib.suppress(OSError):
                listening.close()


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ws="none",
        )
    )


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol by name asyncio sends at once; without it each answer waits 40 ms for the
    # client's delayed acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen(512)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ServerError(
            f"port {port} of {host} cannot be used ({error.strerror}): stop what listens there, "
            f"or choose another with {option}"
        ) from None
    return listening
