"""Telemetry kept in memory, with ids and times that are the same in every run.

::

    with Capture() as capture:
        client = capture.obs.instrument(openai.OpenAI(...))
        with capture.obs.session("fix the bug"):
            client.chat.completions.create(...)
        print(capture.tree())

prints::

    alex.session.solve_task
      alex.llm.generate gpt-5-mini
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from alexobs import observability, parts, semconv
from alexobs.records import HistogramPoint, SendResult
from alexobs.tracing import Ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alexobs.records import Batch, LogRecord, MetricData, Resource, Signal, SpanData

START_NS: Final = 1_700_000_000_000_000_000
TICK_NS: Final = 1_000_000
LONGEST_FLUSH_S: Final = 30.0
STATUS_ERROR: Final = 2  # OTLP's number
QUIET: Final[Mapping[str, Any]] = {
    "metrics": {"prometheus": False},
    "tracing": {"exporter": "none"},
    "pipeline": {"spool": False},
}


class CountingIds(Ids):
    """Trace ids 1, 2, 3, ... and span ids 1, 2, 3, ..., in the order they are asked for."""

    def __init__(self) -> None:
        self._trace_ids = itertools.count(1)
        self._span_ids = itertools.count(1)

    def trace_id(self) -> int:
        """Return the next trace id."""
        return next(self._trace_ids)

    def span_id(self) -> int:
        """Return the next span id."""
        return next(self._span_ids)


class TickingClock:
    """A clock that goes on by one tick whenever it is read.

    Args:
        start_ns: what the first reading gives, Unix nanoseconds.
        tick_ns: nanoseconds between two readings.
    """

    def __init__(self, start_ns: int = START_NS, tick_ns: int = TICK_NS) -> None:
        self._readings = itertools.count(start_ns, tick_ns)

    def __call__(self) -> int:
        """Return the next reading."""
        return next(self._readings)


class MemoryExporter:
    """Keeps records as they would have been encoded: priced, redacted, final."""

    encoding = "memory"
    spoolable = False

    def __init__(self) -> None:
        self.spans: list[SpanData] = []
        self.logs: list[LogRecord] = []
        self.metrics: list[MetricData] = []

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Keep spans."""
        self.spans.extend(spans)
        return b"kept"

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> bytes:
        """Keep log records."""
        self.logs.extend(records)
        return b"kept"

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> bytes:
        """Keep the newest state of the metrics."""
        self.metrics = list(metrics)
        return b"kept"

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Accept everything."""
        return SendResult(accepted=True)

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return None: nothing is ever too large."""
        return None

    def close(self) -> None:
        """Nothing is held."""


class Capture:
    """An `Observability` of its own whose telemetry stays in memory.

    While it is open, ``alexobs.init()`` and ``alexobs.current()`` give this one, so that code
    which observes itself can be tested as it is.

    Args:
        overrides: settings, as for `Observability`; nothing is read from a file, nothing is
            served or sent, and faults of alexobs are raised instead of kept away.
    """

    def __init__(self, **overrides: Any) -> None:
        self._exporter = MemoryExporter()
        self._lock = threading.Lock()
        signals: tuple[Signal, ...] = ("traces", "logs", "metrics")
        self.obs = observability.Observability(
            _merged(QUIET, overrides),
            ids=CountingIds(),
            now_ns=TickingClock(),
            raise_faults=True,
        )
        engine = self.obs._engine  # noqa: SLF001 - no configuration names this exporter
        engine.exporters = dict.fromkeys(signals, self._exporter)
        engine.delivery.use(parts.destinations(engine.exporters))
        engine._configure_pipeline()  # noqa: SLF001
        self._before = observability._current  # noqa: SLF001 - there is no way to take init() back
        observability._current = self.obs  # noqa: SLF001

    def spans(self, name: str | None = None) -> list[SpanData]:
        """Return the spans that have ended, in the order they started, or those called `name`."""
        self._settle()
        found = [span for span in self._exporter.spans if name in (None, span.name)]
        return sorted(found, key=lambda span: (span.start_ns, span.span_id))

    def span(self, name: str) -> SpanData:
        """Return the one span called `name`; AssertionError when there is none, or are several."""
        found = self.spans(name)
        if len(found) != 1:
            raise AssertionError(
                f"expected one span called {name!r}, found {len(found)}:\n{self.tree()}"
            )
        return found[0]

    def logs(self) -> list[LogRecord]:
        """Return the log records so far, oldest first."""
        self._settle()
        return list(self._exporter.logs)

    def metrics(self) -> dict[str, MetricData]:
        """Return the metrics as they are now, by name."""
        self._settle()
        return {metric.name: metric for metric in self._exporter.metrics}

    def value(self, metric: str, **labels: Any) -> float:
        """Return the sum of a metric's points that have these labels (histograms: the count).

        Label names with dots are written with underscores; 0.0 when there is no such point.
        """
        found = self.metrics().get(metric)
        total = 0.0
        for point in found.points if found else ():
            known = {key.replace(".", "_"): value for key, value in point.attributes.items()}
            if labels.items() <= known.items():
                total += point.count if isinstance(point, HistogramPoint) else point.value
        return total

    def tree(self, *attributes: str) -> str:
        """Return the spans as an indented tree, with the named attributes; made for asserts.

        Each line has the span's name, then model, tool or iteration, then the status when it is
        not success, then the attributes asked for. Ids and times are left out.
        """
        return render(self.spans(), attributes)

    def clear(self) -> None:
        """Forget the spans and logs so far."""
        self._settle()
        self._exporter.spans.clear()
        self._exporter.logs.clear()

    def close(self) -> None:
        """Shut the `Observability` down; `init()` gives what it gave before."""
        if observability._current is self.obs:  # noqa: SLF001
            observability._current = self._before  # noqa: SLF001
        self.obs.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _settle(self) -> None:
        with self._lock:
            self.obs.flush(LONGEST_FLUSH_S)


def render(spans: Sequence[SpanData], attributes: Sequence[str] = ()) -> str:
    """Return spans as an indented tree; see `Capture.tree`."""
    here = {span.span_id for span in spans}
    children: dict[int, list[SpanData]] = {}
    for span in sorted(spans, key=lambda span: (span.start_ns, span.span_id)):
        parent = span.parent_span_id if span.parent_span_id in here else 0
        children.setdefault(parent, []).append(span)
    lines: list[str] = []
    waiting = [(span, 0) for span in reversed(children.get(0, []))]
    while waiting:
        span, depth = waiting.pop()
        lines.append("  " * depth + _line(span, attributes))
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return "".join(f"{line}\n" for line in lines)


def _line(span: SpanData, attributes: Sequence[str]) -> str:
    own = span.attributes
    words = [span.name]
    kind = own.get(semconv.ALEX_KIND)
    name = {"tool": semconv.ALEX_TOOL_NAME, "iteration": semconv.ALEX_ITERATION}.get(
        str(kind), semconv.ALEX_LLM_MODEL
    )
    words += [str(own[name])] if own.get(name) and kind not in ("session", "span") else []
    status = own.get(semconv.ALEX_STATUS) or (
        semconv.ERROR if span.status_code == STATUS_ERROR else semconv.SUCCESS
    )
    words += [f"[{status}]"] if status != semconv.SUCCESS else []
    words += [f"{key}={own[key]!r}" for key in attributes if key in own]
    return " ".join(words)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both and old is not None else value
    return merged
