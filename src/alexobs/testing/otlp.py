"""An OTLP receiver for tests: it decodes what arrives, and misbehaves when told to.

::

    with OTLPSink() as sink:
        sink.fail(503, retry_after_s=0.1)
        ...  # send something to sink.endpoint
        assert sink.wait_until(lambda sink: len(sink.spans()) == 3)
"""

from __future__ import annotations

from typing import Any, Self

from alexobs.errors import MissingExtraError
from alexobs.testing import otlp_decode
from alexobs.testing.loopback import Request, Response
from alexobs.testing.otlp_decode import ReceivedLog, ReceivedMetric, ReceivedSpan
from alexobs.testing.otlp_grpc import GRPCFront
from alexobs.testing.sink import Fault, Sink, SinkRequest

PATHS = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
PROTOBUF = "application/x-protobuf"


class OTLPSink(Sink):
    """OTLP over HTTP/protobuf, and over gRPC when asked for.

    Args:
        port: HTTP port on 127.0.0.1; 0 takes a free one.
        grpc: serve gRPC too, on `grpc_port` (needs grpcio).
    """

    def __init__(self, *, port: int = 0, grpc: bool = False) -> None:
        self._spans: list[ReceivedSpan] = []
        self._logs: list[ReceivedLog] = []
        self._metrics: list[ReceivedMetric] = []
        self._grpc: GRPCFront | None = None
        super().__init__(port=port)
        if grpc:
            try:
                self._grpc = GRPCFront(self)
            except MissingExtraError:
                self.close()
                raise

    @property
    def endpoint(self) -> str:
        """The OTLP/HTTP endpoint; signals add their paths to it."""
        return self.url

    @property
    def grpc_port(self) -> int:
        """The gRPC port; 0 when gRPC was not asked for."""
        return self._grpc.port if self._grpc else 0

    def partial(self, rejected: int, message: str = "", *, times: int | None = 1) -> Self:
        """Accept requests but for their last `rejected` records."""
        return self.faults(Fault(rejected=rejected, message=message, keep=True), times=times)

    def spans(self, name: str | None = None) -> list[ReceivedSpan]:
        """Return the accepted spans, or those called `name`."""
        with self._changed:
            return [span for span in self._spans if name in (None, span.name)]

    def logs(self) -> list[ReceivedLog]:
        """Return the accepted log records."""
        with self._changed:
            return list(self._logs)

    def metrics(self, name: str | None = None) -> list[ReceivedMetric]:
        """Return the accepted metrics, or those called `name`; one for each request."""
        with self._changed:
            return [metric for metric in self._metrics if name in (None, metric.name)]

    def clear(self) -> None:
        """Forget what arrived."""
        with self._changed:
            super().clear()
            self._spans.clear()
            self._logs.clear()
            self._metrics.clear()

    def close(self) -> None:
        """Stop for good."""
        if self._grpc is not None:
            self._grpc.close()
        super().close()

    def take(self, signal: str, body: bytes, rejected: int = 0) -> None:
        """Decode and keep the records of one request, all but the last `rejected`."""
        message = otlp_decode.parse(signal, body)
        decode: Any = getattr(otlp_decode, {"traces": "spans"}.get(signal, signal))
        records = list(decode(message))
        kept: list[Any] = getattr(self, f"_{decode.__name__}")
        with self._changed:
            kept.extend(records[: len(records) - rejected] if rejected else records)

    def accept(self, request: Request, fault: Fault) -> Response:
        """Keep the records of an HTTP request."""
        signal = PATHS.get(request.path)
        if signal is None or request.method != "POST":
            return Response(404)
        if request.headers.get("content-type") != PROTOBUF:
            return Response(415)
        self.take(signal, request.content, fault.rejected)
        body = otlp_decode.answer(signal, fault.rejected, fault.message)
        return Response(body=body, headers={"Content-Type": PROTOBUF})


__all__ = ["Fault", "OTLPSink", "ReceivedLog", "ReceivedMetric", "ReceivedSpan", "SinkRequest"]
