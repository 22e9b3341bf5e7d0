"""Starts the real back ends as plain processes, with the files of the deployment's folder.

    python scripts/peer_processes.py        run them without Docker, until it is interrupted

Ports and folders come by environment, as in the containers; targets of Prometheus by its target
files. Everything listens on loopback only and ends with the `Peers` that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import peers

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = peers.ROOT / "deployments" / "observability"
HOST = "127.0.0.1"
START_S = 120.0
STOP_S = 20.0


class PeerMissingError(RuntimeError):
    """A program is not there; the message says how to get it."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def fetch(url: str, timeout_s: float = 10.0) -> bytes:
    """Return what an address answers."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def ask(url: str, **parameters: Any) -> Any:
    """Return the JSON that an API answers."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    return json.loads(fetch(url + query))


class Process:
    """One running program; `ports` by what they are for."""

    def __init__(
        self, name: str, command: list[str], ports: dict[str, int], work: Path, **environment: Any
    ) -> None:
        self.name, self.command, self.ports, self.work = name, command, ports, work
        self.environment = {key: str(value) for key, value in environment.items()}
        self.log_path = work / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def url(self, port: str, path: str = "") -> str:
        """Return the address of one of its ports."""
        host = self.environment.get("COLLECTOR_LISTEN_HOST", HOST)
        return f"http://{host}:{self.ports[port]}{path}"

    def start(self, ready: str) -> Self:
        """Start it and wait until `ready` answers."""
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            self.command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self.work,
            env={**os.environ, **self.environment},
        )
        self._ready = ready
        until = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{self.name} does not start:\n{self.log()}")
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            fetch(self._ready, 2.0)
        except (urllib.error.URLError, OSError):
            return False
        return True

    def restart(self) -> None:
        """Start it again after `stop`."""
        self.start(self._ready)

    def hang_up(self) -> None:
        """Let it read its files again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it, and see it end."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def log(self) -> str:
        """Return the end of what it printed."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-4000:]


