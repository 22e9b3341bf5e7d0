from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.cli import main
from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "127.0.0.1"
PORTS = {
    "PROMETHEUS_PORT": "Prometheus",
    "JAEGER_UI_PORT": "Jaeger",
    "GRAFANA_PORT": "Grafana",
    "OTLP_GRPC_PORT": "OTLP (gRPC)",
    "OTLP_HTTP_PORT": "OTLP (HTTP)",
    "JAEGER_THRIFT_PORT": "Jaeger Thrift",
    "LOKI_PORT": "Loki",
    "ALERTMANAGER_PORT": "Alertmanager",
}
HEALTHY = {
    "/-/healthy": "Prometheus Server is Healthy. OK",
    "/api/services": '{"data": ["jaeger", "shop"]}',
    "/api/health": '{"database": "ok"}',
    "/ready": "ready",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of this machine in the environment; every port is one that is free."""
    for name in PORTS:
        monkeypatch.setenv(name, str(free_port()))
    for name in ("BIND_ADDRESS", "GRAFANA_ADMIN_PASSWORD", "SLACK_WEBHOOK_URL", "PAGERDUTY_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PAGERDUTY_ROUTING_KEY", "DEADMAN_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)


class Docker:
    """Stands for `docker`, whose engine runs in no test: it notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "asked"
        self.containers = folder / "containers"
        self.containers.write_text("", encoding="utf-8")
        self.fails = folder / "fails"
        program = folder / "docker"
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >> {self.notes}\n'
            f'case "$*" in *ps*) cat {self.containers};; esac\n'
            f"[ -f {self.fails} ] || exit 0\n"
            f'case "$*" in *"$(cat {self.fails})"*) exit 1;; esac\n',
            encoding="utf-8",
        )
        program.chmod(0o755)

    def asked(self) -> list[str]:
        return self.notes.read_text(encoding="utf-8").splitlines()

    def runs(self, **states: str) -> None:
        text = "\n".join(
            json.dumps({"Service": name.replace("_", "-"), "State": state, "Health": ""})
            for name, state in states.items()
        )
        self.containers.write_text(text, encoding="utf-8")

    def fail(self, words: str) -> None:
        self.fails.write_text(words, encoding="utf-8")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Docker(folder)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Yield a function that lets services listen, each answering what it is given, or well."""
    servers: list[LoopbackServer] = []

    def play(*names: str, answers: dict[str, str] | None = None, queries: Any = None) -> None:
        told = HEALTHY | (answers or {})

        def handler(request: Request) -> Response:
            if request.path == "/api/v1/query":
                known = (queries or {}).items()
                found: list[Any] = next((v for k, v in known if k in request.query), [])
                result = [{"metric": metric, "value": [0, value]} for metric, value in found]
                return Response(body=json.dumps({"data": {"result": result}}).encode())
            return Response(body=told.get(request.path, "?").encode())

        for name in names:
            server = LoopbackServer(handler)
            servers.append(server)
            monkeypatch.setenv(name, server.url.rsplit(":", 1)[1])

    yield play
    for server in servers:
        server.close()


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["stack", "status", "--json", *words])
    return code, {one["what"]: one for one in json.loads(capsys.readouterr().out)}


def test_up_starts_a_profile_and_waits(docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stack", "up", "--profile", "full"]) == 0
    started = docker.asked()[-1]
    assert started.endswith("--profile full up --detach --wait")
    assert "deployments/observability/docker-compose.yml" in started
    printed = capsys.readouterr().out
    assert "Grafana" in printed
    assert "Alertmanager" in printed
    port = os.environ["OTLP_HTTP_PORT"]
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{HOST}:{port}\n" in printed


def test_up_starts_the_small_profile_by_default(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stack", "up"]) == 0
    assert "ALEX_LOGGING_OTLP=false" in capsys.readouterr().out, "Jaeger takes no logs"
    assert docker.asked()[-1].endswith("--profile minimal up --detach --wait")


def test_up_names_a_taken_port_and_starts_nothing(
    docker: Docker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("GRAFANA_PORT", str(port))
        assert main(["stack", "up"]) == 1
    assert not any("up --detach" in line for line in docker.asked())
    said = capsys.readouterr().err
    assert f"port {port}" in said
    assert "GRAFANA_PORT" in said


def test_up_does_not_mind_its_own_ports(docker: Docker, stack: Callable[..., None]) -> None:
    stack("PROMETHEUS_PORT", "JAEGER_UI_PORT", "GRAFANA_PORT")
    docker.runs(prometheus="running", jaeger="running", grafana="running")
    assert main(["stack", "up"]) == 0


def test_up_does_not_mix_profiles(docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    docker.runs(prometheus="running", jaeger="running")
    assert main(["stack", "up", "--profile", "full"]) == 1
    assert "alexobs stack down" in capsys.readouterr().err


def test_up_says_so_when_not_all_came_up(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.fail("up --detach")
    assert main(["stack", "up"]) == 1
    assert "alexobs stack status" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_WEBHOOK_URL", "hooks.example/hidden"),
        ("DEADMAN_WEBHOOK_URL", "mailto:hidden"),
        ("GRAFANA_PORT", "hidden"),
        ("BIND_ADDRESS", "0.0.0.0"),
    ],
)
def test_up_refuses_a_wrong_environment(
    docker: Docker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["stack", "up", "--profile", "full"]) == 1
    said = capsys.readouterr().err
    assert name in said
    assert "hidden" not in said, "it may be a secret"


def test_down_stops_both_profiles_and_keeps_data_unless_told(docker: Docker) -> None:
    assert main(["stack", "down"]) == 0
    assert docker.asked()[-1].endswith("--profile minimal --profile full down")
    assert main(["stack", "down", "--volumes"]) == 0
    assert docker.asked()[-1].endswith("down --volumes")


@pytest.mark.parametrize(
    ("words", "said"),
    [("compose version", "compose plugin"), ("info", "engine does not answer")],
)
def test_docker_that_cannot_be_used_is_explained(
    docker: Docker, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    docker.fail(words)
    assert main(["stack", "up"]) == 2
    assert said in capsys.readouterr().err
    code, found = findings(capsys)
    assert code == 1
    assert said in found["docker"]["found"]


def test_no_docker_and_no_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["stack", "up"]) == 2
    assert "docker is not installed" in capsys.readouterr().err
    assert main(["stack", "up", "--dir", str(tmp_path)]) == 2
    assert "--dir" in capsys.readouterr().err


def test_status_of_a_healthy_stack(
    docker: Docker, stack: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    queries = {
        "up%7Bjob": [({"instance": "a:9090"}, "1"), ({"instance": "b:9090"}, "0")],
        "target_info": [({"job": "shop"}, "1")],
        "up%7Bservice": [({}, "1")],
    }
    stack(*PORTS, queries=queries)
    docker.runs(prometheus="running", jaeger_full="running", grafana="running", loki="running")
    docker.containers.write_text(
        docker.containers.read_text(encoding="utf-8")
        + "\n"
        + json.dumps([{"Service": "otel-collector", "State": "running"}]),
        encoding="utf-8",
    )
    code, found = findings(capsys)
    assert code == 0, found
    assert found["profile"]["found"] == "full"
    assert all(found[name]["well"] for name in PORTS.values())
    assert found["metrics"]["found"] == "scraped from a:9090; sent to the Collector by shop"
    assert found["traces"]["found"] == "of shop"
    assert found["alerts"]["well"]
    assert "PAGERDUTY_ROUTING_KEY" in found, "whom nobody tells is said"


def test_status_names_what_is_dead_taken_and_stopped(
    docker: Docker,
    stack: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack("PROMETHEUS_PORT", "GRAFANA_PORT", answers={"/api/health": "I am something else"})
    docker.runs(prometheus="running", jaeger="exited")
    code, found = findings(capsys)
    assert code == 1
    assert found["Prometheus"]["well"]
    assert "jaeger is exited" in found["Jaeger"]["found"]
    assert "logs --tail 20 jaeger" in found["Jaeger"]["advice"]
    assert "taken by another program" in found["Grafana"]["found"]
    assert "GRAFANA_PORT" in found["Grafana"]["advice"]
    assert found["metrics"]["well"] is None
    assert "ALEX_METRICS_PROMETHEUS_HOST" in found["metrics"]["advice"]
    assert found["traces"]["well"] is None


def test_status_names_who_cannot_be_notified(
    docker: Docker, stack: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    up: dict[str, Any] = {"up%7Bservice": [({}, "1")]}
    stack(*PORTS, queries={"notifications_failed": [({"integration": "slack"}, "3")], **up})
    code, found = findings(capsys, "--profile", "full")
    assert code == 1
    assert "slack" in found["alerts"]["found"]


def test_alerts_are_unknown_while_alertmanager_cannot_be_reached(
    docker: Docker, stack: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stack(*PORTS)
    _, found = findings(capsys, "--profile", "full")
    assert found["alerts"]["well"] is None


def test_status_reads_well_for_people(docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stack", "status"]) == 1
    printed = capsys.readouterr().out
    assert "!!  Prometheus" in printed
    assert "→ Start it: alexobs stack up" in printed


@pytest.mark.parametrize("answer", [b"no HTTP at all\r\n\r\n", b""])
def test_a_port_that_speaks_something_else_is_taken(
    docker: Docker,
    stack: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
) -> None:
    with LoopbackServer(lambda _: Response(raw=answer)) as server:
        monkeypatch.setenv("PROMETHEUS_PORT", server.url.rsplit(":", 1)[1])
        code, found = findings(capsys)
    assert code == 1
    assert "taken by another program" in found["Prometheus"]["found"]
