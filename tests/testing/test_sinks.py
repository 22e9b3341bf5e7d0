from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from alexobs.errors import MissingExtraError
from alexobs.testing.collectors import JaegerSink, ZipkinSink
from alexobs.testing.otlp import OTLPSink
from alexobs.testing.sink import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as sink:
        yield sink


def pair(key: str, **value: Any) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))


def trace_request(*names: str) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(pair("service.name", string_value="agent"))
    group = resource.scope_spans.add()
    group.scope.name, group.scope.version = "alexobs", "1"
    for name in names:
        span = group.spans.add(name=name, trace_id=b"\1" * 16, span_id=b"\2" * 8, kind=3)
        span.attributes.append(pair("n", int_value=3))
        span.events.add(name="exception", time_unix_nano=7)
        span.links.add(trace_id=b"\3" * 16, span_id=b"\4" * 8)
        span.status.code, span.status.message = 2, "bad"
    data: bytes = request.SerializeToString()
    return data


def send(sink: OTLPSink, body: bytes, signal: str = "traces", **headers: str) -> httpx.Response:
    url = f"{sink.endpoint}/v1/{signal}"
    return httpx.post(url, content=body, headers={**HEADERS, **headers}, timeout=5)


def test_spans_arrive_as_plain_values(sink: OTLPSink) -> None:
    body = gzip.compress(trace_request("a", "b"))
    assert send(sink, body, **{"Content-Encoding": "gzip"}).status_code == 200

    span = sink.spans("a")[0]
    assert (span.trace_id, span.span_id, span.parent_span_id) == ("01" * 16, "02" * 8, "")
    assert (span.kind, span.status_code, span.status_message) == (3, 2, "bad")
    assert span.attributes == {"n": 3}
    assert span.events[0].name == "exception"
    assert span.links[0].trace_id == "03" * 16
    assert span.origin.resource == {"service.name": "agent"}
    assert span.origin.scope_name == "alexobs"
    assert [span.name for span in sink.spans()] == ["a", "b"]


def test_log_records_arrive_as_plain_values(sink: OTLPSink) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.severity_number = 9
    record.body.string_value = "hello"
    nested = record.attributes.add(key="deep").value.kvlist_value
    nested.values.append(pair("list", array_value={"values": [{"bool_value": True}, {}]}))
    assert send(sink, request.SerializeToString(), "logs").status_code == 200

    (log,) = sink.logs()
    assert (log.severity, log.body) == (9, "hello")
    assert log.attributes == {"deep": {"list": [True, None]}}


def test_metrics_arrive_as_plain_values(sink: OTLPSink) -> None:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add().scope_metrics.add()
    counter = group.metrics.add(name="c", unit="{x}").sum
    counter.is_monotonic, counter.aggregation_temporality = True, 2
    counter.data_points.add(as_int=5).exemplars.add(as_double=1.5, trace_id=b"\1" * 16)
    histogram = group.metrics.add(name="h", unit="s").histogram
    histogram.data_points.add(
        count=2, sum=3.0, explicit_bounds=[1.0], bucket_counts=[1, 1], min=0.5
    )
    assert send(sink, request.SerializeToString(), "metrics").status_code == 200

    total, latency = sink.metrics()
    assert (total.kind, total.monotonic, total.temporality) == ("sum", True, "cumulative")
    assert total.points[0].value == 5
    assert total.points[0].exemplars[0]["trace_id"] == "01" * 16
    assert latency.points[0].counts == [1, 1]
    assert (latency.points[0].min, latency.points[0].max) == (0.5, None)


@pytest.mark.parametrize("status", [400, 413, 429, 500, 503])
def test_refused_requests_are_not_kept(sink: OTLPSink, status: int) -> None:
    sink.fail(status, retry_after_s=1.5)
    answer = send(sink, trace_request("a"))
    assert answer.status_code == status
    assert answer.headers["Retry-After"] == "1.5"
    assert sink.spans() == []
    assert send(sink, trace_request("a")).status_code == 200
    assert [request.accepted for request in sink.requests] == [False, True]


def test_a_lasting_fault_lasts_until_recovery(sink: OTLPSink) -> None:
    sink.fail(503, times=None)
    assert [send(sink, b"").status_code for _ in range(3)] == [503, 503, 503]
    sink.recover()
    assert send(sink, b"").status_code == 200


