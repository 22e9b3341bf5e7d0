"""The shipped Prometheus and Alertmanager, run: every expression, and an alert to its end."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from agents import in_own_process
from peer_processes import FOLDER, HOST, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(420)]

# Right to be empty where all is well: what they ask for has not happened.
EMPTY_WHEN_WELL = (
    "alex_cost_unpriced_total",
    "alexobs_records_dropped_total",
    "alexobs_faults_total",
    "alexobs_redactions_total",
)


def panel_expressions() -> Iterator[tuple[str, str]]:
    for path in sorted((FOLDER / "grafana" / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    yield f"{path.stem}: {panel['title']}", with_values(target["expr"])


def link_expressions() -> Iterator[tuple[str, str]]:
    """Yield what the links from a trace to metrics ask, for any model and tool."""
    path = FOLDER / "grafana" / "provisioning" / "datasources" / "alexobs.yml"
    for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]:
        for link in source["jsonData"].get("tracesToMetrics", {}).get("queries", []):
            yield f"link: {link['name']}", link["query"].replace("$$__tags", "")


def with_values(expression: str) -> str:
    """Put in what Grafana would."""
    for name, value in {
        "__rate_interval": "1m",
        "__range": "15m",
        "model": ".*",
        "tool": ".*",
    }.items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression
    return expression


def rule_expressions() -> Iterator[tuple[str, str]]:
    for path in sorted((FOLDER / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    yield rule["record"], rule["expr"]


def test_every_expression_has_data_from_a_running_agent(
    start: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    pytest.importorskip("openai")
    with in_own_process(tmp_path / "home", ALEX_TRACING_EXPORTER="file") as address:
        prometheus = start.prometheus(
            {"agents": [{"targets": [address]}]},
        )

        def value(expression: str) -> list[Any]:
            answer = ask(prometheus.url("http", "/api/v1/query"), query=expression)
            found: list[Any] = answer["data"]["result"]
            return [one for one in found if one["value"][1] != "NaN"]

        # The slowest to appear: two evaluations of a rule over a rate.
        assert eventually(lambda: value("alex:cost_usd_per_session:increase1h"), 120)
        assert eventually(lambda: value("alex:tool_failures:ratio_rate5m{tool_name='divide'} == 1"))
        links = list(link_expressions())
        assert len(links) == 3
        empty = {
            name: expression
            for name, expression in (*panel_expressions(), *rule_expressions(), *links)
            if not value(expression)
        }
        unexplained = {
            name: expression
            for name, expression in empty.items()
            if not any(metric in expression for metric in EMPTY_WHEN_WELL)
        }
        assert unexplained == {}
        rules = ask(prometheus.url("http", "/api/v1/rules"))["data"]["groups"]
        broken = [
            rule["name"] for group in rules for rule in group["rules"] if rule["health"] == "err"
        ]
        assert broken == []
        assert len(rules) == 7


class Received(NamedTuple):
    path: str
    body: Any


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Received]]]:
    """Yield the address of what stands for Slack, PagerDuty and the dead man's switch."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(Received(self.path, json.loads(body)))
            answer = b'{"status":"success","message":"ok"}'
            self.send_response(202 if self.path == "/pagerduty" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    worker = threading.Thread(target=server.serve_forever, daemon=True)
    worker.start()
    yield f"http://{HOST}:{server.server_port}", received
    server.shutdown()
    server.server_close()
    worker.join()


def test_bad_traffic_reaches_slack_and_pagerduty(
    start: Any,
    tmp_path: Path,
    eventually: Callable[..., Any],
    receiver: tuple[str, list[Received]],
) -> None:
    address, received = receiver
    key = "routing" + "-key-of-a-test"
    alertmanager = start.alertmanager(
        SLACK_WEBHOOK_URL=f"{address}/slack",
        SLACK_CHANNEL="#agents",
        PAGERDUTY_URL=f"{address}/pagerduty",
        PAGERDUTY_ROUTING_KEY=key,
        DEADMAN_WEBHOOK_URL=f"{address}/deadman",
    )
    with in_own_process(tmp_path / "home", bad=True, ALEX_TRACING_EXPORTER="file") as agent:
        start.prometheus(
            {
                "agents": [{"targets": [agent]}],
                "alertmanager": [{"targets": [f"{HOST}:{alertmanager.ports['http']}"]}],
            }
        )

        def to(path: str, alert: str) -> list[Any]:
            return [one.body for one in received if one.path == path and alert in str(one.body)]

        name = "AlexCostPerHourOverBudget"
        assert eventually(lambda: to("/pagerduty", name) and to("/slack", name), 180), [
            one.path for one in received
        ]
        assert eventually(lambda: to("/deadman", "AlexWatchdog")), received
    page, message = to("/pagerduty", name)[0], to("/slack", name)[0]
    assert page["routing_key"] == key
    assert page["event_action"] == "trigger"
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["component"] == "cost"
    assert page["payload"]["class"] == name
    assert re.match(r"The agents cost \d+\.\d\d USD in the last hour", page["payload"]["summary"])
    assert page["payload"]["custom_details"]["runbook"].endswith("over-budget.md")
    assert message["channel"] == "#agents"
    (attachment,) = message["attachments"]
    assert attachment["title"] == f"FIRING {name} (1)"
    assert attachment["color"] == "danger"
    assert "USD in the last hour" in attachment["text"]
    watchdog = to("/deadman", "AlexWatchdog")[0]
    assert [one["labels"]["alertname"] for one in watchdog["alerts"]] == ["AlexWatchdog"]
    assert not to("/slack", "AlexWatchdog")
    assert not to("/pagerduty", "AlexWatchdog")


def alert(name: str, **labels: str) -> dict[str, Any]:
    notes = {"summary": f"{name} of a test", "description": "", "runbook": ""}
    return {"labels": {"alertname": name, **labels}, "annotations": notes}


def test_one_cause_is_one_message(
    start: Any,
    eventually: Callable[..., Any],
    receiver: tuple[str, list[Received]],
) -> None:
    address, received = receiver
    alertmanager = start.alertmanager(SLACK_WEBHOOK_URL=f"{address}/slack")
    fires = [
        alert("AlexStackServiceDown", severity="critical", component="stack", service="loki"),
        alert("AlexStackServiceDown", severity="critical", component="stack", service="jaeger"),
        alert("AlexSpoolGrowing", severity="warning", component="telemetry", signal="traces"),
    ]
    url = alertmanager.url("http", "/api/v2/alerts")
    request = urllib.request.Request(
        url, json.dumps(fires).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()

    def inhibited() -> set[str]:
        alerts = [one for one in ask(url) if one["status"]["inhibitedBy"]]
        return {one["labels"]["alertname"] for one in alerts}

    assert eventually(lambda: inhibited() == {"AlexSpoolGrowing"}), ask(url)
    assert eventually(lambda: received, 90)
    (attachment,) = received[0].body["attachments"]
    assert attachment["title"] == "FIRING AlexStackServiceDown (2)"
    assert not [one for one in received if "AlexSpoolGrowing" in str(one.body)]
