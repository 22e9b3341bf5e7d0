"""Input that no honest producer sends: an answer below 500, and a server that goes on."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from alexobs.server.store import Store

if TYPE_CHECKING:
    from pathlib import Path

Running = Any  # conftest's

JSON = "application/json"
HOUR_NS = 3_600 * 10**9
READ = (
    "traces", "traces?sort=duration", "sessions", "logs", "panels", "costs", "facets", "metrics",
    "accounting", "store",
)  # fmt: skip


def one_span(**fields: Any) -> dict[str, Any]:
    span = {
        "traceId": random.randbytes(16).hex(),
        "spanId": random.randbytes(8).hex(),
        "name": "odd",
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns()),
    }
    return {**span, **fields}


def request_of(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def reads_on(running: Running) -> None:
    for path in READ:
        answer = running.get(f"/api/{path}")
        assert answer.status == 200, (path, answer.body)


def attribute(value: Any, key: Any = "k") -> dict[str, Any]:
    return {"attributes": [{"key": key, "value": value}]}


@pytest.mark.parametrize(
    "fields",
    [
        {"traceId": 5}, {"traceId": "zz" * 16}, {"traceId": ["a"]}, {"spanId": {"a": 1}},
        {"name": 5}, {"name": None}, {"name": ["a"]}, {"kind": "SPAN_KIND_NONSENSE"},
        {"kind": 10**30}, {"kind": -(10**30)}, {"kind": 1.5}, {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": -1}, {"startTimeUnixNano": 1e300}, {"startTimeUnixNano": 2**70},
        {"endTimeUnixNano": True}, {"attributes": "none"}, {"attributes": {"a": "b"}},
        {"attributes": [5]}, attribute(5), attribute("text"), attribute({"intValue": "x"}),
        attribute({"intValue": 2**80}), attribute({"doubleValue": "NaN"}),
        attribute({"doubleValue": {}}), attribute({"boolValue": "maybe"}),
        attribute({"bytesValue": "%%%"}), attribute({"arrayValue": {"values": 7}}),
        attribute({"kvlistValue": [[]]}), attribute({"stringValue": "v"}, key=9),
        attribute({"stringValue": "\ud800"}), {"status": "ok"}, {"status": {"code": {}}},
        {"events": {"name": "e"}}, {"events": [{"timeUnixNano": "x"}]}, {"links": [{"spanId": 1}]},
        {"droppedAttributesCount": "many"}, {"flags": 2**40}, {"parentSpanId": 12},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)  # fmt: skip
def test_values_of_a_wrong_type_are_answered(running: Running, fields: dict[str, Any]) -> None:
    answer = running.post("/v1/traces", request_of(one_span(**fields)), JSON)
    assert answer.status in (200, 400), answer.body
    assert running.get("/api/traces").status == 200


@pytest.mark.parametrize("depth", [50, 500, 20_000])
def test_values_within_values_have_a_bottom(running: Running, depth: int) -> None:
    inner = AnyValue(string_value="bottom").SerializeToString()
    for _ in range(depth):  # an array of one value, by hand: the library would refuse to
        array = b"\x0a" + varint(len(inner)) + inner
        inner = b"\x2a" + varint(len(array)) + array
    pair = b"\x0a\x01k\x12" + varint(len(inner)) + inner
    span = (
        b"\x0a\x10" + random.randbytes(16) + b"\x12\x08" + random.randbytes(8)
        + b"\x4a" + varint(len(pair)) + pair
    )  # fmt: skip
    scope = b"\x12" + varint(len(span)) + span
    spans = b"\x12" + varint(len(scope)) + scope
    answer = running.post("/v1/traces", b"\x0a" + varint(len(spans)) + spans)
    assert answer.status in (200, 400), answer.body
    reads_on(running)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_json_garbage_never_ends_the_server(running: Running) -> None:
    random_ = random.Random(4)
    whole = request_of(*(one_span(**attribute({"intValue": "7"})) for _ in range(5)))
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(random_.randrange(1, 8)):
            body[random_.randrange(len(body))] = random_.choice(b'{}[]",:0a\\\x00\xff')
        assert running.post("/v1/traces", bytes(body), JSON).status in (200, 400)
    reads_on(running)


@pytest.mark.parametrize(
    ("start_ns", "end_ns"),
    [
        (0, 0),
        (1, 2),
        (time.time_ns() - 30 * 8766 * HOUR_NS, time.time_ns()),
        (time.time_ns() + 30 * 8766 * HOUR_NS, time.time_ns() + 31 * 8766 * HOUR_NS),
        (time.time_ns(), time.time_ns() - HOUR_NS),
        (2**63 - 1, 2**63 - 1),
        (2**64 - 1, 1),
        (1, 2**64 - 1),
    ],
    ids=["at zero", "in 1970", "since decades", "in decades", "backwards", "at the last second",
         "beyond", "for ever"],
)  # fmt: skip
def test_clocks_that_are_years_off(running: Running, start_ns: int, end_ns: int) -> None:
    call = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
        {"key": "session.id", "value": {"stringValue": f"clock {start_ns}"}},
    ]
    times = {"startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(end_ns)}
    span = one_span(**times, attributes=call)
    assert running.post("/v1/traces", request_of(span), JSON).status == 200
    found = running.get(f"/api/traces/{span['traceId']}")
    assert found.status == 200
    (duration_ms,) = json.loads(found.body)["columns"]["duration_ms"]
    assert duration_ms is None or duration_ms >= 0  # None: nobody can tell
    reads_on(running)


def shape(running: Running, parents: list[int | None]) -> dict[str, Any]:
    """Send spans 1, 2, … with these parents; return the trace's columns."""
    trace_id = random.randbytes(16).hex()
    body = request_of(
        *(
            one_span(
                traceId=trace_id,
                spanId=format(number, "016x"),
                parentSpanId=format(parent, "016x") if parent else "",
            )
            for number, parent in enumerate(parents, 1)
        )
    )
    assert running.post("/v1/traces", body, JSON).status == 200
    found = json.loads(running.get(f"/api/traces/{trace_id}").body)
    assert found["trace"]["spans"] == len(parents)
    columns: dict[str, Any] = found["columns"]
    return columns


