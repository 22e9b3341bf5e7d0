"""OTLP over HTTP, in protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs.exporters.answers import result_of, short
from alexobs.exporters.otlp.exporter import OtlpEncoding
from alexobs.exporters.otlp.response import error_message, partial_success_of
from alexobs.exporters.transport import HttpTransport, UnreachableError
from alexobs.records import SendResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.exporters.endpoints import Certificates, Endpoint
    from alexobs.records import Batch

_CONTENT_TYPE = "application/x-protobuf"


class OtlpHttpExporter(OtlpEncoding):
    """Sends to an OTLP/HTTP receiver; one connection serves all signals.

    Args:
        endpoint: base address, or the full address of a signal.
        headers: sent with every request, as for authorization.
        gzip: compress bodies.
        certificates: for https.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str] | None = None,
        gzip: bool = True,
        certificates: Certificates | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._transport = HttpTransport(endpoint, headers, gzip=gzip, certificates=certificates)

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Post `batch` to the address of its signal."""
        endpoint = self.endpoint.for_signal(batch.signal)
        try:
            answer = self._transport.post(endpoint, batch.body, _CONTENT_TYPE, timeout_s)
        except UnreachableError as error:
            return SendResult(accepted=False, retry=True, message=str(error), unreachable=True)
        redact = self._transport.redact
        result = result_of(
            answer, display=endpoint.display, error_message=error_message, redact=redact
        )
        if not result.accepted:
            return result
        partial = partial_success_of(answer)
        return result._replace(
            rejected=min(partial.rejected, batch.count), message=short(redact(partial.message))
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
