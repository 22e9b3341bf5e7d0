"""The trees of sessions on the terminal, as they end."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TextIO

from alexobs.exporters.tree import as_ascii, render_tree
from alexobs.exporters.values import repaired_span
from alexobs.records import SendResult
from alexobs.semconv import SPAN_SESSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.records import Batch, LogRecord, MetricData, Resource, SpanData

# Spans that may wait for their root; the oldest trace is shown unfinished beyond.
_MAX_WAITING_SPANS = 10_000


def wants_color(stream: TextIO) -> bool:
    """Tell whether colours belong on `stream`: a terminal, and nobody said no."""
    if os.environ.get("NO_COLOR"):
        return False
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


class ConsoleExporter:
    """Writes a tree when its root has ended, to standard error unless told otherwise.

    Spans wait for their root in here, so they count as sent before they are seen; `close` shows
    what still waits.

    Args:
        stream: where trees go; None takes ``sys.stderr`` as it is at the time.
    """

    encoding = "console"
    spoolable = False

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._start_over()

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return the trees that are complete with `spans`; empty when none is."""
        if self._pid != os.getpid():
            self._start_over()
        with self._lock:
            complete = []
            for span in map(repaired_span, spans):
                self._waiting.setdefault(span.trace_id, []).append(span)
                self._count += 1
                if not span.parent_span_id or span.name == SPAN_SESSION:
                    complete.append(span.trace_id)
            ready = [self._taken(trace_id) for trace_id in dict.fromkeys(complete)]
            while self._count > _MAX_WAITING_SPANS:
                ready.append(self._taken(next(iter(self._waiting))))
        return self._rendered(ready)

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> None:
        """Return None: log lines have their own stream."""

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> None:
        """Return None: metrics are not shown."""

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Write what `encode_spans` has returned."""
        try:
            self._write(batch.body)
        except (OSError, ValueError) as error:  # closed, or a broken pipe: it will not heal
            return SendResult(accepted=False, message=f"console: {type(error).__name__}")
        return SendResult(accepted=True)

    def split(self, batch: Batch) -> None:
        """Return None: no tree is too large for a terminal."""

    def close(self) -> None:
        """Write the spans whose root has not come."""
        if self._pid != os.getpid():
            return
        with self._lock:
            left = [self._taken(trace_id) for trace_id in list(self._waiting)]
        with contextlib.suppress(OSError, ValueError):  # the stream may be gone by now
            self._write(self._rendered(left))

    def _start_over(self) -> None:
        """Begin with nothing; a forked child leaves what waits to its parent."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, list[SpanData]] = OrderedDict()
        self._count = 0

    def _taken(self, trace_id: int) -> list[SpanData]:
        spans = self._waiting.pop(trace_id)
        self._count -= len(spans)
        return spans

    def _rendered(self, traces: Sequence[Sequence[SpanData]]) -> bytes:
        stream = self._target()
        width = shutil.get_terminal_size((100, 24)).columns
        color = stream is not None and wants_color(stream)
        trees = [render_tree(spans, color=color, width=width) for spans in traces if spans]
        return "\n".join(trees).encode()

    def _target(self) -> TextIO | None:
        return self._stream if self._stream is not None else sys.stderr

    def _write(self, body: bytes) -> None:
        stream = self._target()
        if not body or stream is None:
            return
        text = body.decode()
        try:
            text.encode(getattr(stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = as_ascii(text)
        stream.write(text)
        stream.flush()
