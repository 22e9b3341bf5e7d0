"""`alexobs stack` on a real engine, with the compose file as it stands.

The engine is this test's own. It reaches no registry: `scripts/stack_images.py` makes the images
from the built programs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import peers
import pytest
import stack_images
import yaml
from agents import delivered, in_own_process, observed, solve_and_fail
from peer_processes import FOLDER, HOST, ask, free_port

from alexobs.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

START_S = 60.0
PORTS = (
    "PROMETHEUS_PORT",
    "JAEGER_UI_PORT",
    "JAEGER_THRIFT_PORT",
    "GRAFANA_PORT",
    "OTLP_GRPC_PORT",
    "OTLP_HTTP_PORT",
    "LOKI_PORT",
    "ALERTMANAGER_PORT",
)
SERVICES: dict[str, Any] = yaml.safe_load(
    (FOLDER / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]


class Engine(NamedTuple):
    """A Docker engine of our own, and the host's ports of the stack."""

    docker: list[str]
    ports: dict[str, int]

    def objects(self, *words: str) -> set[str]:
        """Return the names that a listing shows."""
        command = [*self.docker, *words, "--format", "{{.Name}}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {name for name in done.stdout.split() if name.startswith("alexobs")}

    def inspect(self, container: str) -> Any:
        done = subprocess.run(
            [*self.docker, "inspect", container], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)[0]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Yield `docker` for an engine that has the stack's images; it ends with the test."""
    missing = [name for name in ("dockerd", "docker", "busybox") if shutil.which(name) is None]
    missing += [name for name in stack_images.needed() if peers.find(name) is None]
    if os.geteuid():
        pytest.skip("an engine of its own needs root")
    if missing:
        names = ", ".join(missing)
        pytest.skip(
            f"not there: {names} (Debian's packages of Docker and busybox-static; scripts/peers.py)"
        )
    if not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("an engine runs here already: a second one would be in its way")
    home = tmp_path_factory.mktemp("engine")
    address = f"unix://{home}/docker.sock"
    command = ["dockerd", "--data-root", str(home / "data"), "--exec-root", str(home / "exec")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-H", address, "--pidfile", str(home / "pid")], stdout=log, stderr=log
        )
    docker = ["docker", "-H", address]
    try:
        until = time.monotonic() + START_S
        while subprocess.run([*docker, "info"], capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip(f"no engine can run here: {(home / 'log').read_text()[-500:]}")
            time.sleep(0.5)
        for image in sorted({service["image"] for service in SERVICES.values()}):
            stack_images.load(image, docker)
        plugins = home / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(str(peers.find("compose")))
        yield docker
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def stack(engine: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Yield an engine that `alexobs stack` uses, on ports that are free; nothing is left in it."""
    home = Path(engine[2].removeprefix("unix://")).parent
    monkeypatch.setenv("DOCKER_HOST", engine[2])
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "config"))
    ports = {name: free_port() for name in PORTS}
    for name, port in ports.items():
        monkeypatch.setenv(name, str(port))
    monkeypatch.setenv("COLLECTOR_DECISION_WAIT", "1s")
    for name in ("SLACK_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY", "DEADMAN_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    yield Engine(engine, ports)
    assert main(["stack", "down", "--volumes"]) == 0


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["stack", "status", "--json"])
    return code, {one["what"]: one for one in json.loads(capsys.readouterr().out)}


def test_full_comes_up_takes_telemetry_and_keeps_it(
    stack: Engine,
    tmp_path: Path,
    eventually: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["stack", "up", "--profile", "full"]) == 0
    running = {name for name, one in SERVICES.items() if "full" in one["profiles"]}
    assert stack.objects("volume", "ls") == {
        f"alexobs_{name}-data"
        for name in ("prometheus", "jaeger", "grafana", "loki", "alertmanager", "collector")
    }
    for name in running - {"otel-collector-setup"}:
        state = stack.inspect(f"alexobs-{name}-1")
        assert state["State"]["Health"]["Status"] == "healthy"
        assert state["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert state["HostConfig"]["Memory"] > 0
        bound = [one for ports in state["HostConfig"]["PortBindings"].values() for one in ports]
        assert {one["HostIp"] for one in bound} == {HOST}
    endpoint = f"http://{HOST}:{stack.ports['OTLP_HTTP_PORT']}"
    with observed(tmp_path, tracing={"exporter": "otlp", "otlp_endpoint": endpoint}) as (obs, kept):
        solve_and_fail(obs)
        assert delivered(obs), obs.health()
        traces = {f"{span.trace_id:032x}" for span in kept.spans}
    jaeger = f"http://{HOST}:{stack.ports['JAEGER_UI_PORT']}/api/traces"
    loki = f"http://{HOST}:{stack.ports['LOKI_PORT']}/loki/api/v1/query_range"
    query = '{service_name="alex-peers"} |= "the division failed"'

    def found() -> set[str]:
        every = ask(jaeger, service="alex-peers", lookback="1h", limit=100)["data"]
        return {one["traceID"] for one in every}

    def lines() -> Any:
        return ask(loki, query=query, since="10m")["data"]["result"]

    assert eventually(lambda: found() == traces)
    assert eventually(lines)
    prometheus = f"http://{HOST}:{stack.ports['PROMETHEUS_PORT']}/api/v1/query"
    sent = 'sum(alex_llm_requests_total{job="alex-peers"})'
    assert eventually(lambda: ask(prometheus, query=sent)["data"]["result"])
    code, well = status(capsys)
    assert code == 0, well
    assert well["profile"]["found"] == "full"
    assert well["traces"]["found"] == "of alex-peers"
    again = ["docker", "compose", "-p", "alexobs", "kill", "-s", "HUP", "prometheus"]
    subprocess.run(again, check=True, cwd=tmp_path)
    reloaded = "prometheus_config_last_reload_successful == 1"
    assert eventually(lambda: ask(prometheus, query=reloaded)["data"]["result"])
    assert stack.inspect("alexobs-prometheus-1")["RestartCount"] == 0
    subprocess.run([*stack.docker, "stop", "alexobs-jaeger-full-1"], check=True)
    code, dead = status(capsys)
    assert code == 1
    assert "the container jaeger-full is exited" in dead["Jaeger"]["found"]
    last_words = dead["Jaeger"]["advice"].partition(": docker ")[2].split()
    assert not subprocess.run(["docker", *last_words], check=False).returncode
    assert main(["stack", "down"]) == 0
    assert stack.objects("volume", "ls"), "data stays"
    assert main(["stack", "up", "--profile", "full"]) == 0
    assert found() == traces
    assert eventually(lines)


def test_minimal_is_three_services_and_scrapes_an_agent_of_this_machine(
    stack: Engine,
    tmp_path: Path,
    eventually: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    endpoint = f"http://{HOST}:{stack.ports['OTLP_HTTP_PORT']}"
    assert main(["stack", "up"]) == 0
    hint = capsys.readouterr().out.splitlines()[-1]
    settings: dict[str, Any] = dict(word.split("=") for word in hint.split() if "=" in word)
    assert settings.keys() >= {"ALEX_METRICS_PROMETHEUS_HOST", "ALEX_LOGGING_OTLP"}
    settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "ALEX_METRICS_PROMETHEUS_PORT": "9090"}
    with in_own_process(tmp_path / "home", **settings) as address:
        if not address.endswith(":9090"):
            pytest.skip("another program has port 9090")

        def flows() -> bool:
            code, found = status(capsys)
            return bool(
                code == 0
                and "host.docker.internal:9090" in found["metrics"]["found"]
                and found["traces"]["well"]
            )

        assert eventually(flows), status(capsys)
    listed = [*stack.docker, "ps", "--format", "{{.Names}}"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(names) == ["alexobs-grafana-1", "alexobs-jaeger-1", "alexobs-prometheus-1"]


def test_a_taken_port_is_named_before_anything_starts(
    stack: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRAFANA_PORT", str(stack.ports["LOKI_PORT"]))
    with socket.socket() as other:
        other.bind((HOST, stack.ports["LOKI_PORT"]))
        other.listen()
        assert main(["stack", "up"]) == 1
    assert "GRAFANA_PORT" in capfd.readouterr().err
    assert stack.objects("volume", "ls") == set()
