"""The Collectors' files fit together, and Kubernetes' manifests fit the published schemas."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from alexobs.config.load import load

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deployments" / "observability"
sys.path.insert(0, str(ROOT / "scripts"))

import peers  # noqa: E402 - found by the path above

FILES = ["collector/collector.yaml", "multi-region/edge.yaml", "multi-region/sampler.yaml"]
MANIFESTS = ["collector", "agent"]


def read(path: str) -> Any:
    return yaml.safe_load((FOLDER / path).read_text(encoding="utf-8"))


def documents(name: str) -> list[Any]:
    text = (FOLDER / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("path", FILES)
def test_every_part_is_defined_and_used(path: str) -> None:
    config = read(path)
    pipelines = config["service"]["pipelines"]
    assert pipelines.keys() == {"traces", "metrics", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == config[kind].keys()
    assert set(config["service"]["extensions"]) == config["extensions"].keys()
    for pipeline in pipelines.values():
        assert pipeline["processors"][0] == "memory_limiter"


@pytest.mark.parametrize("path", FILES)
def test_what_is_taken_is_kept_on_disk_until_it_is_delivered(path: str) -> None:
    """Those without a disk keep nothing: their callers do."""
    config = read(path)
    for name, exporter in config["exporters"].items():
        if name == "prometheus":
            continue  # it is asked, and sends nothing
        settings = exporter["protocol"]["otlp"] if name == "loadbalancing" else exporter
        if "file_storage" in config["extensions"]:
            assert settings["sending_queue"]["storage"] == "file_storage"
            assert settings["retry_on_failure"]["max_elapsed_time"] == "0s"
        else:
            assert settings["sending_queue"] == {"enabled": False}


def test_the_sampling_policies_are_the_same_everywhere() -> None:
    one, other = (read(path)["processors"]["tail_sampling"] for path in (FILES[0], FILES[2]))
    assert one == other


def validated(
    path: str, folder: Path, settings: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    program = peers.find("collector")
    if program is None:
        pytest.skip("collector is not there: python scripts/peers.py build collector")
    return subprocess.run(
        [program, "validate", f"--config={FOLDER / path}"],
        env={"COLLECTOR_QUEUE_DIR": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


SETTINGS = {
    "REGION": "eu",
    "SAMPLERS": "samplers.internal",
    "CENTRE_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "CENTRE_TOKEN": "made-for-a-test",
}


@pytest.mark.parametrize("path", FILES)
def test_the_collector_accepts_the_file(path: str, tmp_path: Path) -> None:
    done = validated(path, tmp_path, SETTINGS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "missing", "said"),
    [
        (FILES[1], "REGION", "cloud.region"),
        (FILES[1], "SAMPLERS", "no hostname"),
        (FILES[2], "REGION", "cloud.region"),
        (FILES[2], "CENTRE_OTLP_ENDPOINT", "otlp_http/centre: at least one endpoint"),
    ],
)
def test_a_missing_variable_stops_it_at_the_start(
    path: str, missing: str, said: str, tmp_path: Path
) -> None:
    others = {name: value for name, value in SETTINGS.items() if name != missing}
    done = validated(path, tmp_path, others)
    assert done.returncode != 0
    assert said in done.stderr
    readme = (FOLDER / "multi-region" / "README.md").read_text(encoding="utf-8")
    assert f"`{missing}`" in readme.partition("## Troubleshooting")[2]


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_fit_the_published_schemas(name: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="needs the package kubernetes-validate"
    )
    for document in documents(name):
        version = kubernetes_validate.latest_version()
        kubernetes_validate.validate(document, version, strict=True)


def test_the_gateway_is_the_collector_of_compose() -> None:
    (stateful,) = (one for one in documents("collector") if one["kind"] == "StatefulSet")
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    compose = (FOLDER / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"image: {container['image']}\n" in compose
    file = (FOLDER / "collector" / "collector.yaml").read_text(encoding="utf-8")
    for variable in container["env"]:
        assert variable["name"] == "GOMEMLIMIT" or f"${{env:{variable['name']}:-" in file
    (service,) = (one for one in documents("collector") if one["kind"] == "Service")
    published = {port["targetPort"] for port in service["spec"]["ports"]}
    assert published == {port["name"] for port in container["ports"]} - {"health"}


def test_an_agent_reads_the_settings_of_its_manifest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (deployment,) = documents("agent")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    values = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    expanded = {name: re.sub(r"\$\(\w+\)", "x", value) for name, value in values.items()}
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in expanded.items():
        monkeypatch.setenv(name, value)
    config = load()
    assert config.tracing.service_name == "my-agent"
    assert config.tracing.otlp_endpoint == "http://otel-collector.observability:4318"
    assert config.tracing.resource["k8s.pod.name"] == "x"
    assert config.metrics.prometheus_host == "0.0.0.0"
    assert config.metrics.otlp is False
    assert config.pipeline.spool_dir == "/var/spool/alexobs"
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > config.pipeline.shutdown_timeout_s
    assert "livenessProbe" not in container, "trouble with telemetry must not restart an agent"


def test_no_key_stands_in_a_manifest() -> None:
    (deployment,) = documents("agent")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for one in container["env"]:
        if re.search(r"KEY|TOKEN|PASSWORD|SECRET", one["name"]):
            assert "secretKeyRef" in one["valueFrom"]
