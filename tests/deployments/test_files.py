"""The deployment's files say what the stack promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deployments" / "observability"
sys.path.insert(0, str(ROOT / "scripts"))

import dashboards  # noqa: E402 - found by the path above
import peers  # noqa: E402


class _Loader(yaml.SafeLoader):
    """Reads compose's own tags as plain values."""


_Loader.add_multi_constructor("!", lambda *_: None)


def read(path: str) -> Any:
    return yaml.load((FOLDER / path).read_text(encoding="utf-8"), Loader=_Loader)


COMPOSE = read("docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
ONE_SHOT = {"otel-collector-setup"}
RUNNING = sorted(SERVICES.keys() - ONE_SHOT)


def of_profile(profile: str) -> set[str]:
    return {name for name, service in SERVICES.items() if profile in service["profiles"]}


def published(service: str) -> dict[str, str]:
    """Return container port to host port, with the defaults put in."""
    ports = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port) for port in SERVICES[service]["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports), "only loopback by default"
    return {inside: host for _, host, inside in (port.split(":") for port in ports)}


def test_minimal_is_exactly_prometheus_jaeger_and_grafana() -> None:
    images = {SERVICES[name]["image"].split(":")[0] for name in of_profile("minimal")}
    assert images == {"prom/prometheus", "jaegertracing/jaeger", "grafana/grafana"}
    assert len(of_profile("minimal")) == 3


def test_full_has_the_collector_loki_and_alertmanager_besides() -> None:
    images = {SERVICES[name]["image"].split(":")[0] for name in of_profile("full") - ONE_SHOT}
    assert images == {
        "prom/prometheus",
        "prom/alertmanager",
        "jaegertracing/jaeger",
        "grafana/grafana",
        "grafana/loki",
        "otel/opentelemetry-collector-contrib",
    }


def test_ports() -> None:
    assert published("prometheus") == {"9090": "9091"}
    assert published("jaeger") == {k: k for k in ("16686", "4317", "4318", "14268")}
    assert published("jaeger-full") == {k: k for k in ("16686", "14268")}
    assert published("grafana") == {"3000": "3000"}
    assert published("otel-collector") == {"4317": "4317", "4318": "4318"}
    assert published("loki") == {"3100": "3100"}
    assert published("alertmanager") == {"9093": "9093"}


@pytest.mark.parametrize("profile", ["minimal", "full"])
def test_no_port_is_published_twice(profile: str) -> None:
    ports = [host for name in of_profile(profile) - ONE_SHOT for host in published(name).values()]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_pinned_bounded_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-\w+)?", service["image"])
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"]["max-size"]


def test_the_programs_that_tests_run_are_of_the_versions_of_the_images() -> None:
    tags = dict(service["image"].split(":") for service in SERVICES.values())
    major, minor, patch = tags["prom/prometheus"].removeprefix("v").split(".")
    assert peers.VERSIONS["prometheus"] == f"v0.{major}{int(minor):02}.{patch}"
    assert peers.VERSIONS["promtool"] == peers.VERSIONS["prometheus"]
    assert peers.VERSIONS["alertmanager"] == tags["prom/alertmanager"]
    assert peers.VERSIONS["amtool"] == tags["prom/alertmanager"]
    assert peers.VERSIONS["loki"] == f"v{tags['grafana/loki']}"
    collector = tags["otel/opentelemetry-collector-contrib"]
    assert peers.VERSIONS["collector"] == f"v{collector}"


