from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.config.model import Config
from alexobs.errors import ConfigError
from alexobs.exporters.console import ConsoleExporter
from alexobs.exporters.endpoints import parse_endpoint
from alexobs.exporters.factory import make_exporter, make_exporters, make_sender
from alexobs.exporters.file import FileExporter
from alexobs.exporters.jaeger import JaegerExporter
from alexobs.exporters.otlp.grpc import OtlpGrpcExporter
from alexobs.exporters.otlp.http import OtlpHttpExporter
from alexobs.exporters.zipkin import ZipkinExporter
from alexobs.records import Batch, Resource
from alexobs.testing.collectors import JaegerSink
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from pathlib import Path


def config(**tracing: Any) -> Config:
    return replace(Config(), tracing=replace(Config().tracing, **tracing))


@pytest.mark.parametrize(
    ("tracing", "kind"),
    [
        ({}, OtlpHttpExporter),
        ({"otlp_endpoint": "collector:4317"}, OtlpGrpcExporter),
        ({"otlp_endpoint": "collector:4318"}, OtlpHttpExporter),
        ({"otlp_endpoint": "https://x:4318", "otlp_protocol": "grpc"}, OtlpGrpcExporter),
        ({"otlp_endpoint": "x:4317", "otlp_protocol": "http/protobuf"}, OtlpHttpExporter),
        ({"exporter": "jaeger"}, JaegerExporter),
        ({"exporter": "jaeger", "jaeger_endpoint": "http://x:14268/api/traces/"}, JaegerExporter),
        ({"exporter": "jaeger", "jaeger_endpoint": "http://x:4318"}, OtlpHttpExporter),
        ({"exporter": "jaeger", "jaeger_endpoint": "x:4317"}, OtlpGrpcExporter),
        ({"exporter": "zipkin"}, ZipkinExporter),
        ({"exporter": "console"}, ConsoleExporter),
        ({"exporter": "file"}, FileExporter),
        ({"exporter": "none"}, type(None)),
        ({"enabled": False}, type(None)),
    ],
)
def test_the_exporter_of_spans(tracing: dict[str, Any], kind: type) -> None:
    exporter = make_exporter(config(**tracing))
    assert type(exporter) is kind
    if exporter is not None:
        assert exporter.spoolable is (kind is not ConsoleExporter)
        exporter.close()


@pytest.mark.parametrize(
    ("compression", "compressed"), [("auto", False), ("gzip", True), ("none", False)]
)
def test_towards_this_machine_nothing_is_compressed_unless_asked_for(
    sink: OTLPSink, make_span: Any, compression: str, compressed: bool
) -> None:
    to_sink = config(otlp_endpoint=sink.endpoint)
    pipeline = replace(to_sink.pipeline, compression=compression)
    exporter = make_exporter(replace(to_sink, pipeline=pipeline))
    assert exporter is not None
    body = exporter.encode_spans([make_span() for _ in range(8)], Resource({}))
    assert body is not None
    assert exporter.send(Batch("traces", "otlp", 8, body), 5.0).accepted
    exporter.close()
    assert ("content-encoding" in sink.requests[0].http.headers) is compressed


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://localhost:4318", True),
        ("http://LOCALHOST.:4318", True),
        ("http://127.0.0.2:4318", True),
        ("http://[::1]:4318", True),
        ("http://collector:4318", False),
        ("http://127.0.0.1.example.org:4318", False),
        ("http://10.0.0.1:4318", False),
    ],
)
def test_whether_an_address_is_on_this_machine(address: str, here: bool) -> None:
    assert parse_endpoint(address, key="k").on_this_machine is here


def test_all_signals_share_one_otlp_exporter() -> None:
    exporters = make_exporters(Config())
    assert set(exporters) == {"traces", "logs", "metrics"}
    assert len(set(map(id, exporters.values()))) == 1


