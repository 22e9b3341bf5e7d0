from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alexobs.config.load import load
from alexobs.config.model import Config, LoggingConfig, TracingConfig
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

JAEGER = """\
observability:
  logging:  {level: debug, format: json}
  metrics:
    enabled: true
    prometheus_port: 9090
  tracing:
    enabled: true
    exporter: jaeger
    jaeger_endpoint: http://localhost:14268/api/traces
    sample_rate: 1.0
"""
OTLP = """\
observability:
  logging:  {level: info, format: json}
  metrics:
    enabled: true
    prometheus_port: 9090
  tracing:
    enabled: true
    exporter: otlp
    otlp_endpoint: otlp-collector:4318
    sample_rate: 0.1
    service_name: alex
    service_version: 1.0.0
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_file_for_a_developer_machine(tmp_path: Path) -> None:
    assert load(write(tmp_path, JAEGER), environ={}) == Config(
        logging=LoggingConfig(level="debug"), tracing=TracingConfig(exporter="jaeger")
    )


def test_file_for_production(tmp_path: Path) -> None:
    assert load(write(tmp_path, OTLP), environ={}) == Config(
        tracing=TracingConfig(
            otlp_endpoint="otlp-collector:4318",
            sample_rate=0.1,
            service_name="alex",
            service_version="1.0.0",
        )
    )


def test_file_below_environment_below_arguments(tmp_path: Path) -> None:
    path = write(tmp_path, OTLP)
    environ = {"ALEX_TRACING_SAMPLE_RATE": "0.5", "OTEL_SERVICE_NAME": "from-environment"}
    config = load(path, environ=environ, overrides={"service_name": "from-argument"})
    assert config.tracing.sample_rate == 0.5
    assert config.tracing.service_name == "from-argument"
    assert config.tracing.service_version == "1.0.0"


def test_every_problem_is_in_one_error(tmp_path: Path) -> None:
    path = write(tmp_path, "observability:\n  tracing:\n    sample_rate: 1.5\n    sampel: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"ALEX_LOGGING_LEVEL": "loud"}, overrides={"servise_name": "x"})
    assert [(p.line, p.key) for p in caught.value.problems] == [
        (3, "observability.tracing.sample_rate"),
        (4, "observability.tracing.sampel"),
        (0, "logging.level"),
        (0, ""),
    ]
    assert (
        f"{path}:3: observability.tracing.sample_rate: 1.5 — expected a number from 0.0 to 1.0"
        in str(caught.value)
    )
