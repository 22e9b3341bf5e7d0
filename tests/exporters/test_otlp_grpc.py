"""OTLP over gRPC against a real gRPC server."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from alexobs.errors import MissingExtraError
from alexobs.exporters.endpoints import parse_endpoint
from alexobs.exporters.otlp.grpc import OtlpGrpcExporter
from alexobs.records import Batch, LogRecord, MetricData, NumberPoint, Resource, Scope, SpanData
from alexobs.testing.otlp import Fault, OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESOURCE = Resource({"service.name": "shop"})


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink(grpc=True) as sink:
        yield sink


def exporter_for(port: int, **options: Any) -> OtlpGrpcExporter:
    return OtlpGrpcExporter(parse_endpoint(f"http://127.0.0.1:{port}", key="test"), **options)


@pytest.fixture
def exporter(sink: OTLPSink) -> Iterator[OtlpGrpcExporter]:
    exporter = exporter_for(sink.grpc_port)
    yield exporter
    exporter.close()


@pytest.fixture
def batch(exporter: OtlpGrpcExporter, make_span: Callable[..., SpanData]) -> Batch:
    spans = [make_span() for _ in range(4)]
    return Batch("traces", "otlp", 4, exporter.encode_spans(spans, RESOURCE))


def test_all_three_signals_arrive(sink: OTLPSink, exporter: OtlpGrpcExporter, batch: Batch) -> None:
    scope = Scope("s")
    record = LogRecord(time_ns=1, severity=9, body="hello", attributes={}, scope=scope)
    point = NumberPoint({"model": "m"}, 1, 2, 3.5)
    metric = MetricData("m", "", "1", "sum", True, "cumulative", scope, [point])
    for each in (
        batch,
        Batch("logs", "otlp", 1, exporter.encode_logs([record], RESOURCE)),
        Batch("metrics", "otlp", 1, exporter.encode_metrics([metric], RESOURCE)),
    ):
        result = exporter.send(each, 5.0)
        assert (result.accepted, result.rejected, result.message) == (True, 0, "")
    assert len(sink.spans()) == 4
    assert [log.body for log in sink.logs()] == ["hello"]
    assert [metric.name for metric in sink.metrics()] == ["m"]


def test_partial_success_is_told(sink: OTLPSink, exporter: OtlpGrpcExporter, batch: Batch) -> None:
    sink.partial(3, "too old")
    result = exporter.send(batch, 5.0)
    assert (result.accepted, result.rejected, result.message) == (True, 3, "too old")


def test_a_server_that_is_down_is_tried_again(batch: Batch) -> None:
    exporter = exporter_for(1)
    result = exporter.send(batch, 2.0)
    exporter.close()
    assert (result.accepted, result.retry) == (False, True)
    assert "UNAVAILABLE" in result.message


def test_a_slow_server_costs_no_more_than_the_timeout(
    sink: OTLPSink, exporter: OtlpGrpcExporter, batch: Batch
) -> None:
    assert exporter.send(batch, 5.0).accepted
    sink.slow(1.0)
    start = time.monotonic()
    result = exporter.send(batch, 0.2)
    assert time.monotonic() - start < 0.9
    assert (result.accepted, result.retry) == (False, True)
    assert "DEADLINE_EXCEEDED" in result.message


class _Refusing(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio has no types
    """Answers every call with one status."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: Any = ()) -> None:
        self._answer = (code, details, trailers)
        self.metadata: dict[str, Any] = {}

    def service(self, handler_call_details: Any) -> Any:
        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            code, details, trailers = self._answer
            self.metadata = {item[0]: item[1] for item in context.invocation_metadata()}
            context.send_initial_metadata((("x-alexobs-server", "1"),))
            context.set_trailing_metadata(trailers)
            context.abort(code, details)
            return b""

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture
def refuse(batch: Batch) -> Iterator[Callable[..., Any]]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    servers = []

    def run(code: str, details: str = "no", trailers: Any = (), **options: Any) -> Any:
        handler = _Refusing(grpc.StatusCode[code], details, trailers)
        server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        exporter = exporter_for(port, **options)
        result = exporter.send(batch, 5.0)
        exporter.close()
        return result, handler.metadata

    yield run
    for server in servers:
        server.stop(0)


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode if code.name != "OK"])
def test_statuses_are_retried_as_the_specification_says(
    refuse: Callable[..., Any], code: str
) -> None:
    result, _ = refuse(code)
    retryable = {
        "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS",
    }  # fmt: skip
    assert (result.accepted, result.retry) == (False, code in retryable)
    assert result.message.endswith(f"answered {code}: no")
    assert result.alexobs_server


def test_an_exhausted_server_is_tried_again_when_it_says_when(
    sink: OTLPSink, exporter: OtlpGrpcExporter, batch: Batch
) -> None:
    sink.fail(429, retry_after_s=1.5)
    result = exporter.send(batch, 5.0)
    assert (result.retry, result.retry_after_s) == (True, 1.5)


@pytest.mark.parametrize("details", [b"", b"\xff\xff", b"\x1a\x05hello"])
def test_retry_details_that_make_no_sense_are_survived(
    refuse: Callable[..., Any], details: bytes
) -> None:
    result, _ = refuse("RESOURCE_EXHAUSTED", trailers=(("grpc-status-details-bin", details),))
    assert (result.retry, result.retry_after_s) == (False, None)


@pytest.mark.parametrize(
    "details",
    [
        "SERVER: Received message larger than max (9 vs. 4)",
        "gRPC message exceeds maximum size 4: 9",
        "Error, message length too large: found 9 bytes, the limit is: 4 bytes",
    ],
)
def test_a_message_beyond_the_limit_is_to_be_halved(
    refuse: Callable[..., Any], details: str
) -> None:
    result, _ = refuse("RESOURCE_EXHAUSTED", details)
    assert (result.too_large, result.retry) == (True, False)


def test_header_values_are_sent_and_never_shown(refuse: Callable[..., Any]) -> None:
    secret = "open" + "sesame"
    result, metadata = refuse(
        "UNAUTHENTICATED", f"who is {secret}?", headers={"x-key": f"Bearer {secret}"}
    )
    assert metadata["x-key"] == f"Bearer {secret}"
    assert secret not in result.message


def test_without_grpcio_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alexobs\[grpc\]'"):
        exporter_for(4317)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_a_channel_of_its_own(sink: OTLPSink) -> None:
    # In a process of its own: the test's server must not be running where we fork.
    program = f"""
        import os, signal
        from alexobs.exporters.endpoints import parse_endpoint
        from alexobs.exporters.otlp.grpc import OtlpGrpcExporter
        from alexobs.records import *
        exporter = OtlpGrpcExporter(parse_endpoint("http://127.0.0.1:{sink.grpc_port}", key=""))
        span = SpanData(trace_id=1, span_id=2, name="n", start_ns=1, end_ns=2, attributes={{}},
                        scope=Scope("s"))
        batch = Batch("traces", "otlp", 1, exporter.encode_spans([span], Resource()))
        assert exporter.send(batch, 5.0).accepted
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            results = [exporter.send(batch, 5.0) for _ in range(3)]
            os._exit(0 if all(r.accepted for r in results) else 1)
        assert all(exporter.send(batch, 5.0).accepted for _ in range(3))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        exporter.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(sink.spans()) == 7


def test_a_busy_server_is_tried_again(
    sink: OTLPSink, exporter: OtlpGrpcExporter, batch: Batch
) -> None:
    sink.faults(Fault(503, message="busy"))
    assert exporter.send(batch, 5.0).retry
    assert exporter.send(batch, 5.0).accepted
