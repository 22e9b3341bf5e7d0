"""What both OTLP transports share: the encoding, and the halving of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs.exporters.otlp.encode import encode_logs, encode_metrics, encode_spans
from alexobs.exporters.otlp.split import split_request
from alexobs.records import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.records import LogRecord, MetricData, Resource, SpanData


class OtlpEncoding:
    """Encodes the three signals in OTLP's protobuf."""

    encoding = "otlp"
    spoolable = True

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return an ``ExportTraceServiceRequest``."""
        return encode_spans(spans, resource)

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> bytes:
        """Return an ``ExportLogsServiceRequest``."""
        return encode_logs(records, resource)

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> bytes:
        """Return an ``ExportMetricsServiceRequest``."""
        return encode_metrics(metrics, resource)

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by records (data points for metrics), or None for one record."""
        if batch.count < 2:
            return None
        first = batch.count // 2
        try:
            left, right = split_request(batch.body, batch.signal, first)
        except ValueError:
            return None
        rest = batch.count - first
        return (
            Batch(batch.signal, batch.encoding, first, left),
            Batch(batch.signal, batch.encoding, rest, right),
        )
