"""The OTLP ports as clients see them: what is taken, what is refused, and how."""

from __future__ import annotations

import gzip
import http.client
import json
import random
import time
import zlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import zstandard
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from alexobs import semconv
from alexobs.observability import Observability
from alexobs.server.ingest.writer import FullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Running = Any  # conftest's

JSON = "application/json"


def spans(count: int = 1, **fields: Any) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    trace_id = random.randbytes(16)
    for _ in range(count):
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=random.randbytes(8),
            name="x",
            start_time_unix_nano=time.time_ns(),
            end_time_unix_nano=time.time_ns(),
        )
        for name, value in fields.items():
            setattr(span, name, value)
    return request


def named(request: ExportTraceServiceRequest, name: str) -> bytes:
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.name = name
    return bytes(request.SerializeToString())


def stored(running: Running, name: str) -> int:
    found: int = running.sql(f"SELECT count(*) FROM spans WHERE name = '{name}'")[0][0]
    return found


PACKERS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("encoding", PACKERS)
def test_every_compression_is_taken(running: Running, encoding: str) -> None:
    body = PACKERS[encoding](named(spans(3), f"packed {encoding}"))
    answer = running.post("/v1/traces", body, content_encoding=encoding)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers[semconv.SERVER_HEADER]
    assert stored(running, f"packed {encoding}") == 3


def test_json_is_taken_and_answered_in_json(running: Running) -> None:
    span = {
        "traceId": random.randbytes(16).hex().upper(),
        "spanId": random.randbytes(8).hex(),
        "name": "from json",
        "kind": 3,
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": time.time_ns(),
        "attributes": [{"key": "n", "value": {"intValue": "7"}}],
        "status": {"code": "STATUS_CODE_ERROR"},
        "unknown": {"member": 1},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = running.post("/v1/traces", body, JSON)
    assert (answer.status, json.loads(answer.body)) == (200, {})
    found = running.sql(
        "SELECT trace_id, status, attributes['n'] FROM spans WHERE name = 'from json'"
    )
    assert found == [(str(span["traceId"]).lower(), "error", "7")]


def test_spans_without_an_identity_are_left_out_and_counted(running: Running) -> None:
    request = spans(2)
    scope = request.resource_spans[0].scope_spans[0]
    scope.spans.add(trace_id=b"\0" * 16, span_id=b"a" * 8)
    scope.spans.add(trace_id=b"a" * 16, span_id=b"")
    scope.spans.add(trace_id=b"short", span_id=b"a" * 8)
    answer = running.post("/v1/traces", named(request, "partly"))
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 3)
    assert "without a valid" in partial.error_message
    assert stored(running, "partly") == 2


@pytest.mark.parametrize(
    ("path", "body", "kind", "headers", "status"),
    [
        ("/v1/traces", b"\xff\xff\xff", "application/x-protobuf", {}, 400),
        ("/v1/traces", b"{", JSON, {}, 400),
        ("/v1/traces", b"[]", JSON, {}, 400),
        ("/v1/traces", b'{"resourceSpans": 5}', JSON, {}, 400),
        ("/v1/traces", b'{"resourceSpans":' * 5000, JSON, {}, 400),
        ("/v1/traces", b"[" * 100_000, JSON, {}, 400),
        ("/v1/traces", b"x", "text/plain", {}, 415),
        ("/v1/traces", b"x", "", {}, 415),
        ("/v1/traces", b"x", "application/x-protobuf", {"content_encoding": "br"}, 415),
        ("/v1/traces", b"x", "application/x-protobuf", {"content_encoding": "gzip"}, 400),
        ("/v1/traces", b"x", "application/x-protobuf", {"content_encoding": "zstd"}, 400),
        ("/v1/nothing", b"", "application/x-protobuf", {}, 404),
        ("/v1/traces", b"", "application/x-protobuf", {"host": "evil.example"}, 403),
        ("/v1/traces", b"", "application/x-protobuf", {"origin": "http://evil.example"}, 403),
    ],
)
def test_what_cannot_be_taken_is_refused(  # noqa: PLR0917 - one per column of the table
    running: Running, path: str, body: bytes, kind: str, headers: dict[str, str], status: int
) -> None:
    assert running.post(path, body, kind, **headers).status == status
    assert running.post("/v1/traces", b"").status == 200  # and the server goes on


