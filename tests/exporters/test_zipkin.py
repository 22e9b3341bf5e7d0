"""Zipkin's JSON, against its published schema's rules and OpenTelemetry's mapping."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.exporters.endpoints import parse_endpoint
from alexobs.exporters.zipkin import ZipkinExporter
from alexobs.records import Batch, Resource, SpanData, SpanEvent
from alexobs.testing.collectors import ZipkinSink

if TYPE_CHECKING:
    from collections.abc import Callable

RESOURCE = Resource({"service.name": "shop"})


@pytest.fixture
def exporter() -> ZipkinExporter:
    return ZipkinExporter(parse_endpoint("http://127.0.0.1:9411/api/v2/spans", key="test"))


def test_a_span_with_everything(exporter: ZipkinExporter, make_span: Any) -> None:
    span = make_span(
        "alex.llm.generate",
        trace_id=0xABC,
        span_id=5,
        parent_span_id=3,
        start_ns=1_700_000_000_123_456_789,
        end_ns=1_700_000_001_123_456_789,
        kind=3,
        status_code=2,
        status_message="boom",
        attributes={
            "text": "\ud800é",
            "yes": True,
            "int": -5,
            "float": 0.5,
            "nan": float("nan"),
            "list": ["a", 1, float("inf")],
            "none": None,
            "server.address": "api.example.com",
            "server.port": 443,
        },
        events=[
            SpanEvent("plain", 1_700_000_000_500_000_000, {}),
            SpanEvent("exception", 1_700_000_000_600_000_000, {"exception.type": "E"}),
        ],
        dropped_attributes=2,
    )
    assert json.loads(exporter.encode_spans([span], RESOURCE)) == [
        {
            "traceId": "00000000000000000000000000000abc",
            "id": "0000000000000005",
            "parentId": "0000000000000003",
            "name": "alex.llm.generate",
            "kind": "CLIENT",
            "timestamp": 1_700_000_000_123_456,
            "duration": 1_000_000,
            "localEndpoint": {"serviceName": "shop"},
            "remoteEndpoint": {"serviceName": "api.example.com", "port": 443},
            "tags": {
                "text": "\ufffdé",
                "yes": "true",
                "int": "-5",
                "float": "0.5",
                "nan": "nan",
                "list": '["a",1,"inf"]',
                "none": "",
                "server.address": "api.example.com",
                "server.port": "443",
                "otel.status_code": "ERROR",
                "error": "boom",
                "otel.scope.name": "alexobs",
                "otel.scope.version": "1.0",
                "otel.dropped_attributes_count": "2",
            },
            "annotations": [
                {"timestamp": 1_700_000_000_500_000, "value": "plain"},
                {
                    "timestamp": 1_700_000_000_600_000,
                    "value": '{"exception":{"exception.type":"E"}}',
                },
            ],
        }
    ]


def test_the_least_span(exporter: ZipkinExporter, make_span: Any) -> None:
    span = make_span(start_ns=10, end_ns=10, attributes={}, status_code=1)
    (found,) = json.loads(exporter.encode_spans([span], Resource()))
    assert re.fullmatch("[0-9a-f]{32}", found["traceId"])
    assert found["duration"] == 1  # 0 would be "unknown"
    assert found["localEndpoint"] == {"serviceName": "unknown_service"}
    assert found["tags"]["otel.status_code"] == "OK"
    assert {"parentId", "kind", "annotations", "remoteEndpoint"}.isdisjoint(found)


def test_an_error_without_words_is_still_an_error(exporter: ZipkinExporter, make_span: Any) -> None:
    (found,) = json.loads(exporter.encode_spans([make_span(status_code=2)], RESOURCE))
    assert found["tags"]["error"] == "true"


def test_halves_are_the_whole(exporter: ZipkinExporter, make_span: Any) -> None:
    body = exporter.encode_spans([make_span() for _ in range(5)], RESOURCE)
    halves = exporter.split(Batch("traces", "zipkin", 5, body))
    assert halves is not None
    assert [half.count for half in halves] == [2, 3]
    assert json.loads(halves[0].body) + json.loads(halves[1].body) == json.loads(body)
    assert exporter.split(Batch("traces", "zipkin", 1, b"[{}]")) is None
    assert exporter.split(Batch("traces", "zipkin", 2, b"[{}")) is None


def test_sending(make_span: Callable[..., SpanData]) -> None:
    with ZipkinSink() as sink:
        exporter = ZipkinExporter(parse_endpoint(sink.endpoint, key="test"))
        spans = [make_span() for _ in range(20)]
        batch = Batch("traces", "zipkin", 20, exporter.encode_spans(spans, RESOURCE))
        assert exporter.send(batch, 5.0).accepted
        sink.fail(413)
        assert exporter.send(batch, 5.0).too_large
        exporter.close()
    assert len(sink.spans()) == 20
    assert sink.requests[0].http.headers["content-encoding"] == "gzip"


def test_logs_and_metrics_are_not_for_zipkin(exporter: ZipkinExporter) -> None:
    assert exporter.encode_logs([], RESOURCE) is None  # type: ignore[func-returns-value]
    assert exporter.encode_metrics([], RESOURCE) is None  # type: ignore[func-returns-value]
