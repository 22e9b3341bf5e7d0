"""What the Jaeger and the Zipkin exporter share: one address that takes spans, and spans only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from alexobs.exporters.answers import plain_message, result_of
from alexobs.exporters.transport import HttpTransport, UnreachableError
from alexobs.records import SendResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.exporters.endpoints import Endpoint
    from alexobs.records import Batch, LogRecord, MetricData, Resource


class CollectorExporter:
    """Posts batches of spans to one address."""

    encoding: ClassVar[str]
    content_type: ClassVar[str]
    spoolable = True

    def __init__(self, endpoint: Endpoint, *, gzip: bool) -> None:
        self.endpoint = endpoint
        self._transport = HttpTransport(endpoint, gzip=gzip)

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> None:
        """Return None: the back end takes no logs."""

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> None:
        """Return None: the back end takes no metrics."""

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Post `batch`."""
        try:
            answer = self._transport.post(self.endpoint, batch.body, self.content_type, timeout_s)
        except UnreachableError as error:
            return SendResult(accepted=False, retry=True, message=str(error))
        return result_of(
            answer,
            display=self.endpoint.display,
            error_message=plain_message,
            redact=self._transport.redact,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
