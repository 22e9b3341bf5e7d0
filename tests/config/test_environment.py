from __future__ import annotations

from typing import Any

import pytest

from alexobs.config.environment import variables
from alexobs.config.load import load
from alexobs.config.model import Config
from alexobs.config.schema import settings
from alexobs.errors import ConfigError


def value(environ: dict[str, str], path: str) -> Any:
    found: Any = load({}, environ=environ)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def problem(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load({}, environ=environ)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("OTEL_SDK_DISABLED", "true", "enabled", False),
        ("OTEL_SDK_DISABLED", "FALSE", "enabled", True),
        ("OTEL_SERVICE_NAME", " alex ", "tracing.service_name", "alex"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "tracing.exporter", "zipkin"),
        ("OTEL_TRACES_EXPORTER", "otlp_proto_grpc", "tracing.otlp_protocol", "grpc"),
        ("OTEL_METRICS_EXPORTER", "otlp", "metrics.prometheus", False),
        ("OTEL_METRICS_EXPORTER", "prometheus, otlp", "metrics.otlp", True),
        ("OTEL_METRICS_EXPORTER", "none", "metrics.otlp", False),
        ("OTEL_LOGS_EXPORTER", "none", "logging.otlp", False),
        ("OTEL_TRACES_SAMPLER", "always_off", "tracing.sample_rate", 0.0),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_on", "tracing.sample_rate", 1.0),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5", "tracing.sample_rate", 1.0),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://x:4318/a",
            "tracing.otlp_endpoint",
            "https://x:4318/a",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://x:4318/v1/traces",
            "tracing.otlp_endpoint",
            "http://x:4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://x:4317",
            "tracing.otlp_endpoint",
            "http://x:4317",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "tracing.otlp_protocol", "grpc"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a=1%2C2, b = 3",
            "tracing.otlp_headers",
            {"a": "1,2", "b": "3"},
        ),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "pipeline.compression", "none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500", "pipeline.timeout_s", 2.5),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000", "metrics.export_interval_s", 60.0),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "lowmemory",
            "metrics.temporality",
            "delta",
        ),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0", "metrics.prometheus_host", "0.0.0.0"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "9464", "metrics.prometheus_port", 9464),
        (
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
            "http://z:1/x",
            "tracing.zipkin_endpoint",
            "http://z:1/x",
        ),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99", "tracing.max_attribute_length", 99),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "9", "tracing.max_attributes", 9),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0", "tracing.max_events", 0),
        ("OTEL_BSP_SCHEDULE_DELAY", "5000", "pipeline.linger_s", 5.0),
        (
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
            "NO_CONTENT",
            "tracing.content",
            "metadata",
        ),
        (
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
            "true",
            "tracing.content",
            "full",
        ),
        ("ALEX_ENABLED", "0", "enabled", False),
        ("ALEX_LOGGING_LEVEL", "DEBUG", "logging.level", "debug"),
        ("ALEX_TRACING_TAIL_SLOWER_THAN_S", "2", "tracing.tail.slower_than_s", 2.0),
        ("ALEX_TRACING_TAIL_SLOWER_THAN_S", "null", "tracing.tail.slower_than_s", None),
        ("ALEX_REDACTION_KEYS", "a, b,", "redaction.keys", ("a", "b")),
        ("ALEX_TRACING_RESOURCE", "team=a,x=b=c", "tracing.resource", {"team": "a", "x": "b=c"}),
        ("ALEX_METRICS_BOUNDARIES", '{"a.b": [1, 2.5]}', "metrics.boundaries", {"a.b": (1.0, 2.5)}),
        ("ALEX_TRACING_SERVICE_VERSION", "1.10", "tracing.service_version", "1.10"),
        ("ALEX_LOGGING_LEVEL", "  ", "logging.level", "info"),
    ],
)
def test_variable(name: str, text: str, path: str, expected: Any) -> None:
    assert value({name: text}, path) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("OTEL_SDK_DISABLED", "maybe", "enabled: maybe — expected one of true, false"),
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin", "expected one of otlp, jaeger, zipkin"),
        ("OTEL_METRICS_EXPORTER", "statsd", "expected a list of otlp, prometheus, or none"),
        ("OTEL_TRACES_SAMPLER", "xray", "expected one of always_on, always_off"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x", "expected a URL such as http://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://x/custom", "a URL that ends in /v1/traces"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected one of auto, http/protobuf, grpc"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "oops",
            "tracing.otlp_headers: (hidden) — expected name=value",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a%0D%0Ab=c", "expected names without spaces"),
        ("ALEX_TRACING_RESOURCE", "[1]", "expected name=value pairs, separated by commas"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "expected milliseconds; in seconds, a number from"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "expected milliseconds; in seconds, a number from"),
        (
            "OTEL_EXPORTER_PROMETHEUS_PORT",
            "70000",
            "70000 — expected a whole number from 0 to 65535",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x", "expected name=value pairs, separated by commas"),
        ("ALEX_ENABLED", "2", "enabled: 2 — expected true or false"),
        ("ALEX_REDACTION_PATTERNS", '{"a": ', "expected name=value pairs, or a JSON object"),
        ("ALEX_METRICS_BOUNDARIES", "a=1", "expected a list of numbers, each larger"),
        ("ALEX_METRICS_BOUNDARIES", '{"a": [2, 1]}', "expected a list of numbers, each larger"),
    ],
)
def test_a_wrong_variable_is_named(name: str, text: str, expected: str) -> None:
    found = problem({name: text})
    assert found.startswith(f"environment variable {name}: ")
    assert expected in found


def test_the_ratio_needs_its_sampler() -> None:
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    assert value(ratio, "tracing.sample_rate") == 0.25
    assert value({**ratio, "OTEL_TRACES_SAMPLER": "always_on"}, "tracing.sample_rate") == 1.0
    assert "OTEL_TRACES_SAMPLER_ARG" in problem({**ratio, "OTEL_TRACES_SAMPLER_ARG": "25%"})


def test_resource_attributes_fill_their_settings() -> None:
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=below,service.version=2,team=a%20b,"
        "deployment.environment.name=prod",
        "OTEL_SERVICE_NAME": "above",
    }
    tracing = load({"tracing": {"resource": {"region": "x"}}}, environ=environ).tracing
    assert (tracing.service_name, tracing.service_version) == ("above", "2")
    assert tracing.environment == "prod"
    assert tracing.resource == {"region": "x", "team": "a b"}


def test_the_more_specific_variable_wins() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:1",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:1/v1/traces",
    }
    assert value(environ, "tracing.otlp_endpoint") == "http://traces:1"
    environ["ALEX_TRACING_OTLP_ENDPOINT"] = "http://ours:1"
    assert value(environ, "tracing.otlp_endpoint") == "http://ours:1"


def test_every_setting_has_its_own_variable() -> None:
    names = {variable.name for variable in variables()}
    assert {"_".join(("ALEX", *path)).upper() for path in settings()} <= names
    assert len(names) == len(variables())


def test_a_configuration_made_in_code_is_above_the_environment() -> None:
    assert load(Config(), environ={"ALEX_ENABLED": "false"}).enabled is True
