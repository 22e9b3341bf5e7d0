"""OTLP over HTTP against a real server that behaves and misbehaves."""

from __future__ import annotations

import email.utils
import json
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context

from alexobs.exporters.endpoints import parse_endpoint
from alexobs.exporters.otlp.http import OtlpHttpExporter
from alexobs.exporters.transport import no_instrumentation
from alexobs.records import (
    Batch,
    LogRecord,
    MetricData,
    NumberPoint,
    Resource,
    Scope,
    SendResult,
    SpanData,
)
from alexobs.testing.loopback import LoopbackServer, Request, Response
from alexobs.testing.otlp import Fault, OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


RESOURCE = Resource({"service.name": "shop"})


def exporter_for(address: str, **options: Any) -> OtlpHttpExporter:
    return OtlpHttpExporter(parse_endpoint(address, key="test"), **options)


@pytest.fixture
def exporter(sink: OTLPSink) -> Iterator[OtlpHttpExporter]:
    exporter = exporter_for(sink.endpoint)
    yield exporter
    exporter.close()


@pytest.fixture
def batch(exporter: OtlpHttpExporter, make_span: Callable[..., SpanData]) -> Batch:
    spans = [make_span() for _ in range(4)]
    return Batch("traces", "otlp", 4, exporter.encode_spans(spans, RESOURCE))


def test_all_three_signals_arrive_at_their_paths(
    sink: OTLPSink, exporter: OtlpHttpExporter, make_span: Callable[..., SpanData]
) -> None:
    scope = Scope("s")
    record = LogRecord(time_ns=1, severity=9, body="hello", attributes={}, scope=scope)
    point = NumberPoint({"model": "m"}, 1, 2, 3.5)
    metric = MetricData("m", "", "1", "sum", True, "cumulative", scope, [point])
    for batch in (
        Batch("traces", "otlp", 1, exporter.encode_spans([make_span("a")], RESOURCE)),
        Batch("logs", "otlp", 1, exporter.encode_logs([record], RESOURCE)),
        Batch("metrics", "otlp", 1, exporter.encode_metrics([metric], RESOURCE)),
    ):
        assert exporter.send(batch, 5.0) == SendResult(accepted=True)
    assert [span.name for span in sink.spans()] == ["a"]
    assert [log.body for log in sink.logs()] == ["hello"]
    assert [metric.name for metric in sink.metrics()] == ["m"]
    assert sink.requests[0].http.headers["user-agent"].startswith("alexobs/")


@pytest.mark.parametrize(
    ("configured", "path"),
    [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/prefix/", "/prefix/v1/traces"),
        ("/v1/traces", "/v1/traces"),
        ("/v1/logs", "/v1/traces"),
        ("/a/v1/metrics/?key=1", "/a/v1/traces"),
    ],
)
def test_paths_follow_the_specification(
    sink: OTLPSink, batch: Batch, configured: str, path: str
) -> None:
    exporter = exporter_for(sink.endpoint + configured)
    exporter.send(batch, 5.0)
    exporter.close()
    assert sink.requests[-1].http.path == path


def test_an_address_without_a_scheme_is_plain_http(sink: OTLPSink, batch: Batch) -> None:
    exporter = exporter_for(f"127.0.0.1:{sink.port}")
    assert exporter.send(batch, 5.0).accepted
    exporter.close()


def test_large_bodies_are_compressed_unless_told_otherwise(
    sink: OTLPSink, batch: Batch, exporter: OtlpHttpExporter
) -> None:
    exporter.send(batch, 5.0)
    plain = exporter_for(sink.endpoint, gzip=False)
    plain.send(batch, 5.0)
    plain.close()
    compressed, uncompressed = (request.http for request in sink.requests)
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in uncompressed.headers
    assert compressed.content == uncompressed.body == batch.body


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, (True, False)),
        (502, (True, False)),
        (503, (True, False)),
        (504, (True, False)),
        (400, (False, False)),
        (401, (False, False)),
        (404, (False, False)),
        (413, (False, True)),
        (500, (False, False)),
        (501, (False, False)),
        (302, (False, False)),
    ],
)
def test_statuses(
    sink: OTLPSink,
    exporter: OtlpHttpExporter,
    batch: Batch,
    status: int,
    expected: tuple[bool, bool],
) -> None:
    sink.fail(status)
    result = exporter.send(batch, 5.0)
    assert not result.accepted
    assert (result.retry, result.too_large) == expected
    assert str(status) in result.message
    assert exporter.send(batch, 5.0).accepted


