"""The gRPC entrance of the OTLP sink."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from alexobs.errors import MissingExtraError
from alexobs.testing import otlp_decode
from alexobs.testing.loopback import Request
from alexobs.testing.sink import Fault, SinkRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.testing.otlp import OTLPSink

SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
# HTTP status to gRPC code, by the OTLP specification's tables read backwards.
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    413: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


class GRPCFront:
    """A gRPC server that hands requests and faults to a sink."""

    def __init__(self, sink: OTLPSink) -> None:
        try:
            import grpc  # noqa: PLC0415 - an extra, and 60 ms
        except ImportError as missing:
            raise MissingExtraError("The OTLP sink's gRPC entrance", "grpc") from missing
        self._grpc = grpc
        self._sink = sink
        self._closing = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="otlp-sink"))
        self._server.add_generic_rpc_handlers([self._service(signal) for signal in SERVICES])
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        """Stop the server and wait for it."""
        self._closing.set()
        self._server.stop(grace=0).wait(5)

    def _service(self, signal: str) -> Any:
        method = self._grpc.unary_unary_rpc_method_handler(self._method(signal))
        return self._grpc.method_handlers_generic_handler(SERVICES[signal], {"Export": method})

    def _method(self, signal: str) -> Callable[[bytes, Any], bytes]:
        def export(body: bytes, context: Any) -> bytes:
            fault = self._sink.next_fault()
            self._closing.wait(fault.delay_s)
            metadata = dict(context.invocation_metadata())
            request = Request("POST", f"/{SERVICES[signal]}/Export", "", metadata, body)
            status = 503 if fault.reset else fault.status
            if status in CODES and not fault.keep:
                self._sink.note(SinkRequest(request, status, accepted=False))
                self._abort(context, status, fault)
            self._sink.take(signal, body, fault.rejected)
            self._sink.note(SinkRequest(request, status, accepted=True))
            return fault.body or otlp_decode.answer(signal, fault.rejected, fault.message)

        return export

    def _abort(self, context: Any, status: int, fault: Fault) -> None:
        code = getattr(self._grpc.StatusCode, CODES[status])
        message = fault.message or f"told to fail with {status}"
        if fault.retry_after_s is not None:
            details = retry_details(code.value[0], message, fault.retry_after_s)
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, message)


def retry_details(code: int, message: str, retry_after_s: float) -> bytes:
    """Return a ``google.rpc.Status`` with a ``RetryInfo``, by hand: three nested messages."""
    seconds, fraction = divmod(retry_after_s, 1)
    duration = b"\x08" + _varint(int(seconds)) + b"\x10" + _varint(int(fraction * 1e9))
    info = b"\x0a" + _varint(len(duration)) + duration
    detail = _text(1, RETRY_INFO) + _text(2, info)
    return b"\x08" + _varint(code) + _text(2, message.encode()) + _text(3, detail)


def _text(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