@pytest.mark.parametrize(
    "parents",
    [[99, 99, 1], [1], [2, 1], [2, 3, 1, None], [None, None, 1, 2]],
    ids=["no root", "its own parent", "cycle", "cycle beside a root", "two roots"],
)
def test_traces_that_are_no_tree(running: Running, parents: list[int | None]) -> None:
    columns = shape(running, parents)
    wanted = {
        format(number, "016x"): format(parent, "016x") if parent else None
        for number, parent in enumerate(parents, 1)
    }
    assert dict(zip(columns["span_id"], columns["parent_span_id"], strict=True)) == wanted


def test_a_trace_of_very_many_spans_comes_in_windows(running: Running) -> None:
    trace_id, count = random.randbytes(16), 60_000
    begun = time.time_ns()
    for part in range(0, count, 15_000):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for number in range(part + 1, part + 15_001):
            scope.spans.add(
                trace_id=trace_id,
                span_id=number.to_bytes(8, "big"),
                parent_span_id=(number // 2).to_bytes(8, "big") if number > 1 else b"",
                name="one of many",
                start_time_unix_nano=begun + number,
                end_time_unix_nano=begun + number + 1,
            )
        assert running.post("/v1/traces", request.SerializeToString()).status == 200
    path = f"/api/traces/{trace_id.hex()}"
    page = json.loads(running.get(path).body)
    assert page["trace"]["spans"] == count
    assert len(page["columns"]["span_id"]) == 10_000
    rest = json.loads(running.get(f"{path}?cursor={page['next_cursor']}").body)
    seen = set(page["columns"]["span_id"]) | set(rest["columns"]["span_id"])
    assert len(seen) == 20_000


# -- a disk that is full -----------------------------------------------------------------------

LIMIT_BYTES = 6 << 20


def full_at(limit_bytes: int) -> None:
    """Let no file of this process grow beyond a size, as if the disk were full then."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))


def post(port: int, number: int) -> int:
    span = one_span(
        spanId=format(number, "016x"),
        **attribute({"stringValue": random.Random(number).randbytes(60_000).hex()}),
    )
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(client):
        client.request("POST", "/v1/traces", request_of(span), {"content-type": JSON})
        answer = client.getresponse()
        answer.read()
        return answer.status


def test_a_full_disk_is_said_and_costs_nothing_that_was_taken(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from alexobs.cli import main; raise SystemExit(main())", "up",
         "--data-dir", str(tmp_path), "--grpc-port", "0", "--http-port", "0", "--web-port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: full_at(LIMIT_BYTES),  # noqa: PLW1509 - no threads are started here
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        web, otlp = (int(lines[place].rsplit(":", 1)[1]) for place in (0, 2))
        taken, refused = set(), []
        for number in range(1, 400):
            status = post(otlp, number)
            if status == 200:
                taken.add(number)
            else:
                refused.append(status)
                if len(refused) == 3:
                    break
        assert refused == [503] * 3
        assert len(taken) > 3
        client = http.client.HTTPConnection("127.0.0.1", web, timeout=30)
        with contextlib.closing(client):
            client.request("GET", "/api/traces?limit=5")
            answer = client.getresponse()
            assert answer.status == 200
            assert len(json.loads(answer.read())["traces"]) == 5
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert post(otlp, 1_000) == 200  # there is room again
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    store = Store(tmp_path)
    rows = store.sql("SELECT span_id FROM finished_spans", max_rows=10_000).rows
    store.close()
    assert {number for (number,) in rows} >= taken | {1_000}
