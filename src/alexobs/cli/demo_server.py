"""The server that `alexobs demo` starts: in this process, beside whatever listens already."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from alexobs.cli.up import server_parts
from alexobs.errors import ServerError

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
START_S = 20.0
PORTS = {"grpc": 4317, "http": 4318, "web": 4319}


class DemoServer:
    """Runs while the context is open. What is taken, ports or data, is left to who has it.

    Raises:
        MissingExtraError: the server's packages are not installed.
        ServerError: it cannot be started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._server = self._made()
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: self._server.run(ready=self._ready.set), name="alexobs-demo-server"
        )

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self._server.port('web')}"

    @property
    def otlp_url(self) -> str:
        """Address of the OTLP/HTTP receiver."""
        return f"http://{HOST}:{self._server.port('http')}"

    @property
    def keeps(self) -> bool:
        """Whether `folder` outlives the demo."""
        return self._temporary is None

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        if not self._ready.wait(START_S):
            self.__exit__()
            raise ServerError(f"the demo's server did not start within {START_S:g} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Commit what was taken, and end."""
        self._server.stop()
        self._thread.join()
        if self._temporary is not None:
            self._temporary.cleanup()

    def wait(self) -> None:
        """Return after Ctrl-C or SIGTERM."""
        asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: asked.set())
        asked.wait()

    def _made(self) -> Any:
        """Return a server on the usual ports, and others for those that are taken."""
        ports = {name: self._free(port) for name, port in PORTS.items()}
        try:
            return self._on(ports)
        except ServerError as error:  # most often another demo, which has the data
            self._temporary = tempfile.TemporaryDirectory(prefix="alexobs-demo-")
            self.folder = Path(self._temporary.name)
            self.notes.append(f"{error}; the demo's data goes to a folder that ends with it.")
            return self._on(dict.fromkeys(PORTS, 0))

    def _on(self, ports: dict[str, int]) -> Any:
        server, settings, _ = server_parts("alexobs demo")
        named = {f"{name}_port": port for name, port in ports.items()}
        return server(settings(data_dir=self.folder, host=HOST, **named))

    def _free(self, port: int) -> int:
        """Return `port`, or 0 for any when somebody listens there."""
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, port))
            except OSError:
                self.notes.append(f"Port {port} is taken: the demo's server takes another.")
                return 0
        return port
