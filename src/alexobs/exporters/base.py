"""What the pipeline asks of an exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.records import Batch, LogRecord, MetricData, Resource, SendResult, SpanData


class Exporter(Protocol):
    """Turns records into bytes of one wire format and hands these to one back end.

    Encoding never raises for odd values in records. Sending never raises at all; it runs in the
    pipeline's worker and may block up to its timeout.
    """

    @property
    def encoding(self) -> str:
        """Name of the wire format, as spooled batches carry it."""
        ...

    @property
    def spoolable(self) -> bool:
        """Whether encoded batches are worth keeping for a later process."""
        ...

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return a request with `spans`."""
        ...

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> bytes | None:
        """Return a request with `records`, or None when the back end takes no logs."""
        ...

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> bytes | None:
        """Return a request with `metrics`, or None when the back end takes no metrics."""
        ...

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Hand `batch` over and return what became of it."""
        ...

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by records, or None when `batch` cannot be halved."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class Sender(Protocol):
    """The part of an exporter that replaying a spool needs."""

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Hand `batch` over and return what became of it."""
        ...

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by records, or None when `batch` cannot be halved."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
