"""OTLP over gRPC, without generated code: handlers take and give bytes."""

from __future__ import annotations

import hmac
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

import grpc

from alexobs import __version__, semconv
from alexobs.errors import ServerError
from alexobs.server.ingest import proto
from alexobs.server.ingest.decode import BadRequestError
from alexobs.server.ingest.intake import COMMIT_TIMEOUT_S, RETRY_AFTER_S
from alexobs.server.ingest.writer import FullError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alexobs.records import Signal
    from alexobs.server.ingest.intake import Intake

_SERVICES: Final[dict[str, Signal]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
# Each waits for its commit, which many requests share.
_WORKERS: Final = 16


class GrpcFront:
    """Listens for OTLP/gRPC.

    Raises:
        ServerError: the port cannot be used.
    """

    def __init__(self, intake: Intake, *, host: str, port: int, token: str) -> None:
        self._intake = intake
        self._token = token.encode()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="alexobs-grpc")
        self._server = grpc.server(
            self._pool,
            options=[
                ("grpc.max_receive_message_length", intake.max_body),
                ("grpc.so_reuseport", 0),  # or two servers would share the port unnoticed
            ],
            maximum_concurrent_rpcs=8 * _WORKERS,
        )
        for service, signal in _SERVICES.items():
            handler = grpc.unary_unary_rpc_method_handler(self._handler(signal))
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
            )
        address = f"[{host}]" if ":" in host and not host.startswith("[") else host
        try:
            self.port: int = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError:
            self._pool.shutdown(wait=False)
            raise ServerError(
                f"port {port} of {host} cannot be used: stop what listens there, or choose "
                "another with --grpc-port"
            ) from None

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and wait for those that were taken."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown()

    def _handler(self, signal: Signal) -> Any:
        def export(body: bytes, call: _Context) -> bytes:
            call.send_initial_metadata(((semconv.SERVER_HEADER, __version__),))
            if self._token and not self._knows_token(call):
                call.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")
            try:
                checked, done = self._intake.take(signal, body)
                done.result(COMMIT_TIMEOUT_S)
            except BadRequestError as error:
                call.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:500])
            except FullError:
                refuse_for_now(call)
            except Exception as error:
                message = f"not written: {type(error).__name__}: {error}"
                call.abort(grpc.StatusCode.UNAVAILABLE, message[:300])
            response = proto.Response()
            if checked.rejected:
                response.partial_success.rejected = checked.rejected
                response.partial_success.error_message = checked.message
            encoded: bytes = response.SerializeToString()
            return encoded

        return export

    def _knows_token(self, call: _Context) -> bool:
        for key, value in call.invocation_metadata():
            if key == "authorization" and value[:7].lower() == "bearer ":
                return hmac.compare_digest(value[7:].encode(), self._token)
        return False


class _Context(Protocol):
    """What is used of grpcio's `ServicerContext`, which ships no types."""

    def abort(self, code: Any, details: str) -> NoReturn: ...
    def invocation_metadata(self) -> Iterable[tuple[str, str]]: ...
    def send_initial_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None: ...
    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None: ...


def refuse_for_now(call: _Context) -> NoReturn:
    """Answer that the client may try again, and when, as the OTLP specification prescribes."""
    message = "the server has more to write than it can hold"
    status = proto.RPCStatus(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message=message)
    retry = proto.RetryInfo()
    retry.retry_delay.seconds = RETRY_AFTER_S
    status.details.add(
        type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry.SerializeToString()
    )
    call.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