@pytest.mark.parametrize("name", RUNNING)
def test_every_service_restarts_is_looked_at_and_keeps_its_data(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    kept = [volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")]
    assert len(kept) == 1
    assert kept[0] in COMPOSE["volumes"]


def test_every_mounted_file_is_there_and_read_only() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            if volume.startswith("."):
                source, _, mode = volume.split(":")
                assert (FOLDER / source).exists()
                assert mode == "ro"


def test_retention_is_set_everywhere_and_can_be_changed() -> None:
    command = " ".join(SERVICES["prometheus"]["command"])
    assert "--storage.tsdb.retention.time=${PROMETHEUS_RETENTION:-15d}" in command
    assert "--storage.tsdb.retention.size=${PROMETHEUS_RETENTION_SIZE:-10GB}" in command
    assert SERVICES["jaeger"]["environment"]["JAEGER_RETENTION"] == "${JAEGER_RETENTION:-168h}"
    store = read("jaeger/jaeger.yaml")["extensions"]["jaeger_storage"]["backends"]["main"]["badger"]
    assert store["ttl"]["spans"] == "${env:JAEGER_RETENTION:-168h}"
    assert store["ephemeral"] is False
    assert SERVICES["loki"]["environment"]["LOKI_RETENTION"] == "${LOKI_RETENTION:-168h}"
    loki = read("loki/loki.yaml")
    assert loki["limits_config"]["retention_period"] == "${LOKI_RETENTION:-168h}"
    assert loki["compactor"]["retention_enabled"] is True


def test_grafana_starts_with_its_sources_links_and_dashboards() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_USER"] == "${GRAFANA_ADMIN_USER:-admin}"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_ADMIN_PASSWORD:-admin}"
    provisioned = read("grafana/provisioning/datasources/alexobs.yml")["datasources"]
    sources = {source["uid"]: source for source in provisioned}
    assert sources.keys() == {"prometheus", "jaeger", "loki"}
    (exemplar,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplar["name"] == "trace_id"
    assert exemplar["datasourceUid"] == "jaeger"
    assert sources["jaeger"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert sources["jaeger"]["jsonData"]["tracesToMetrics"]["datasourceUid"] == "prometheus"
    (field,) = sources["loki"]["jsonData"]["derivedFields"]
    assert field["datasourceUid"] == "jaeger"
    (provider,) = read("grafana/provisioning/dashboards/alexobs.yml")["providers"]
    assert (
        f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    )


def dashboard(name: str) -> Any:
    path = FOLDER / "grafana" / "dashboards" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


PANELS = [
    ("LLM request rate", "timeseries", ["alex_llm_requests_total"], "$model"),
    ("LLM latency (p50, p95, p99)", "timeseries", ["alex_llm_latency_bucket"], "$model"),
    (
        "Token usage rate",
        "timeseries",
        ["alex_llm_tokens_input_total", "alex_llm_tokens_output_total"],
        "$model",
    ),
    ("Cost over time", "timeseries", ["alex_cost_total"], "$model"),
    ("Active sessions", "gauge", ["alex_sessions_active"], None),
    ("Tool usage distribution", "piechart", ["alex_tool_executions_total"], "$tool"),
    ("Tool execution duration (p95)", "timeseries", ["alex_tool_duration_bucket"], "$tool"),
    ("Model usage distribution", "piechart", ["alex_llm_requests_total"], "$model"),
]


def test_the_dashboard_has_its_eight_panels() -> None:
    board = dashboard("alex-dashboard")
    assert board["refresh"] == "5s"
    assert board["time"] == {"from": "now-15m", "to": "now"}
    assert board["id"] is None, "export-ready: Grafana gives the id"
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables.keys() == {"datasource", "model", "tool"}
    assert variables["model"]["definition"] == "label_values(alex_llm_requests_total, model)"
    assert variables["tool"]["definition"] == "label_values(alex_tool_executions_total, tool_name)"
    assert len(board["panels"]) == len(PANELS)
    for panel, (title, kind, metrics, variable) in zip(board["panels"], PANELS, strict=True):
        assert (panel["title"], panel["type"]) == (title, kind)
        asked = [target["expr"] for target in panel["targets"]]
        assert all(any(metric in one for one in asked) for metric in metrics)
        assert all(variable in one for one in asked if variable)
        assert panel["fieldConfig"]["defaults"]["unit"]
    assert [one["legendFormat"] for one in board["panels"][1]["targets"]] == ["p50", "p95", "p99"]
    tokens = board["panels"][2]["fieldConfig"]["defaults"]["custom"]
    assert tokens["stacking"]["mode"] == "normal"
    assert tokens["fillOpacity"] > 0
    assert "0.95" in board["panels"][6]["targets"][0]["expr"]


@pytest.mark.parametrize("board", dashboards.DASHBOARDS, ids=lambda one: str(one.uid))
def test_dashboards_are_current_and_well_laid_out(board: Any) -> None:
    path = dashboards.FOLDER / f"{board.uid}.json"
    assert path.read_text(encoding="utf-8") == dashboards.text(board), "run scripts/dashboards.py"
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(board.uid)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_there_is_no_dashboard_that_no_script_made() -> None:
    made = {f"{board.uid}.json" for board in dashboards.DASHBOARDS}
    assert {path.name for path in dashboards.FOLDER.iterdir()} == made


def alerts() -> list[Any]:
    groups = read("prometheus/rules/alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def hyphenated(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_is_explained_and_tested(rule: Any) -> None:
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook"}
    assert notes["runbook"] == f"docs/runbooks/{hyphenated(rule['alert'])}.md"
    book = (ROOT / notes["runbook"]).read_text(encoding="utf-8")
    assert all(
        f"\n## {part}\n" in book for part in ("What it means", "What to look at", "What to do")
    )
    assert rule["alert"] in book
    tested = read("prometheus/tests/alerts_test.yml")["tests"]
    fires = {
        case["alertname"]
        for test in tested
        for case in test.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert rule["alert"] in fires


def test_there_is_no_runbook_without_its_alert() -> None:
    books = {path.stem for path in (ROOT / "docs" / "runbooks").glob("alex-*.md")}
    assert books == {hyphenated(rule["alert"]) for rule in alerts()}


def needs(name: str) -> str:
    found = peers.find(name)
    if found is None:
        pytest.skip(f"{name} is not there: python scripts/peers.py build {name}")
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules/alerts.yml", "rules/budgets.yml", "rules/recording.yml"],
        ["test", "rules", "tests/alerts_test.yml"],
    ],
    ids=["config", "rules", "alerts"],
)
def test_promtool_accepts_the_files(command: list[str]) -> None:
    done = subprocess.run(
        [needs("promtool"), *command],
        cwd=FOLDER / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


ADDRESS = "http://127.0.0.1:9/"
EVERYTHING = {
    "SLACK_WEBHOOK_URL": ADDRESS + "services/a&b",
    "SLACK_CHANNEL": "#agents",
    "PAGERDUTY_ROUTING_KEY": "made-for-a-test",
    "PAGERDUTY_URL": ADDRESS,
    "DEADMAN_WEBHOOK_URL": ADDRESS + "?a=1&b=2",
}


def rendered(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the start script with `echo` in Alertmanager's place."""
    return subprocess.run(
        ["sh", str(FOLDER / "alertmanager" / "start.sh")],
        env={
            "PATH": os.environ["PATH"],
            "ALERTMANAGER": "echo",
            "ALERTMANAGER_RUN_DIR": str(folder),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["SLACK_WEBHOOK_URL"],
        ["PAGERDUTY_ROUTING_KEY"],
        ["DEADMAN_WEBHOOK_URL"],
        list(EVERYTHING),
    ],
    ids=["nobody", "slack", "pagerduty", "deadman", "all"],
)
def test_alertmanager_tells_those_whom_the_environment_names(
    names: list[str], tmp_path: Path
) -> None:
    done = rendered(tmp_path, {name: EVERYTHING[name] for name in names})
    assert done.returncode == 0, done.stderr
    path = tmp_path / "alertmanager.yml"
    made = yaml.safe_load(path.read_text(encoding="utf-8"))
    told = {one["name"] for one in made["receivers"] if len(one) > 1}
    expected = {
        "slack": "SLACK_WEBHOOK_URL" in names,
        "pagerduty": "PAGERDUTY_ROUTING_KEY" in names,
        "deadman": "DEADMAN_WEBHOOK_URL" in names,
    }
    assert told == {name for name, wanted in expected.items() if wanted}
    text = path.read_text(encoding="utf-8")
    assert EVERYTHING["SLACK_WEBHOOK_URL"] not in text
    assert EVERYTHING["PAGERDUTY_ROUTING_KEY"] not in text
    for secret in (path, *(tmp_path / "secrets").iterdir()):
        assert secret.stat().st_mode & 0o077 == 0, "nobody else reads it"
    check = subprocess.run(
        [needs("amtool"), "check-config", str(path)], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["severity=critical"], "pagerduty,slack"),
        (["severity=warning"], "slack"),
        (["severity=info"], "nobody"),
        (["severity=none", "alertname=AlexWatchdog"], "deadman"),
    ],
    ids=lambda one: "" if isinstance(one, list) else str(one),
)
def test_who_is_told_of_what(labels: list[str], told: str, tmp_path: Path) -> None:
    assert rendered(tmp_path, EVERYTHING).returncode == 0
    path = tmp_path / "alertmanager.yml"
    command = [needs("amtool"), "config", "routes", "test", f"--config.file={path}"]
    asked = [*command, f"--verify.receivers={told}", *labels]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SLACK_WEBHOOK_URL": "hooks.example/secret-part"}, "SLACK_WEBHOOK_URL"),
        ({"DEADMAN_WEBHOOK_URL": "ftp://secret-part"}, "DEADMAN_WEBHOOK_URL"),
        ({"PAGERDUTY_ROUTING_KEY": "secret-part with a space"}, "PAGERDUTY_ROUTING_KEY"),
        ({"SLACK_CHANNEL": "#agents"}, "SLACK_WEBHOOK_URL is not"),
    ],
    ids=["no scheme", "wrong scheme", "space", "channel alone"],
)
def test_a_wrong_address_is_named_at_the_start(
    environment: dict[str, str], named: str, tmp_path: Path
) -> None:
    done = rendered(tmp_path, environment)
    assert done.returncode != 0
    assert named in done.stderr
    assert "secret-part" not in done.stderr


SECRET_NAMES = re.compile(
    r"(?i)(?<![a-z])(password|passwd|secret|token|api[_-]?key|routing_key|webhook_url|authorization)\b"
    r"['\"]?\s*[:=]\s*(?P<value>\S.*)"
)
HARMLESS = re.compile(r"^(\$|\"?(Bearer )?\$|@|#|\{|\[|'?@|value|false$|traceID$)|^$")


def test_no_secret_stands_in_a_file() -> None:
    found = []
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in {".yml", ".yaml", ".example", ".sh", ".json"} or path.name == ".env":
            for line in path.read_text(encoding="utf-8").splitlines():
                plain = re.sub(r"\$\{[^}]*\}", "$", line)  # what the environment puts in
                match = None if line.lstrip().startswith("#") else SECRET_NAMES.search(plain)
                if match and not HARMLESS.match(match["value"]):
                    found.append(f"{path.relative_to(FOLDER)}: {line.strip()}")
    assert found == []
    assert not list(FOLDER.rglob(".env")), "what is set stands in the environment"


def test_the_example_of_an_environment_names_every_variable_and_its_default() -> None:
    compose = (FOLDER / "docker-compose.yml").read_text(encoding="utf-8")
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    named = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert named == used | {"GRAFANA_ADMIN_PASSWORD": ""}
    assert not re.search(r"\$\{\w+\}", compose), "nothing has to be set"


def docker_compose() -> list[str] | None:
    built = peers.find("compose")
    if built:
        return [built]  # on its own it is what `docker compose` is
    docker = shutil.which("docker")
    if docker:
        asked = [docker, "compose", "version"]
        if not subprocess.run(asked, capture_output=True, check=False).returncode:
            return [docker, "compose"]
    return None


@pytest.mark.parametrize("profile", ["minimal", "full"])
def test_docker_compose_accepts_the_file(profile: str) -> None:
    command = docker_compose()
    if command is None:
        pytest.skip("Docker Compose is not there: python scripts/peers.py build compose")
    file = str(FOLDER / "docker-compose.yml")
    done = subprocess.run(
        [*command, "-f", file, "--profile", profile, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["services"].keys() == of_profile(profile)