def test_only_post_is_taken(running: Running) -> None:
    answer = running.request("GET", "http", "/v1/traces", None, {})
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_refused_before_it_unfolds(running: Running, encoding: str) -> None:
    bomb = PACKERS[encoding](bytes(64 << 20))
    assert running.post("/v1/traces", bomb, content_encoding=encoding).status == 413


def test_a_truncated_gzip_is_refused(running: Running) -> None:
    body = gzip.compress(named(spans(50), "cut"))[:-20]
    assert running.post("/v1/traces", body, content_encoding="gzip").status == 400
    assert stored(running, "cut") == 0


def test_a_body_that_is_too_large_is_refused(running: Running) -> None:
    client = http.client.HTTPConnection("127.0.0.1", running.server.port("http"))
    client.putrequest("POST", "/v1/traces")
    client.putheader("content-type", "application/x-protobuf")
    client.putheader("content-length", str(1 << 40))
    client.endheaders()
    assert client.getresponse().status == 413
    client.close()


def test_back_pressure_is_answered_with_a_time_to_come_back(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise FullError

    monkeypatch.setattr(running.server.writer, "submit", full)
    answer = running.post("/v1/traces", named(spans(), "full"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")


def test_a_store_that_cannot_write_is_answered_with_503(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(running.server.store, "commit", broken)
        answer = running.post("/v1/traces", named(spans(), "no space"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert running.post("/v1/traces", named(spans(), "space again")).status == 200
    assert stored(running, "space again") == 1


def test_one_request_at_fault_does_not_cost_the_others(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = running.server.store
    commit = store.commit

    def picky(group: Any) -> int:
        if group.spans is not None and "poison" in group.spans["name"].to_pylist():
            raise ValueError("poison")
        return commit(group)

    monkeypatch.setattr(store, "commit", picky)
    checker = running.server.intake.checker
    waiting = [
        running.server.writer.submit(checker.check("traces", named(spans(), name)), 10)
        for name in ["healthy", "poison", "healthy", "poison", "healthy"]
    ]
    outcomes = [future.exception(20) is None for future in waiting]
    assert outcomes == [True, False, True, False, True]
    assert stored(running, "healthy") == 3


def test_what_is_sent_again_is_there_once(running: Running) -> None:
    request = spans(5)
    body = named(request, "twice")
    scope = request.resource_spans[0].scope_spans[0]
    scope.spans.extend(list(scope.spans))
    doubled = named(request, "twice")
    for one in (doubled, body, doubled, body):
        assert running.post("/v1/traces", one).status == 200
    assert stored(running, "twice") == 5
    assert running.sql(
        "SELECT sum(p.spans) FROM trace_parts p JOIN finished_spans f USING (trace_lo)"
        " WHERE f.name = 'twice' AND p.root_span_id = f.span_id"
    ) == [(5,)]


def test_absurd_values_are_kept_and_hurt_nobody(running: Running) -> None:
    hostile = "<script>alert(1)</script>\u202e\x00'; DROP TABLE meta; --"
    request = spans(3, start_time_unix_nano=2**64 - 1, end_time_unix_nano=1, name=hostile, kind=77)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="big").value.string_value = "x" * 10_000_000
    for number in range(3000):
        span.attributes.add(key=f"k{number}").value.int_value = number
    span.parent_span_id = span.span_id  # its own parent
    assert running.post("/v1/traces", request.SerializeToString()).status == 200
    trace_id = span.trace_id.hex()
    found = running.server.store.query("trace_spans", trace_id=trace_id).dicts()
    assert [row["name"] for row in found] == [hostile] * 3


def test_garbage_never_ends_the_server(running: Running) -> None:
    random_ = random.Random(3)
    whole = named(spans(20, trace_state="a=b"), "garbage")
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(random_.randrange(1, 12)):
            body[random_.randrange(len(body))] = random_.randrange(256)
        cut = bytes(body[: random_.randrange(len(body))]) if random_.random() < 0.5 else bytes(body)
        assert running.post("/v1/traces", cut).status in (200, 400)
    assert running.post("/v1/traces", named(spans(), "after garbage")).status == 200
    assert stored(running, "after garbage") == 1


# -- gRPC --------------------------------------------------------------------------------------


def call(running: Running, signal: str, body: bytes) -> tuple[bytes, Any]:
    service = {"trace": "Trace", "logs": "Logs", "metrics": "Metrics"}[signal]
    method = f"/opentelemetry.proto.collector.{signal}.v1.{service}Service/Export"
    with grpc.insecure_channel(f"127.0.0.1:{running.server.port('grpc')}") as channel:
        export = channel.unary_unary(method)
        answer, rpc = export.with_call(body, timeout=20)
        return answer, dict(rpc.initial_metadata())


def test_grpc_takes_spans_and_makes_itself_known(running: Running) -> None:
    answer, metadata = call(running, "trace", named(spans(2), "by grpc"))
    assert answer == b""
    assert semconv.SERVER_HEADER in metadata
    assert stored(running, "by grpc") == 2


def test_grpc_refuses_garbage(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(running, "trace", b"\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_grpc_says_when_to_come_back(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FullError

    monkeypatch.setattr(running.server.writer, "submit", full)
    with pytest.raises(grpc.RpcError) as refused:
        call(running, "trace", named(spans(), "full"))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert b"google.rpc.RetryInfo" in details


# -- logs, metrics, running spans --------------------------------------------------------------


def test_logs_are_kept_with_their_place_in_a_trace(running: Running) -> None:
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            time_unix_nano=time.time_ns(),
            severity_number=17,  # type: ignore[arg-type]
            trace_id=b"l" * 16,
            span_id=b"s" * 8,
        )
    )
    record.body.string_value = "it broke"
    record.attributes.add(key="n").value.int_value = 3
    record.attributes.add(key="who").value.string_value = "me"
    assert running.post("/v1/logs", request.SerializeToString()).status == 200
    assert running.sql(
        "SELECT level, body, trace_id, span_id, attributes['n'], attributes['who'] FROM logs"
        " WHERE body = 'it broke'"
    ) == [("error", "it broke", (b"l" * 16).hex(), (b"s" * 8).hex(), "3", "me")]


def test_points_of_every_kind_are_kept_and_scraped(running: Running) -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    now = time.time_ns()
    total = metrics.add(name="alex.llm.requests.total", unit="{request}", description="LLM calls.")
    total.sum.is_monotonic, total.sum.aggregation_temporality = True, 2
    point = total.sum.data_points.add(as_int=3, time_unix_nano=now)
    point.attributes.add(key="model").value.string_value = 'a"b'
    latency = metrics.add(name="alex.llm.latency", unit="s")
    latency.histogram.aggregation_temporality = 2
    latency.histogram.data_points.add(
        count=3, sum=1.5, bucket_counts=[1, 2, 0], explicit_bounds=[0.1, 1.0], time_unix_nano=now
    )
    metrics.add(name="alex.level").gauge.data_points.add(as_double=2.5, time_unix_nano=now)
    exponential = metrics.add(name="alex.exp").exponential_histogram.data_points.add(
        count=4, sum=9.0, scale=0, zero_count=1, time_unix_nano=now
    )
    exponential.positive.bucket_counts.extend([1, 2])
    metrics.add(name="alex.sum").summary.data_points.add(count=1, sum=2.0, time_unix_nano=now)
    metrics.add(name="alex.empty")
    assert running.post("/v1/metrics", request.SerializeToString()).status == 200
    text = running.get("/metrics").body.decode()
    assert "# TYPE alex_llm_requests_total counter" in text
    assert 'model="a\\"b"} 3' in text
    assert 'le="1"} 3' in text
    assert "alex_llm_latency_count{" in text
    assert "alex_level{" in text
    assert "alexobs_server_records_total" in text
    assert running.sql("SELECT bounds, buckets FROM metric_points WHERE metric = 'alex.exp'") == [
        ([1.0, 2.0, 4.0], [1, 1, 2, 0])
    ]


def test_a_running_span_is_seen_and_becomes_its_end(running: Running) -> None:
    request = ExportLogsServiceRequest()
    trace_id, span_id = random.randbytes(16), random.randbytes(8)
    for _ in range(2):  # announced twice
        record = (
            request.resource_logs.add()
            .scope_logs.add()
            .log_records.add(
                event_name=semconv.EVENT_SPAN_RUNNING, trace_id=trace_id, span_id=span_id
            )
        )
        for key, value in {"alex.span.name": "long", semconv.ALEX_KIND: "session"}.items():
            record.attributes.add(key=key).value.string_value = value
        record.attributes.add(key="alex.span.start_ns").value.int_value = time.time_ns()
    body = request.SerializeToString()
    columns = "name, kind, status, duration_s IS NULL"
    text = f"SELECT {columns} FROM spans WHERE span_id = '{span_id.hex()}'"
    assert running.post("/v1/logs", body).status == 200
    assert running.post("/v1/logs", body).status == 200
    assert running.sql(text) == [("long", "session", "running", True)]
    end = named(spans(trace_id=trace_id, span_id=span_id), "long")
    assert running.post("/v1/traces", end).status == 200
    assert running.sql(text) == [("long", "span", "success", False)]
    assert running.post("/v1/logs", body).status == 200  # a late announcement changes nothing
    assert running.sql(text) == [("long", "span", "success", False)]


# -- the web port ------------------------------------------------------------------------------


def test_health_and_headers(running: Running) -> None:
    for path in ("/healthz", "/readyz"):
        answer = running.get(path)
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_errors_have_one_shape(running: Running) -> None:
    answer = running.get("/there/is/nothing")
    assert answer.status == 404
    assert set(json.loads(answer.body)["error"]) >= {"code", "message"}
    foreign = running.get("/healthz", host="evil.example")
    assert (foreign.status, json.loads(foreign.body)["error"]["code"]) == (403, "foreign_host")


def test_a_token_is_asked_for_everywhere_but_for_health(serve: Callable[..., Running]) -> None:
    token = str(random.random())
    client = serve(token=token)
    assert client.post("/v1/traces", b"").status == 401
    assert client.post("/v1/traces", b"", authorization="Bearer wrong").status == 401
    assert client.post("/v1/traces", b"", authorization=f"Bearer {token}").status == 200
    assert client.get("/metrics").status == 401
    assert client.get("/metrics", cookie=f"a=b; alexobs-token={token}").status == 200
    assert client.get("/healthz").status == 200
    with pytest.raises(grpc.RpcError) as refused:
        call(client, "trace", b"")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


# -- real senders ------------------------------------------------------------------------------


def test_the_opentelemetry_sdk_is_understood(running: Running) -> None:
    port = running.server.port("http")
    provider = TracerProvider()
    provider.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces"))
    )
    with provider.get_tracer("mine").start_as_current_span("chat gpt-4o") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.system", "openai")
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        span.set_attribute("gen_ai.usage.input_tokens", 1000)
        span.set_attribute("gen_ai.usage.output_tokens", 100)
        span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
    provider.shutdown()
    ((kind, model, provider_name, tokens, cost, price),) = running.sql(
        "SELECT kind, model, provider, input_tokens, cost_usd, price_id FROM spans"
        " WHERE name = 'chat gpt-4o'"
    )
    assert (kind, model, provider_name, tokens) == ("llm", "gpt-4o", "openai", 1000)
    assert cost > 0
    assert price.endswith("openai/gpt-4o")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_our_own_sdk_is_understood(running: Running, protocol: str, tmp_path: Path) -> None:
    port = running.server.port(protocol)
    obs = Observability(
        {
            "tracing": {
                "exporter": "otlp",
                "otlp_endpoint": f"http://127.0.0.1:{port}",
                "otlp_protocol": "grpc" if protocol == "grpc" else "http/protobuf",
            },
            "metrics": {"prometheus_port": 0},
            "pipeline": {"spool_dir": str(tmp_path)},
        }
    )
    task = f"a task over {protocol}"
    with (
        obs.session(task, session_id=f"session-{protocol}"),
        obs.iteration(1),
        obs.span("inner", note="hello"),
    ):
        pass
    assert obs.flush(timeout_s=20)
    obs.shutdown(timeout_s=20)
    found = running.sql(
        f"SELECT name, kind, iteration FROM spans WHERE session_id = 'session-{protocol}'"
        " ORDER BY start_time"
    )
    assert [row[:2] for row in found] == [
        (semconv.SPAN_SESSION, "session"),
        (semconv.SPAN_ITERATION, "iteration"),
        ("inner", "span"),
    ]
