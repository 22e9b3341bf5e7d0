"""`alexobs stack status` asks the real services."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from agents import delivered, in_own_process, observed, solve_and_fail
from peer_processes import ask, free_port

from alexobs.cli import main
from alexobs.testing.loopback import LoopbackServer, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(240)]


def test_status_sees_what_runs_what_is_dead_and_what_flows(
    start: Any,
    tmp_path: Path,
    eventually: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with in_own_process(tmp_path / "home", bad=True, ALEX_TRACING_EXPORTER="file") as address:
        prometheus = start.prometheus({"agents": [{"targets": [address]}]})
        jaeger = start.jaeger()
        endpoint = jaeger.url("OTLP_HTTP")
        tracing = {"exporter": "otlp", "otlp_endpoint": endpoint}
        with observed(tmp_path, tracing=tracing, only="traces") as (obs, _):
            solve_and_fail(obs)
            assert delivered(obs)

        def scraped() -> Any:
            query = 'up{job="alex"} == 1'
            return ask(prometheus.url("http", "/api/v1/query"), query=query)["data"]["result"]

        assert eventually(scraped)
        ports = {
            "PROMETHEUS_PORT": prometheus.ports["http"],
            "JAEGER_UI_PORT": jaeger.ports["QUERY"],
            "JAEGER_THRIFT_PORT": jaeger.ports["THRIFT"],
            "OTLP_HTTP_PORT": jaeger.ports["OTLP_HTTP"],
            "OTLP_GRPC_PORT": jaeger.ports["OTLP_GRPC"],
            "GRAFANA_PORT": free_port(),
        }
        for name, port in ports.items():
            monkeypatch.setenv(name, str(port))
        capsys.readouterr()
        assert main(["stack", "status", "--json", "--profile", "minimal"]) == 1
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    for name in ("Prometheus", "Jaeger", "Jaeger Thrift", "OTLP (HTTP)", "OTLP (gRPC)"):
        assert found[name]["well"], found[name]
    assert found["Grafana"]["well"] is False
    assert "alexobs stack up" in found["Grafana"]["advice"]
    assert address in found["metrics"]["found"]
    assert "alex-peers" in found["traces"]["found"]


def test_status_names_a_wrong_webhook(
    start: Any,
    eventually: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LoopbackServer(lambda _: Response(status=404, body=b"no_service")) as slack:
        alertmanager = start.alertmanager(SLACK_WEBHOOK_URL=f"{slack.url}/gone")
        address = f"127.0.0.1:{alertmanager.ports['http']}"
        target = {"targets": [address], "labels": {"service": "alertmanager"}}
        prometheus = start.prometheus({"alertmanager": [target], "stack": [target]})
        monkeypatch.setenv("PROMETHEUS_PORT", str(prometheus.ports["http"]))
        labels = {"alertname": "AlexTokenBurn", "severity": "warning", "component": "cost"}
        notes = {"summary": "", "description": "", "runbook": ""}
        fires = [{"labels": labels, "annotations": notes}]

        def scraped() -> Any:
            query = "alertmanager_notifications_failed_total"
            return ask(prometheus.url("http", "/api/v1/query"), query=query)["data"]["result"]

        assert eventually(scraped)
        request = urllib.request.Request(
            alertmanager.url("http", "/api/v2/alerts"),
            json.dumps(fires).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

        def told() -> Any:
            capsys.readouterr()
            main(["stack", "status", "--json", "--profile", "full"])
            found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}["alerts"]
            return found if found["well"] is False else None

        alerts = eventually(told, 120)
    assert "could not notify by slack" in alerts["found"]
    assert "address or key is wrong" in alerts["advice"]
