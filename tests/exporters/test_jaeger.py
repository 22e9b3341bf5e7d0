"""Jaeger batches, decoded by a reader written from the Thrift specification alone."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexobs.exporters.endpoints import parse_endpoint
from alexobs.exporters.jaeger import JaegerExporter
from alexobs.exporters.thrift import fields
from alexobs.records import Batch, Resource, Scope, SpanData, SpanEvent, SpanLink
from alexobs.testing.collectors import JaegerSink

if TYPE_CHECKING:
    from collections.abc import Callable

RESOURCE = Resource({"service.name": "shop", "service.version": "1.2", "workers": 2})


class ThriftReader:
    """TBinaryProtocol: structs become dicts by field id, lists become lists."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def take(self, layout: str) -> Any:
        data = self.stream.read(struct.calcsize(layout))
        return struct.unpack(layout, data)[0]

    def value(self, kind: int) -> Any:
        if kind == 12:
            return self.struct()
        if kind == 15:
            inner, count = self.take(">b"), self.take(">i")
            return [self.value(inner) for _ in range(count)]
        if kind == 11:
            return self.stream.read(self.take(">i"))
        return self.take({2: ">?", 3: ">b", 4: ">d", 6: ">h", 8: ">i", 10: ">q"}[kind])

    def struct(self) -> dict[int, Any]:
        found = {}
        while kind := self.take(">b"):
            number = self.take(">h")
            found[number] = self.value(kind)
        return found


def decoded(body: bytes) -> dict[int, Any]:
    reader = ThriftReader(body)
    batch = reader.struct()
    assert reader.stream.read() == b""
    return batch


def tags(found: list[dict[int, Any]]) -> dict[str, Any]:
    """Tags by key; a tag's value is in the field that its type names."""
    field_of_type = {0: 3, 1: 4, 2: 5, 3: 6, 4: 7}
    values = {}
    for tag in found:
        assert set(tag) == {1, 2, field_of_type[tag[2]]}
        value = tag[field_of_type[tag[2]]]
        values[tag[1].decode()] = value.decode() if tag[2] == 0 else value
    return values


@pytest.fixture
def exporter() -> JaegerExporter:
    return JaegerExporter(parse_endpoint("http://127.0.0.1:14268/api/traces", key="test"))


def test_the_process_is_the_resource(exporter: JaegerExporter, make_span: Any) -> None:
    process = decoded(exporter.encode_spans([make_span()], RESOURCE))[1]
    assert process[1] == b"shop"
    assert tags(process[2]) == {"service.version": "1.2", "workers": 2}


def test_a_span_with_everything(exporter: JaegerExporter, make_span: Any) -> None:
    span = make_span(
        "alex.llm.generate",
        trace_id=(0xF000000000000001 << 64) | 0x8000000000000002,
        span_id=0xFFFFFFFFFFFFFFFF,
        parent_span_id=3,
        start_ns=1_700_000_000_123_456_789,
        end_ns=1_700_000_001_123_456_789,
        kind=3,
        status_code=2,
        status_message="boom",
        flags=0x101,
        trace_state="a=b",
        attributes={
            "text": "é",
            "yes": True,
            "int": -5,
            "float": 0.5,
            "nan": float("nan"),
            "list": ["a", 1, None],
            "bytes": b"\x00\xff",
            "none": None,
            "big": 1 << 80,
        },
        events=[SpanEvent("exception", 1_700_000_000_500_000_000, {"exception.type": "E"})],
        links=[SpanLink((1 << 64) | 2, 5, "", {})],
        dropped_events=4,
    )
    found = decoded(exporter.encode_spans([span], RESOURCE))[2][0]
    assert struct.pack(">qq", found[2], found[1]) == span.trace_id.to_bytes(16, "big")
    assert (found[3], found[4], found[5], found[7]) == (-1, 3, b"alex.llm.generate", 1)
    assert (found[8], found[9]) == (1_700_000_000_123_456, 1_000_000)
    assert found[6] == [{1: 1, 2: 2, 3: 1, 4: 5}]
    assert tags(found[10]) == {
        "text": "é",
        "yes": True,
        "int": -5,
        "float": 0.5,
        "nan": "nan",
        "list": '["a",1,null]',
        "bytes": b"\x00\xff",
        "none": "",
        "big": str(1 << 80),
        "span.kind": "client",
        "otel.status_code": "ERROR",
        "otel.status_description": "boom",
        "error": True,
        "otel.scope.name": "alexobs",
        "otel.scope.version": "1.0",
        "w3c.tracestate": "a=b",
        "otel.dropped_events_count": 4,
    }
    (log,) = found[11]
    assert log[1] == 1_700_000_000_500_000
    assert tags(log[2]) == {"event": "exception", "exception.type": "E"}