def test_partial_success_says_how_many_were_rejected(sink: OTLPSink) -> None:
    sink.partial(2, "too old")
    answer = ExportTraceServiceResponse.FromString(send(sink, trace_request(*"abc")).content)
    assert answer.partial_success.rejected_spans == 2
    assert answer.partial_success.error_message == "too old"
    assert [span.name for span in sink.spans()] == ["a"]


def test_nonsense_resets_and_slowness(sink: OTLPSink) -> None:
    sink.nonsense().reset().slow(30)
    assert send(sink, trace_request("a")).content.startswith(b"<html>")
    with pytest.raises(httpx.TransportError):
        send(sink, trace_request("b"))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{sink.endpoint}/v1/traces", content=b"", headers=HEADERS, timeout=0.05)
    assert [span.name for span in sink.spans()] == ["a"]


def test_it_can_go_down_and_come_back_on_the_same_port(sink: OTLPSink) -> None:
    sink.stop()
    with pytest.raises(httpx.ConnectError):
        send(sink, b"")
    sink.start()
    assert send(sink, b"").status_code == 200


def test_what_is_not_otlp_is_refused_as_a_collector_would(sink: OTLPSink) -> None:
    assert send(sink, b"\xff\xff").status_code == 400
    assert send(sink, b"", "profiles").status_code == 404
    assert httpx.post(f"{sink.endpoint}/v1/traces", content=b"").status_code == 415
    doubled = ExportTraceServiceRequest()
    resource = doubled.resource_spans.add().resource
    resource.attributes.extend([pair("k", int_value=1), pair("k", int_value=2)])
    doubled.resource_spans[0].scope_spans.add().spans.add()
    assert send(sink, doubled.SerializeToString()).status_code == 400


def test_waiting_ends_when_the_records_are_there(sink: OTLPSink) -> None:
    send(sink, trace_request("a"))
    assert sink.wait_until(lambda sink: len(sink.spans()) == 1)
    assert not sink.wait_until(lambda sink: len(sink.spans()) == 2, timeout_s=0.01)
    sink.clear()
    assert sink.spans() == []
    assert sink.requests == []


def test_grpc_takes_the_same_records_and_faults() -> None:
    with OTLPSink(grpc=True) as sink:
        sink.fail(503, retry_after_s=2.5)
        target = f"127.0.0.1:{sink.grpc_port}"
        method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        with grpc.insecure_channel(target) as channel:
            export = channel.unary_unary(method)
            with pytest.raises(grpc.RpcError) as failed:
                export(trace_request("a"))
            sink.partial(1)
            answer = ExportTraceServiceResponse.FromString(export(trace_request("a", "b")))
        assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
        ((key, details),) = failed.value.trailing_metadata()
        assert key == "grpc-status-details-bin"
        # google.protobuf.Duration: 2 seconds and 500,000,000 nanoseconds
        assert details.endswith(b"\x08\x02\x10\x80\xca\xb5\xee\x01")
        assert answer.partial_success.rejected_spans == 1
        assert [span.name for span in sink.spans()] == ["a"]


def test_missing_packages_are_named_with_their_extra(
    sink: OTLPSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"alexobs\[testing\]"):
        sink.take("traces", b"")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingExtraError, match=r"alexobs\[grpc\]"):
        OTLPSink(grpc=True)


def test_jaeger_keeps_raw_batches() -> None:
    with JaegerSink() as sink:
        sink.fail(503)
        thrift = {"Content-Type": "application/x-thrift"}
        codes = [
            httpx.post(sink.endpoint, content=body, headers=headers).status_code
            for body, headers in [(b"1", thrift), (b"2", thrift), (b"3", {})]
        ]
        assert codes == [503, 202, 400]
        assert sink.bodies == [b"2"]
        assert httpx.post(sink.url, content=b"").status_code == 404


def test_zipkin_keeps_parsed_spans() -> None:
    with ZipkinSink() as sink:
        sink.faults(Fault(500, b"no"))
        codes = [
            httpx.post(sink.endpoint, content=body).status_code
            for body in (b"[]", b'[{"id": "1"}]', b"{}", b"nonsense")
        ]
        assert codes == [500, 202, 400, 400]
        assert sink.spans() == [{"id": "1"}]
        assert httpx.post(sink.url, content=b"").status_code == 404
