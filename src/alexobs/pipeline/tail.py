"""Spans that wait for the end of their trace, to be kept or left out together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alexobs.pipeline.enrich import Enriched, FinishedSpan
    from alexobs.sampling import TailPolicy

DECISIONS_KEPT = 10_000  # of traces that have ended, for spans that end after their root


class _Held:
    __slots__ = ("cost_usd", "error", "first_ns", "last_ns", "spans")

    def __init__(self) -> None:
        self.spans: list[FinishedSpan] = []
        self.cost_usd = 0.0
        self.error = False
        self.first_ns = 1 << 63
        self.last_ns = 0

    def add(self, span: FinishedSpan, enriched: Enriched | None) -> None:
        self.spans.append(span)
        self.first_ns = min(self.first_ns, span.start_time)
        self.last_ns = max(self.last_ns, span.end_time or 0)
        self.error = self.error or span.status_code == 2
        if enriched is not None and enriched.cost is not None:
            self.cost_usd += enriched.cost.usd


class TailBuffer:
    """Holds the spans of running traces that the head decision would leave out.

    Args:
        policy: the rules.
        max_traces: traces held at once; beyond, the oldest is decided by what is known of it.
    """

    def __init__(self, policy: TailPolicy, max_traces: int) -> None:
        self._policy = policy
        self._max_traces = max_traces
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._decided: OrderedDict[int, bool] = OrderedDict()
        self.waiting = 0

    def add(self, span: FinishedSpan, enriched: Enriched | None) -> tuple[list[FinishedSpan], int]:
        """Return the spans that are now to be sent, and how many were left out."""
        trace_id = span.trace_id
        decision = self._decided.get(trace_id)
        if decision is not None:
            return ([span], 0) if decision else ([], 1)
        held = self._held.get(trace_id)
        if held is None:
            held = self._held[trace_id] = _Held()
        held.add(span, enriched)
        self.waiting += 1
        if span.local_root:
            return self._decide(trace_id)
        if len(self._held) > self._max_traces:
            return self._decide(next(iter(self._held)))
        return [], 0

    def clear(self) -> None:
        """Forget all traces, as a forked child does."""
        self._held.clear()
        self._decided.clear()
        self.waiting = 0

    def flush(self) -> tuple[list[FinishedSpan], int]:
        """Decide all traces that still wait."""
        kept: list[FinishedSpan] = []
        left_out = 0
        for trace_id in list(self._held):
            spans, count = self._decide(trace_id)
            kept += spans
            left_out += count
        return kept, left_out

    def _decide(self, trace_id: int) -> tuple[list[FinishedSpan], int]:
        held = self._held.pop(trace_id)
        self.waiting -= len(held.spans)
        keep = self._policy.keeps(
            error=held.error,
            duration_ns=held.last_ns - held.first_ns,
            cost_usd=held.cost_usd,
        )
        self._decided[trace_id] = keep
        if len(self._decided) > DECISIONS_KEPT:
            self._decided.popitem(last=False)
        return (held.spans, 0) if keep else ([], len(held.spans))
