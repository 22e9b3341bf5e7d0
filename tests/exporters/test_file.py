"""OTLP/JSON lines: what is in them, and files that fill up, break off and rotate."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alexobs.exporters.file import FileExporter
from alexobs.exporters.otlp.encode import encode_logs, encode_metrics, encode_spans
from alexobs.exporters.otlp.jsonlines import logs_to_json, metrics_to_json, spans_to_json
from alexobs.records import (
    Batch,
    Exemplar,
    HistogramPoint,
    LogRecord,
    MetricData,
    NumberPoint,
    Resource,
    Scope,
    SpanData,
    SpanEvent,
    SpanLink,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESOURCE = Resource({"service.name": "shop"})
SCOPE = Scope("s", "1", "https://schema")
ODD: dict[str, Any] = {
    "text": "\ud800é",
    "yes": True,
    "int": -(1 << 63),
    "big": 1 << 70,
    "float": 0.1,
    "nan": float("nan"),
    "up": float("inf"),
    "down": float("-inf"),
    "bytes": b"\x00\xff",
    "list": ["a", 1, None, [2.5]],
    "map": {"k": {"l": False}},
    "none": None,
}
TRACE = 0x0123456789ABCDEF0123456789ABCDEF


def from_json(text: bytes, request: Any) -> bytes:
    """Parse OTLP/JSON: protobuf's mapping, but for ids, which are hexadecimal."""

    def with_base64_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [with_base64_ids(item) for item in value]
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(item)).decode()
                if key in {"traceId", "spanId", "parentSpanId"}
                else with_base64_ids(item)
                for key, item in value.items()
            }
        return value

    json_format.ParseDict(with_base64_ids(json.loads(text)), request)
    return canonical(request)


def canonical(request: Any) -> bytes:
    return bytes(request.SerializeToString(deterministic=True))


def test_spans_in_json_are_the_spans_in_protobuf() -> None:
    spans = [
        SpanData(
            trace_id=TRACE, span_id=1, parent_span_id=2, name="a\n", start_ns=(1 << 64) - 1,
            end_ns=1, attributes=ODD, scope=SCOPE, kind=3, status_code=2, status_message="no",
            trace_state="a=b", flags=0x101, dropped_attributes=1, dropped_events=2,
            dropped_links=3, events=[SpanEvent("e", 5, ODD, 4)],
            links=[SpanLink(TRACE, 6, "c=d", ODD, 1)],
        ),
        SpanData(trace_id=1, span_id=1, name="b", start_ns=0, end_ns=0, attributes={},
                 scope=Scope("other")),
    ]  # fmt: skip
    expected = ExportTraceServiceRequest.FromString(encode_spans(spans, Resource(ODD)))
    text = spans_to_json(spans, Resource(ODD))
    assert from_json(text, ExportTraceServiceRequest()) == canonical(expected)
    assert b"\n" not in text


def test_logs_in_json_are_the_logs_in_protobuf() -> None:
    records = [
        LogRecord(time_ns=7, severity=17, body="b", attributes=ODD, scope=SCOPE, trace_id=TRACE,
                  span_id=3, flags=1, exception=("E", "m", "s"), event_name="ev"),
        LogRecord(time_ns=7, severity=0, body="", attributes={}, scope=SCOPE),
    ]  # fmt: skip
    expected = ExportLogsServiceRequest.FromString(encode_logs(records, RESOURCE))
    found = from_json(logs_to_json(records, RESOURCE), ExportLogsServiceRequest())
    assert found == canonical(expected)