@pytest.mark.parametrize(
    ("header", "range_s"),
    [
        ("7", (7, 7)),
        ("0.5", (0.5, 0.5)),
        (email.utils.formatdate(time.time() + 3000, usegmt=True), (1, 3000)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", (0, 0)),
        ("999999999", (3600, 3600)),
        ("-5", (0, 0)),
    ],
)
def test_retry_after(
    sink: OTLPSink,
    exporter: OtlpHttpExporter,
    batch: Batch,
    header: str,
    range_s: tuple[float, float],
) -> None:
    sink.faults(Fault(503, headers={"Retry-After": header}))
    result = exporter.send(batch, 5.0)
    assert result.retry
    assert result.retry_after_s is not None
    assert range_s[0] <= result.retry_after_s <= range_s[1]


@pytest.mark.parametrize("header", ["", "soon", "nan", "Wed, 99 Foo 2015", "\xff"])
def test_retry_after_that_makes_no_sense_is_none(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch, header: str
) -> None:
    sink.faults(Fault(503, headers={"Retry-After": header}))
    assert exporter.send(batch, 5.0).retry_after_s is None


def test_partial_success_is_told(sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch) -> None:
    sink.partial(2, "attributes too long")
    result = exporter.send(batch, 5.0)
    assert (result.accepted, result.rejected, result.message) == (True, 2, "attributes too long")


def test_partial_success_in_json_and_out_of_range(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    body = json.dumps({"partialSuccess": {"rejectedSpans": "99", "errorMessage": "no"}}).encode()
    sink.faults(Fault(200, body, {"Content-Type": "application/json"}, keep=True))
    result = exporter.send(batch, 5.0)
    assert (result.accepted, result.rejected, result.message) == (True, 4, "no")


@pytest.mark.parametrize(
    "answer",
    [
        (b"\xff\xff\xff\xff", "application/x-protobuf"),
        (b"\x0a\x05\x08\x01", "application/x-protobuf"),
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b'{"partialSuccess": {"rejectedSpans": "many"}}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"<html>hello</html>", "text/html"),
        (b"\x00" * 300_000, "application/x-protobuf"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_nonsense_bodies_are_survived(
    sink: OTLPSink,
    exporter: OtlpHttpExporter,
    batch: Batch,
    answer: tuple[bytes, str],
    status: int,
) -> None:
    body, content_type = answer
    sink.faults(Fault(status, body, {"Content-Type": content_type}, keep=status == 200))
    result = exporter.send(batch, 5.0)
    assert result.accepted is (status == 200)
    assert result.rejected == 0
    assert len(result.message) < 500
    assert exporter.send(batch, 5.0).accepted


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\x08\x03\x12\x07bad\nkey", "application/x-protobuf"),
        (b'{"code": 3, "message": "bad\\nkey"}', "application/json"),
        (b"bad\r\nkey\x1b", "text/plain"),
    ],
)
def test_the_back_ends_words_are_passed_on(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch, body: bytes, content_type: str
) -> None:
    sink.faults(Fault(400, body, {"Content-Type": content_type}))
    assert exporter.send(batch, 5.0).message.endswith("/v1/traces answered 400: bad key")


def test_header_values_are_sent_and_never_shown(sink: OTLPSink, batch: Batch) -> None:
    secret = "open" + "sesame"
    exporter = exporter_for(
        sink.endpoint.replace("//", f"//user:{secret}2@") + f"/?key={secret}3",
        headers={"x-key": f"Bearer {secret}1"},
    )
    sink.faults(Fault(403, f"who is {secret}1?".encode()))
    refused = exporter.send(batch, 5.0)
    assert sink.requests[0].http.headers["x-key"] == f"Bearer {secret}1"
    assert sink.requests[0].http.headers["authorization"].startswith("Basic ")
    assert sink.requests[0].http.query == f"key={secret}3"
    sink.stop()
    unreachable = exporter.send(batch, 5.0)
    exporter.close()
    assert "answered 403: who is [redacted]?" in refused.message
    assert "Connection refused" in unreachable.message
    assert secret not in refused.message + unreachable.message


def test_a_back_end_that_is_down_is_tried_again(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    assert exporter.send(batch, 5.0).accepted
    sink.stop()
    result = exporter.send(batch, 5.0)
    assert (result.accepted, result.retry) == (False, True)
    sink.start()
    assert exporter.send(batch, 5.0).accepted


def test_a_reset_connection_is_tried_again(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    sink.reset()
    assert exporter.send(batch, 5.0).retry
    assert exporter.send(batch, 5.0).accepted


def test_a_slow_back_end_costs_no_more_than_the_timeout(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    sink.slow(1.5)
    start = time.monotonic()
    result = exporter.send(batch, 0.2)
    assert time.monotonic() - start < 1.0
    assert (result.retry, result.message.endswith("no answer in time")) == (True, True)


class _Scripted:
    """A server whose every answer is given by the test."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.seen: list[Request] = []

        def handle(request: Request) -> Response:
            self.seen.append(request)
            return answer(request)

        self.server = LoopbackServer(handle)
        self.url = f"http://127.0.0.1:{self.server.port}"


def _redirect(location: str) -> Mapping[str, str]:
    return {"Location": location}


def test_redirects_stay_at_home(batch: Batch) -> None:
    elsewhere = _Scripted(lambda _: Response(200))
    home = _Scripted(
        lambda request: (
            Response(307, headers=_redirect("/right/"))
            if request.path == "/v1/traces"
            else Response(308, headers=_redirect(elsewhere.url + "/v1/traces"))
            if request.path == "/away/v1/traces"
            else Response(200)
        )
    )
    with home.server, elsewhere.server:
        for path, accepted in (("", True), ("/away", False)):
            exporter = exporter_for(home.url + path, headers={"x-key": "value"})
            assert exporter.send(batch, 5.0).accepted is accepted
            exporter.close()
    assert [request.path for request in home.seen] == ["/v1/traces", "/right/", "/away/v1/traces"]
    assert home.seen[1].content == batch.body
    assert elsewhere.seen == []


def test_an_alexobs_server_is_recognised(sink: OTLPSink, batch: Batch) -> None:
    ours = _Scripted(lambda _: Response(200, headers={"X-Alexobs-Server": "1"}))
    with ours.server:
        exporter = exporter_for(ours.url)
        assert exporter.send(batch, 5.0).alexobs_server
        exporter.close()


def test_one_connection_serves_many_requests(batch: Batch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def serve() -> None:
        connection, _ = listener.accept()
        accepted.append(connection)
        answered = 0
        data = b""
        while answered < 3:
            data += connection.recv(65536)
            head, found, rest = data.partition(b"\r\n\r\n")
            if found:
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(rest) >= size:
                    data = rest[size:]
                    answered += 1
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    exporter = exporter_for(f"http://127.0.0.1:{listener.getsockname()[1]}")
    results = [exporter.send(batch, 5.0).accepted for _ in range(3)]
    thread.join()
    exporter.close()
    listener.close()
    assert results == [True, True, True]
    assert len(accepted) == 1


def test_a_trickling_answer_does_not_hold_the_worker(batch: Batch) -> None:
    trickle = _Scripted(lambda _: Response(200, chunks=[b"x"] * 50, chunk_every_s=0.1))
    with trickle.server:
        exporter = exporter_for(trickle.url)
        start = time.monotonic()
        assert exporter.send(batch, 0.3).accepted
        assert time.monotonic() - start < 1.5
        exporter.close()


def test_what_we_send_is_not_instrumented() -> None:
    keys = ("suppress_instrumentation", otel_context._SUPPRESS_INSTRUMENTATION_KEY)
    with no_instrumentation():
        assert all(otel_context.get_value(key) for key in keys)
    assert not any(otel_context.get_value(key) for key in keys)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    assert exporter.send(batch, 5.0).accepted
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        ok = all(exporter.send(batch, 5.0).accepted for _ in range(3))
        exporter.close()
        os._exit(0 if ok else 1)
    results = [exporter.send(batch, 5.0) for _ in range(3)]
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert all(result.accepted for result in results)
    assert len(sink.spans()) == 4 * 7


def test_halves_of_a_refused_batch_arrive_whole(
    sink: OTLPSink, exporter: OtlpHttpExporter, batch: Batch
) -> None:
    sink.fail(413)
    assert exporter.send(batch, 5.0).too_large
    halves = exporter.split(batch)
    assert halves is not None
    assert [half.count for half in halves] == [2, 2]
    assert all(exporter.send(half, 5.0).accepted for half in halves)
    assert [span.attributes["number"] for span in sink.spans()] == [1, 2, 3, 4]


def test_what_cannot_be_halved_is_not(exporter: OtlpHttpExporter) -> None:
    assert exporter.split(Batch("traces", "otlp", 1, b"")) is None
    assert exporter.split(Batch("traces", "otlp", 2, b"\xff\xff")) is None
