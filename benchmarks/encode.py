"""Encoding OTLP: by hand, against the official protobuf classes (upb, in C).

Bias, first: the classes are used as fast as we know how (``add`` and assignment take a third of the
time of keyword arguments), and are spared our guards against odd values. Half of the attributes
repeat from span to span, as an agent's do; session, model and tool names are found in our cache.
"""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, Any

from harness import Case, compare, main
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alexobs.exporters.otlp.encode import encode_logs, encode_spans, severity_text
from alexobs.records import LogRecord, Resource, Scope, SpanData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness import Group

BATCH = 1000
RESOURCE = Resource({"service.name": "bench"})
SCOPE = Scope("alexobs", "1.0")
NOW_NS = 1_700_000_000_000_000_000
WORDS = "the agent reads a file and runs its tests until none of them fails".split()  # noqa: SIM905 - prose


def tool_spans() -> list[SpanData]:
    """Four attributes each: two that repeat, a small integer, a figure of its own."""
    chance = random.Random(1)
    trace_id = chance.getrandbits(128)
    return [
        SpanData(
            trace_id=trace_id,
            span_id=chance.getrandbits(64),
            parent_span_id=chance.getrandbits(64),
            name="alex.tool.execute",
            start_ns=NOW_NS + number,
            end_ns=NOW_NS + number * 7,
            attributes={
                "alex.session_id": "0123456789abcdef",
                "alex.tool_name": "read_file",
                "alex.iteration": number % 20,
                "alex.cost": chance.random(),
            },
            scope=SCOPE,
        )
        for number in range(BATCH)
    ]


def llm_spans() -> list[SpanData]:
    """Twenty attributes each, of which one is 1 KB of messages."""
    chance = random.Random(2)
    spans = tool_spans()
    for span in spans:
        text = " ".join(chance.choices(WORDS, k=220))
        span.attributes |= {f"gen_ai.request.setting_{n}": f"value {n}" for n in range(10)}
        span.attributes |= {
            "gen_ai.request.model": "gpt-5-mini",
            "gen_ai.usage.input_tokens": chance.randrange(100_000),
            "gen_ai.usage.output_tokens": chance.randrange(4_000),
            "gen_ai.request.stream": True,
            "gen_ai.response.id": f"resp-{chance.getrandbits(64):x}",
            "gen_ai.input.messages": f'[{{"role":"user","parts":["{text}"]}}]',
        }
    return spans


def log_records() -> list[LogRecord]:
    chance = random.Random(3)
    return [
        LogRecord(
            time_ns=NOW_NS + number,
            severity=9,
            body="Operation completed",
            attributes={
                "session_id": "0123456789abcdef",
                "status": "success",
                "attempt": number % 3,
                "duration": chance.random(),
                "path": f"/tmp/{number}",
            },
            scope=SCOPE,
            trace_id=chance.getrandbits(128),
            span_id=chance.getrandbits(64),
        )
        for number in range(BATCH)
    ]


def fill(attributes: Any, mapping: Mapping[str, Any]) -> None:
    for key, value in mapping.items():
        pair = attributes.add()
        pair.key = key
        kind = type(value)
        if kind is str:
            pair.value.string_value = value
        elif kind is int:
            pair.value.int_value = value
        elif kind is float:
            pair.value.double_value = value
        else:
            pair.value.bool_value = value


def official_spans(spans: Sequence[SpanData], resource: Resource) -> bytes:
    request = ExportTraceServiceRequest()
    outer = request.resource_spans.add()
    fill(outer.resource.attributes, resource.attributes)
    inner = outer.scope_spans.add()
    inner.scope.name, inner.scope.version = SCOPE.name, SCOPE.version
    for span in spans:
        message = inner.spans.add()
        message.trace_id = span.trace_id.to_bytes(16, "big")
        message.span_id = span.span_id.to_bytes(8, "big")
        message.parent_span_id = span.parent_span_id.to_bytes(8, "big")
        message.name = span.name
        message.kind = span.kind
        message.start_time_unix_nano = span.start_ns
        message.end_time_unix_nano = span.end_ns
        message.flags = span.flags
        fill(message.attributes, span.attributes)
    return bytes(request.SerializeToString())


def official_logs(records: Sequence[LogRecord], resource: Resource) -> bytes:
    request = ExportLogsServiceRequest()
    outer = request.resource_logs.add()
    fill(outer.resource.attributes, resource.attributes)
    inner = outer.scope_logs.add()
    inner.scope.name, inner.scope.version = SCOPE.name, SCOPE.version
    for record in records:
        message = inner.log_records.add()
        message.time_unix_nano = message.observed_time_unix_nano = record.time_ns
        message.severity_number = record.severity
        message.severity_text = severity_text(record.severity)
        message.body.string_value = record.body
        message.trace_id = record.trace_id.to_bytes(16, "big")
        message.span_id = record.span_id.to_bytes(8, "big")
        fill(message.attributes, record.attributes)
    return bytes(request.SerializeToString())


def batches(
    encode: Callable[[Any, Resource], bytes], records: Sequence[Any]
) -> Callable[[int], object]:
    """Encode as many records as there are calls, in batches."""

    def run(calls: int) -> None:
        for start in range(0, calls, BATCH):
            encode(records[: min(BATCH, calls - start)], RESOURCE)

    return run


def check_equal(
    request: type[ExportTraceServiceRequest | ExportLogsServiceRequest],
    ours: bytes,
    official: bytes,
) -> None:
    if request.FromString(ours) != request.FromString(official):
        raise AssertionError("the two encodings differ")


def compression(level: int, body: bytes) -> Callable[[int], object]:
    def run(calls: int) -> None:
        for _ in range(calls):
            compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
            compressor.compress(body)
            compressor.flush()

    return run


def groups() -> Iterator[Group]:
    for name, spans in (
        ("span, 4 attributes", tool_spans()),
        ("LLM span, 20 attributes and 1 KB of messages", llm_spans()),
    ):
        check_equal(
            ExportTraceServiceRequest,
            encode_spans(spans, RESOURCE),
            official_spans(spans, RESOURCE),
        )
        yield compare(
            f"encode {name}",
            [
                Case("alexobs", batches(encode_spans, spans)),
                Case("protobuf (upb)", batches(official_spans, spans)),
            ],
        )
    records = log_records()
    check_equal(
        ExportLogsServiceRequest, encode_logs(records, RESOURCE), official_logs(records, RESOURCE)
    )
    yield compare(
        "encode log record, 5 fields",
        [
            Case("alexobs", batches(encode_logs, records)),
            Case("protobuf (upb)", batches(official_logs, records)),
        ],
    )
    body = encode_spans(llm_spans(), RESOURCE)
    levels = {level: Case(f"gzip level {level}", compression(level, body)) for level in (1, 3, 6)}
    group = compare(f"compress {len(body) / 1e6:.1f} MB of LLM spans", [*levels.values()], calls=2)
    for level, case in levels.items():
        compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
        size = len(compressor.compress(body) + compressor.flush())
        group.add(case.name, {"times_smaller": len(body) / size})
    yield group


if __name__ == "__main__":
    main("encode", groups)