def test_metrics_in_json_are_the_metrics_in_protobuf() -> None:
    exemplars = [Exemplar(1, 2, TRACE, 3, {"a": 1}), Exemplar(0.5, 2, 0, 0, {})]
    number = NumberPoint(ODD, 1, 2, 3, exemplars)
    histogram = HistogramPoint({"a": 1}, 1, 2, 3, 4.5, 0.5, 3.5, (1.0, 2.0), (1, 1, 1), exemplars)
    empty = HistogramPoint({}, 1, 2, 0, 0.0, 0.0, 0.0, (1.0,), (0, 0))
    metrics = [
        MetricData("a", "d", "1", "sum", True, "delta", SCOPE, [number]),
        MetricData("b", "", "", "gauge", False, "cumulative", SCOPE, [number]),
        MetricData("c", "d", "s", "histogram", False, "cumulative", SCOPE, [histogram, empty]),
    ]
    expected = ExportMetricsServiceRequest.FromString(encode_metrics(metrics, RESOURCE))
    found = from_json(metrics_to_json(metrics, RESOURCE), ExportMetricsServiceRequest())
    assert found == canonical(expected)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=()), max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
            | st.binary(max_size=4)
            | st.text(st.characters(exclude_categories=()), max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    )
)  # fmt: skip
def test_attributes_in_json_are_those_in_protobuf(attributes: dict[str, Any]) -> None:
    span = SpanData(
        trace_id=1, span_id=2, name="n", start_ns=1, end_ns=2, attributes=attributes, scope=SCOPE
    )
    expected = ExportTraceServiceRequest.FromString(encode_spans([span], RESOURCE))
    found = from_json(spans_to_json([span], RESOURCE), ExportTraceServiceRequest())
    assert found == canonical(expected)


# -- the file --------------------------------------------------------------------------------------


@pytest.fixture
def line(make_span: Callable[..., SpanData], tmp_path: Path) -> Batch:
    body = FileExporter(str(tmp_path / "x")).encode_spans([make_span()], RESOURCE)
    return Batch("traces", "file", 1, body)


def test_lines_are_appended_for_the_owner_alone(tmp_path: Path, line: Batch) -> None:
    path = tmp_path / "new" / "folder" / "spans.jsonl"
    for _ in range(3):
        exporter = FileExporter(str(path))
        assert exporter.send(line, 1.0).accepted
        exporter.close()
    assert path.read_bytes() == line.body * 3
    assert json.loads(path.read_bytes().splitlines()[0])["resourceSpans"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_broke_off_stays_alone(tmp_path: Path, line: Batch) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_bytes(line.body[:20])
    assert FileExporter(str(path)).send(line, 1.0).accepted
    assert path.read_bytes() == line.body[:20] + b"\n" + line.body


def test_the_file_is_bounded(tmp_path: Path, line: Batch) -> None:
    path = tmp_path / "spans.jsonl"
    exporter = FileExporter(str(path), max_bytes=3 * len(line.body))
    for _ in range(8):
        assert exporter.send(line, 1.0).accepted
    assert path.read_bytes() == line.body * 2
    assert (tmp_path / "spans.jsonl.1").read_bytes() == line.body * 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_in_the_way_is_tried_again(tmp_path: Path, line: Batch) -> None:
    result = FileExporter(str(tmp_path)).send(line, 1.0)
    assert (result.accepted, result.retry) == (False, True)
    assert str(tmp_path) in result.message


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_loses_nothing(tmp_path: Path, line: Batch) -> None:
    # A limit on the file's size fails a write in its middle, as a full disk does.
    path = tmp_path / "spans.jsonl"
    program = f"""
        import resource, signal, sys
        from alexobs.exporters.file import FileExporter
        from alexobs.records import Batch
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        line = Batch("traces", "file", 1, sys.stdin.buffer.read())
        exporter = FileExporter({str(path)!r})
        size = len(line.body)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + size // 2, hard))
        results = [exporter.send(line, 1.0) for _ in range(4)]
        assert [r.accepted for r in results] == [True, True, False, False], results
        assert results[2].retry and "large" in results[2].message, results
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert exporter.send(line, 1.0).accepted
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        input=line.body,
        check=True,
        timeout=30,
    )
    assert path.read_bytes() == line.body * 3