class Peers:
    """Starts back ends in one folder, and ends them all."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._running: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.stop()

    def _run(
        self, name: str, command: list[str], ports: dict[str, int], ready: str, **environment: Any
    ) -> Process:
        process = Process(name, command, ports, self.work, **environment)
        self._running.append(process)
        return process.start(ready)

    def _folder(self, name: str) -> Path:
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def prometheus(self, targets: Mapping[str, list[dict[str, Any]]]) -> Process:
        """Start Prometheus with the deployment's folder and these target files."""
        config = self.work / "prometheus"
        shutil.copytree(FOLDER / "prometheus", config)
        for path in (config / "targets").iterdir():
            path.write_text(json.dumps(targets.get(path.stem, [])), encoding="utf-8")
        ports = {"http": free_port()}
        command = [
            program("prometheus"),
            f"--config.file={config / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder('prometheus-data')}",
            f"--web.listen-address={HOST}:{ports['http']}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]
        return self._run("prometheus", command, ports, f"http://{HOST}:{ports['http']}/-/ready")

    def alertmanager(self, **environment: str) -> Process:
        """Start Alertmanager as its container does."""
        ports = {"http": free_port()}
        return self._run(
            "alertmanager",
            ["sh", str(FOLDER / "alertmanager" / "start.sh")],
            ports,
            f"http://{HOST}:{ports['http']}/-/ready",
            ALERTMANAGER=program("alertmanager"),
            ALERTMANAGER_LISTEN=f"{HOST}:{ports['http']}",
            ALERTMANAGER_RUN_DIR=self._folder("alertmanager-run"),
            ALERTMANAGER_DATA_DIR=self._folder("alertmanager-data"),
            **environment,
        )

    def jaeger(self) -> Process:
        """Start Jaeger."""
        names = ("METRICS", "HEALTH", "QUERY", "QUERY_GRPC", "OTLP_GRPC", "OTLP_HTTP", "THRIFT")
        ports = {name: free_port() for name in (*names, "ZIPKIN")}
        return self._run(
            "jaeger",
            [program("jaeger"), f"--config={FOLDER / 'jaeger' / 'jaeger.yaml'}"],
            ports,
            f"http://{HOST}:{ports['HEALTH']}/status",
            JAEGER_LISTEN_HOST=HOST,
            JAEGER_DATA_DIR=self._folder("jaeger-data"),
            **{f"JAEGER_{name}_PORT": port for name, port in ports.items()},
        )

    def collector(self, jaeger: int, loki: str, **environment: str) -> Process:
        """Start the Collector before Jaeger's gRPC port and Loki's address."""
        return self._collector(
            "collector",
            "collector/collector.yaml",
            before=(),
            ports={},
            JAEGER_OTLP_ENDPOINT=f"{HOST}:{jaeger}",
            LOKI_OTLP_ENDPOINT=loki,
            **environment,
        )

    def sampler(self, region: str, centre: str, host: str = HOST, port: int = 0) -> Process:
        """Start one of a region's samplers before the centre's address."""
        return self._collector(
            f"sampler-{region}-{host}",
            "multi-region/sampler.yaml",
            before=(),
            ports={"OTLP_GRPC": port or free_port()},
            COLLECTOR_LISTEN_HOST=host,
            COLLECTOR_DECISION_WAIT="1s",
            CENTRE_OTLP_ENDPOINT=centre,
            CENTRE_TOKEN="of" + "-the-centre",
            REGION=region,
        )

    def edge(self, region: str, hosts: Path, samplers: int) -> Process:
        """Start a region's edge; `hosts` says where the name `samplers` leads, on this port.

        It sees that file in the place of the machine's own, which stays as it is.
        """
        own_hosts = ("unshare", "-rm", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')
        return self._collector(
            f"edge-{region}",
            "multi-region/edge.yaml",
            before=(*own_hosts, str(hosts)),
            ports={},
            REGION=region,
            SAMPLERS="samplers",
            SAMPLER_PORT=samplers,
        )

    def _collector(
        self,
        name: str,
        file: str,
        *,
        before: tuple[str, ...],
        ports: Mapping[str, int],
        **environment: Any,
    ) -> Process:
        names = ("OTLP_GRPC", "OTLP_HTTP", "METRICS", "HEALTH", "PROMETHEUS")
        all_ports = {port: free_port() for port in names} | dict(ports)
        settings = {"COLLECTOR_LISTEN_HOST": HOST, **environment}
        return self._run(
            name,
            [*before, program("collector"), f"--config={FOLDER / file}"],
            all_ports,
            f"http://{settings['COLLECTOR_LISTEN_HOST']}:{all_ports['HEALTH']}/",
            COLLECTOR_QUEUE_DIR=self.work / f"{name}-queue",
            **{f"COLLECTOR_{port}_PORT": number for port, number in all_ports.items()},
            **settings,
        )

    def loki(self) -> Process:
        """Start Loki."""
        ports = {"HTTP": free_port(), "GRPC": free_port()}
        return self._run(
            "loki",
            [
                program("loki"),
                f"-config.file={FOLDER / 'loki' / 'loki.yaml'}",
                "-config.expand-env=true",
            ],
            ports,
            f"http://{HOST}:{ports['HTTP']}/ready",
            LOKI_LISTEN_HOST=HOST,
            LOKI_DATA_DIR=self._folder("loki-data"),
            **{f"LOKI_{name}_PORT": port for name, port in ports.items()},
        )

    def zipkin(self) -> Process:
        """Start Zipkin, which keeps spans in memory."""
        ports = {"http": free_port()}
        return self._run(
            "zipkin",
            [program("java"), "-Xmx256m", "-jar", program("zipkin")],
            ports,
            f"http://{HOST}:{ports['http']}/health",
            QUERY_PORT=ports["http"],
            JAVA_TOOL_OPTIONS=f"-Darmeria.defaultServerHost={HOST}",
        )


def program(name: str) -> str:
    """Return the path of a program.

    Raises:
        PeerMissingError: it is not there.
    """
    found = shutil.which(name) if name == "java" else peers.find(name)
    if found is None:
        raise PeerMissingError(f"{name} is not there: python scripts/peers.py build {name}")
    return found


def main() -> None:
    """Run what is built until it is interrupted, and say where."""
    with (
        tempfile.TemporaryDirectory(prefix="alexobs-peers-") as folder,
        Peers(Path(folder)) as all_,
    ):
        jaeger = all_.jaeger()
        loki = all_.loki() if peers.find("loki") else None
        loki_url = loki.url("HTTP", "/otlp") if loki else "http://127.0.0.1:9"
        collector = all_.collector(jaeger.ports["OTLP_GRPC"], loki_url)
        alertmanager = all_.alertmanager()
        prometheus = all_.prometheus(
            {
                "agents": [{"targets": [f"{HOST}:9090"]}],
                "collector": [{"targets": [f"{HOST}:{collector.ports['PROMETHEUS']}"]}],
                "alertmanager": [{"targets": [f"{HOST}:{alertmanager.ports['http']}"]}],
            }
        )
        print(f"Prometheus    {prometheus.url('http')}")
        print(f"Alertmanager  {alertmanager.url('http')}")
        print(f"Jaeger        {jaeger.url('QUERY')}")
        print(f"Send to it    OTEL_EXPORTER_OTLP_ENDPOINT={collector.url('OTLP_HTTP')}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