def test_a_broken_span_is_sent_as_well_as_can_be(exporter: JaegerExporter, make_span: Any) -> None:
    broken = make_span(None, start_ns=-1, attributes={None: object})
    found = decoded(exporter.encode_spans([broken, make_span("ok")], RESOURCE))[2]
    assert [span[5] for span in found] == [b"None", b"ok"]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 30))
def test_halves_are_the_whole(count: int) -> None:
    exporter = JaegerExporter(parse_endpoint("http://localhost/api/traces", key="test"))
    spans = [
        SpanData(trace_id=1, span_id=n + 1, name=str(n), start_ns=0, end_ns=0,
                 attributes={"n": n, "l": [n], "b": n % 2 == 0, "f": n / 2}, scope=Scope("s"))
        for n in range(count)
    ]  # fmt: skip
    body = exporter.encode_spans(spans, RESOURCE)
    halves = exporter.split(Batch("traces", "jaeger", count, body))
    if count == 1:
        assert halves is None
        return
    assert halves is not None
    whole = decoded(body)
    first, second = (decoded(half.body) for half in halves)
    assert [half.count for half in halves] == [len(first[2]), len(second[2])]
    assert first[2] + second[2] == whole[2]
    assert first[1] == second[1] == whole[1]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60))
def test_what_is_no_batch_is_not_halved(body: bytes) -> None:
    exporter = JaegerExporter(parse_endpoint("http://localhost/api/traces", key="test"))
    exporter.split(Batch("traces", "jaeger", 2, body))


def test_a_cut_batch_is_not_halved(exporter: JaegerExporter, make_span: Any) -> None:
    body = exporter.encode_spans([make_span(), make_span()], RESOURCE)
    for size in range(len(body)):
        assert exporter.split(Batch("traces", "jaeger", 2, body[:size])) is None
        with pytest.raises(ValueError, match="cut"):
            list(fields(body[:size]))


def test_sending(make_span: Callable[..., SpanData]) -> None:
    with JaegerSink() as sink:
        exporter = JaegerExporter(parse_endpoint(sink.endpoint, key="test"))
        spans = [make_span() for _ in range(20)]
        batch = Batch("traces", "jaeger", 20, exporter.encode_spans(spans, RESOURCE))
        assert exporter.send(batch, 5.0).accepted
        sink.fail(503, retry_after_s=2)
        refused = exporter.send(batch, 5.0)
        sink.fail(400)
        lost = exporter.send(batch, 5.0)
        sink.stop()
        down = exporter.send(batch, 5.0)
        exporter.close()
    assert len(decoded(sink.bodies[0])[2]) == 20
    assert (refused.retry, refused.retry_after_s) == (True, 2.0)
    assert (lost.accepted, lost.retry) == (False, False)
    assert down.retry


def test_logs_and_metrics_are_not_for_jaeger(exporter: JaegerExporter) -> None:
    assert exporter.encode_logs([], RESOURCE) is None  # type: ignore[func-returns-value]
    assert exporter.encode_metrics([], RESOURCE) is None  # type: ignore[func-returns-value]
