"""What is ready to leave: staged, then encoded, then handed to the delivery in batches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from alexobs.pipeline.assemble import cut_long_texts
from alexobs.records import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import RLock

    from alexobs.config.model import PipelineConfig
    from alexobs.exporters.base import Exporter
    from alexobs.pipeline.accounting import Accounting
    from alexobs.pipeline.assemble import BatchRedactor
    from alexobs.pipeline.delivery import Delivery
    from alexobs.records import LogRecord, MetricData, Resource, Signal, SpanData

PAUSE_S = 0.00005  # long enough for a waiting thread to take the interpreter
ENCODE_CHUNK = 128  # records encoded in one go


class _Encoded:
    """Parts of one request, encoded and not yet handed to the delivery."""

    __slots__ = ("_parts", "count", "size_bytes")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.count = 0
        self.size_bytes = 0

    def add(self, count: int, part: bytes) -> None:
        self._parts.append(part)
        self.count += count
        self.size_bytes += len(part)

    def take(self) -> tuple[int, bytes]:
        """Return how many records there are and their request, and start anew."""
        count, body = self.count, b"".join(self._parts)
        self._parts, self.count, self.size_bytes = [], 0, 0
        return count, body


class Outbox:
    """Takes spans and log records that are final, and the points of metrics.

    Args:
        config: how much makes a batch.
        resource: the process, for the exporters.
        accounting: the books.
        lock: guards the books and what is staged.
        fault: takes faults of ours.
        submitted: called when the delivery has got something to do.

    Attributes:
        waiting_since: when the oldest record came that waits here or in the queue, by the
            monotonic clock; 0 when nothing waits.
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        resource: Resource,
        accounting: Accounting,
        lock: RLock,
        fault: Callable[[str, BaseException], None],
        submitted: Callable[[], None],
    ) -> None:
        self._config = config
        self._accounting = accounting
        self._fault = fault
        self._exporters: Mapping[Signal, Exporter] = {}
        self._delivery: Delivery | None = None
        self._max_length = 1 << 30
        self.after_fork_in_child(resource, lock, submitted)

    def use(
        self,
        exporters: Mapping[Signal, Exporter],
        delivery: Delivery | None,
        config: PipelineConfig,
        max_length: int,
    ) -> None:
        """Encode and deliver with these from now on; `max_length` bounds each text."""
        self._exporters = exporters
        self._delivery = delivery
        self._config = config
        self._max_length = max_length

    def after_fork_in_child(
        self, resource: Resource, lock: RLock, submitted: Callable[[], None]
    ) -> None:
        """Start empty: what the parent has recorded, the parent sends."""
        self._resource = resource
        self._lock = lock
        self._submitted = submitted
        self._spans: list[SpanData] = []
        self._logs: list[LogRecord] = []
        self._encoded = {"traces": _Encoded(), "logs": _Encoded()}
        self.waiting_since = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the spans that are staged make a batch."""
        return len(self._spans) >= self._config.batch_max_records

    def waiting(self) -> dict[Signal, int]:
        """Return how many records of each signal are staged or encoded, and not yet delivered."""
        return {
            "traces": len(self._spans) + self._encoded["traces"].count,
            "logs": len(self._logs) + self._encoded["logs"].count,
        }

    # -- in ------------------------------------------------------------------------------------

    def stage_spans(self, spans: list[SpanData]) -> None:
        """Take spans, redacted already, for the back end; the caller holds the lock."""
        if not spans:
            return
        if "traces" not in self._exporters:
            self._accounting.dropped("traces", "no_exporter", len(spans))
            return
        self._spans += spans
        self.mark_waiting(time.monotonic())

    def stage_logs(self, records: Sequence[LogRecord]) -> None:
        """Take log records, redacted already, for the back end."""
        with self._lock:
            if "logs" not in self._exporters:
                return
            self._accounting.created("logs", len(records))
            self._logs += records
            self.mark_waiting(time.monotonic())

    def mark_waiting(self, now: float) -> None:
        """Note that something waits from `now` on, unless something else has waited longer."""
        if not self.waiting_since:
            self.waiting_since = now

    # -- out -----------------------------------------------------------------------------------

    def encode(self, *, pause: bool) -> None:
        """Encode what is staged and hand it to the delivery; `pause` lets other threads in."""
        while self._encode_some():
            if pause:
                time.sleep(PAUSE_S)

    def _encode_some(self) -> bool:
        """Encode a chunk of each signal; tell whether more is staged."""
        with self._lock:
            more = self._encode_chunk("traces", self._spans)
            more = self._encode_chunk("logs", self._logs) or more
            if not more:
                self.waiting_since = 0.0
            return more

    def _encode_chunk(self, signal: Signal, staged: list[Any]) -> bool:
        encoded = self._encoded[signal]
        exporter = self._exporters.get(signal)
        # Parts of an OTLP request make one when they are put end to end, by protobuf's rules;
        # other formats are encoded in one piece.
        joins = exporter is not None and exporter.encoding == "otlp"
        settings = self._config
        if staged:
            size = ENCODE_CHUNK if joins else settings.batch_max_records
            chunk = staged[:size]
            del staged[:size]
            self._encode_records(signal, chunk, encoded)
        full = (
            encoded.count + ENCODE_CHUNK > settings.batch_max_records
            or encoded.size_bytes > settings.batch_max_bytes
        )
        if encoded.count and (full or not joins or not staged):
            self._submit(signal, exporter, *encoded.take())
        return bool(staged)

    def _encode_records(self, signal: Signal, records: Sequence[Any], encoded: _Encoded) -> None:
        exporter = self._exporters.get(signal)
        if exporter is None:
            self._accounting.dropped(signal, "no_exporter", len(records))
            return
        encode = exporter.encode_spans if signal == "traces" else exporter.encode_logs
        try:
            body = encode(records, self._resource) or b""
            limit = self._max_length
            # No text in it can be longer than the whole.
            if signal == "traces" and len(body) > limit and cut_long_texts(records, limit):
                body = encode(records, self._resource) or b""
            encoded.add(len(records), body)
        except Exception as fault:
            self._fault("encode", fault)
            if len(records) == 1:
                self._accounting.dropped(signal, "failed", 1)
                return
            middle = len(records) // 2
            self._encode_records(signal, records[:middle], encoded)
            self._encode_records(signal, records[middle:], encoded)

    def _submit(
        self, signal: Signal, exporter: Exporter | None, count: int, body: bytes | None
    ) -> None:
        delivery = self._delivery
        if delivery is None or exporter is None or body is None:
            self._accounting.dropped(signal, "no_exporter", count)
            return
        delivery.submit(Batch(signal, exporter.encoding, count, body))
        self._submitted()

    def send_metrics(self, metrics: Sequence[MetricData]) -> None:
        """Encode and spool the points of `metrics`."""
        count = sum(len(metric.points) for metric in metrics)
        with self._lock:
            exporter = self._exporters.get("metrics")
            if exporter is None or not count:
                return
            self._accounting.created("metrics", count)
            self._submit(
                "metrics", exporter, count, exporter.encode_metrics(metrics, self._resource)
            )

    def announce(self, records: Sequence[LogRecord], redactor: BatchRedactor | None) -> None:
        """Send events about running spans: at once, unspooled, and not part of the accounts."""
        exporter = self._exporters.get("logs")
        delivery = self._delivery
        if exporter is None or delivery is None:
            return
        if redactor is not None:
            clean = redactor.batch([record.attributes for record in records])
            for record, attributes in zip(records, clean, strict=True):
                record.attributes = attributes
        body = exporter.encode_logs(records, self._resource)
        if body is not None:
            delivery.announce(Batch("logs", exporter.encoding, len(records), body))
            self._submitted()
