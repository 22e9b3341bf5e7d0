"""Spans in a file, one OTLP/JSON request per line, as the OpenTelemetry Collector reads them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from alexobs.exporters.otlp.jsonlines import spans_to_json
from alexobs.records import Batch, SendResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.records import LogRecord, MetricData, Resource, SpanData

# About 100,000 spans; with the one older file that is kept, the disk holds twice that.
MAX_BYTES = 64 * 1024 * 1024


class FileExporter:
    """Appends to a file; at `max_bytes` it becomes ``<path>.1``, in place of the one before.

    Several processes may append to one file. A disk that is full is waited for: what was written
    of the line is taken back, and the batch is tried again.
    """

    encoding = "file"
    spoolable = True

    def __init__(self, path: str, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = Path(path).expanduser().absolute()
        self._max_bytes = max_bytes

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return one line."""
        return spans_to_json(spans, resource) + b"\n"

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> None:
        """Return None: the file holds spans."""

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> None:
        """Return None: the file holds spans."""

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Append the line of `batch`."""
        try:
            self._append(batch.body)
        except OSError as error:
            return SendResult(
                accepted=False, retry=True, message=f"{self.path}: {error.strerror or error}"
            )
        return SendResult(accepted=True)

    def split(self, batch: Batch) -> None:
        """Return None: no line is too long for a file."""

    def close(self) -> None:
        """Do nothing: the file is open only while it is written."""

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            size = self.path.stat().st_size
            if size and size + len(line) > self._max_bytes:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
        # Prompts and results are in it: for its owner alone.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o600)
        try:
            _append_line(descriptor, line)
        finally:
            os.close(descriptor)


def _append_line(descriptor: int, line: bytes) -> None:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":  # a process died within its line
            line = b"\n" + line
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        # Only what is still the end of the file is ours to take back.
        if written and os.lseek(descriptor, 0, os.SEEK_END) == size + written:
            os.ftruncate(descriptor, size)
        raise
