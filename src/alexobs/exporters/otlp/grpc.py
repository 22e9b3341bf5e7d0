"""OTLP over gRPC, without generated code: requests are bytes already, answers are parsed by hand.

grpcio comes with the extra ``grpc`` and is imported at the first request.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.errors import MissingExtraError
from alexobs.exporters.answers import short
from alexobs.exporters.otlp.exporter import OtlpEncoding
from alexobs.exporters.otlp.response import partial_success, status_of
from alexobs.exporters.transport import no_instrumentation, redacted, user_agent
from alexobs.forks import unforked
from alexobs.records import SendResult
from alexobs.semconv import SERVER_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from alexobs.exporters.endpoints import Certificates, Endpoint
    from alexobs.records import Batch, Signal

_METHODS: Mapping[Signal, str] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
# By the OTLP specification; RESOURCE_EXHAUSTED only when the server says when to come again.
_RETRYABLE = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)
# Every implementation has its own words for a message beyond its limit, and one status for all.
_TOO_LARGE_WORDS = ("larger than max", "exceeds maximum", "too large")
_STATUS_DETAILS = "grpc-status-details-bin"


class OtlpGrpcExporter(OtlpEncoding):
    """Sends to an OTLP/gRPC receiver; one channel serves all signals.

    Args:
        endpoint: its path is ignored; https means TLS.
        headers: sent as metadata with every request; names in lower case.
        gzip: compress messages.
        certificates: for https.

    Raises:
        MissingExtraError: when grpcio is not installed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str] | None = None,
        gzip: bool = True,
        certificates: Certificates | None = None,
    ) -> None:
        if importlib.util.find_spec("grpc") is None:
            raise MissingExtraError("OTLP over gRPC", "grpc")
        self.endpoint = endpoint
        self._headers = dict(headers or {})
        if endpoint.authorization:
            self._headers.setdefault("authorization", endpoint.authorization)
        self._gzip = gzip
        self._certificates = certificates
        # No lock: one that another thread held when a process forked would stay shut in the child.
        self._channel: tuple[int, grpc.Channel, Mapping[Signal, Any]] | None = None

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Call ``Export`` of the signal's service."""
        try:
            with no_instrumentation():
                call = self._call(batch.signal)
                body, rpc = call.with_call(
                    batch.body, timeout=timeout_s, metadata=tuple(self._headers.items())
                )
                ours = _is_ours(rpc)
        except Exception as error:
            return self._failure(error)
        partial = partial_success(body)
        return SendResult(
            accepted=True,
            rejected=min(partial.rejected, batch.count),
            message=short(redacted(partial.message, self._headers)),
            alexobs_server=ours,
        )

    def close(self) -> None:
        """Close the channel, unless it belongs to the process we were forked from."""
        channel, self._channel = self._channel, None
        if channel is not None and channel[0] == os.getpid():
            channel[1].close()

    def _call(self, signal: Signal) -> Any:
        channel = self._channel
        if channel is None or channel[0] != os.getpid():
            opened = self._new_channel()
            # No serialisers: bytes go in and come out.
            calls: dict[Signal, Any] = {
                name: opened.unary_unary(method) for name, method in _METHODS.items()
            }
            channel = self._channel = (os.getpid(), opened, calls)
        return channel[2][signal]

    def _new_channel(self) -> grpc.Channel:
        with unforked():
            import grpc  # noqa: PLC0415 - see the module's docstring

            agent = user_agent()
        options = [
            ("grpc.primary_user_agent", agent),
            ("grpc.max_send_message_length", -1),
            # A forked child must not share its parent's connection.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        compression = grpc.Compression.Gzip if self._gzip else grpc.Compression.NoCompression
        target = self.endpoint.authority
        if self.endpoint.scheme != "https":
            return grpc.insecure_channel(target, options=options, compression=compression)
        files = self._certificates
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_content(files.trusted if files else ""),
            private_key=_content(files.client_key if files else ""),
            certificate_chain=_content(files.client if files else ""),
        )
        return grpc.secure_channel(target, credentials, options=options, compression=compression)

    def _failure(self, error: Exception) -> SendResult:
        code = getattr(error, "code", None)
        if not callable(code):
            # Not an answer but a fault on our side, as a closed channel; the batch may be fine.
            message = f"{self.endpoint.authority}: {type(error).__name__}"
            return SendResult(accepted=False, retry=True, message=message)
        name = str(getattr(code(), "name", code()))
        tell = getattr(error, "details", None)
        details = str(tell() or "") if callable(tell) else ""
        delay_s = _retry_delay_s(error)
        too_large = name == "RESOURCE_EXHAUSTED" and any(
            words in details.lower() for words in _TOO_LARGE_WORDS
        )
        exhausted = name == "RESOURCE_EXHAUSTED" and delay_s is not None
        said = short(redacted(details, self._headers))
        return SendResult(
            accepted=False,
            retry=not too_large and (name in _RETRYABLE or exhausted),
            too_large=too_large,
            retry_after_s=delay_s,
            message=f"{self.endpoint.authority} answered {name}" + (f": {said}" if said else ""),
            alexobs_server=_is_ours(error),
        )


def _is_ours(rpc: Any) -> bool:
    with contextlib.suppress(Exception):
        return any(key == SERVER_HEADER for key, _ in rpc.initial_metadata() or ())
    return False


def _retry_delay_s(error: Any) -> float | None:
    with contextlib.suppress(Exception):
        for key, value in error.trailing_metadata() or ():
            if key == _STATUS_DETAILS:
                return status_of(value).retry_delay_s
    return None


def _content(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None