@pytest.mark.parametrize("exporter", ["jaeger", "zipkin", "console", "file", "none"])
def test_logs_and_metrics_go_over_otlp_only_where_the_address_was_given(exporter: str) -> None:
    spans = set() if exporter == "none" else {"traces"}
    assert set(make_exporters(config(exporter=exporter))) == spans
    told = make_exporters(config(exporter=exporter, otlp_endpoint="http://collector:4318"))
    assert set(told) == spans | {"logs", "metrics"}
    assert type(told["logs"]) is type(told["metrics"]) is OtlpHttpExporter


def test_signals_that_are_off_have_no_exporter() -> None:
    base = Config()
    no_logs = replace(base, logging=replace(base.logging, otlp=False))
    no_metrics = replace(base, metrics=replace(base.metrics, enabled=False))
    assert set(make_exporters(no_logs)) == {"traces", "metrics"}
    assert set(make_exporters(no_metrics)) == {"traces", "logs"}
    assert set(make_exporters(config(enabled=False))) == {"logs", "metrics"}
    assert make_exporters(replace(base, enabled=False)) == {}


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("ftp://host", "scheme 'ftp'"),
        ("http://", "no host"),
        ("", "empty"),
        ("http://ho st", "white space"),
        ("http://host:99999", "range"),
        ("http://host:port", "Port|port"),
        ("http://host:0", "port 0"),
        ("http://[::1", "IPv6"),
        ("http://" + "a" * 70 + ".example", "label"),
    ],
)
@pytest.mark.parametrize("kind", ["otlp", "jaeger", "zipkin"])
def test_addresses_that_cannot_be_used(kind: str, address: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        make_exporter(config(exporter=kind, **{f"{kind}_endpoint": address}))
    assert f"tracing.{kind}_endpoint" in str(caught.value)
    assert "expected http://host:port" in str(caught.value)


@pytest.mark.parametrize(
    "headers", [{"x key": "v"}, {"": "v"}, {"k": "line\r\nbreak"}, {"k": "\u20ac"}]
)
def test_headers_that_cannot_be_sent_are_named_but_not_shown(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"tracing\.otlp_headers") as caught:
        make_exporter(config(otlp_headers=headers))
    assert "break" not in str(caught.value)


def test_credentials_in_a_bad_address_are_not_shown() -> None:
    secret = "open" + "sesame"
    for address in (f"ftp://me:{secret}@host", f"http://me:{secret}@host:x", f"me:{secret}@h:0"):
        with pytest.raises(ConfigError) as caught:
            make_exporter(config(otlp_endpoint=address))
        assert secret not in str(caught.value)


def test_a_missing_certificate_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem")
    with pytest.raises(ConfigError, match=r"OTEL_EXPORTER_OTLP_CERTIFICATE.*/no/such\.pem"):
        make_exporter(Config())


def test_replay_finds_the_way_of_each_encoding(make_span: Any, tmp_path: Path) -> None:
    with OTLPSink() as otlp, JaegerSink() as jaeger:
        now = config(
            exporter="jaeger",
            jaeger_endpoint=jaeger.endpoint,
            otlp_endpoint=otlp.endpoint,
            file_path=str(tmp_path / "spans"),
        )
        before = {
            kind: make_exporter(replace(now, tracing=replace(now.tracing, exporter=kind)))
            for kind in ("otlp", "jaeger", "file")
        }
        sender = make_sender(now)
        for exporter in before.values():
            assert exporter is not None
            body = exporter.encode_spans([make_span(), make_span()], Resource())
            batch = Batch("traces", exporter.encoding, 2, body)
            assert sender.send(batch, 5.0).accepted
            assert (sender.split(batch) is None) is (exporter.encoding == "file")
            exporter.close()
        log = Batch("logs", "otlp", 0, b"")
        assert sender.send(log, 5.0).accepted
        for batch in (Batch("traces", "console", 1, b""), Batch("logs", "jaeger", 1, b"")):
            result = sender.send(batch, 5.0)
            assert (result.accepted, result.retry) == (False, False)
            assert sender.split(batch) is None
        sender.close()
    assert len(otlp.spans()) == 2
    assert len(jaeger.bodies) == 1
    assert len((tmp_path / "spans").read_text().splitlines()) == 1
