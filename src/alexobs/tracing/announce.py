"""Which running spans are to be announced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alexobs.tracing.span import Span

MAX_OPEN_SPANS = 10_000  # followed while they run
AFTER_NS = 1_000_000_000  # shorter spans arrive with their end soon enough
AGAIN_NS = 10_000_000_000  # for what has changed since, and for a server that was started later


class Announcer:
    """Finds the spans that have been running for a while and were not announced lately."""

    def __init__(self, open_spans: dict[int, Span]) -> None:
        self._open_spans = open_spans
        self._announced: dict[int, int] = {}

    def due(self, now_ns: int) -> list[Span]:
        """Return the spans to announce now."""
        self._forget_the_oldest()
        spans = list(self._open_spans.values())
        open_ids = {span.span_id for span in spans}
        self._announced = {i: at for i, at in self._announced.items() if i in open_ids}
        found = [
            span
            for span in spans
            if not span.ended
            and now_ns - span.start_time >= AFTER_NS
            and now_ns - self._announced.get(span.span_id, 0) >= AGAIN_NS
        ]
        for span in found:
            self._announced[span.span_id] = now_ns
        return found

    def _forget_the_oldest(self) -> None:
        """Stop following spans beyond the bound: those that nobody ends must not fill memory."""
        excess = len(self._open_spans) - MAX_OPEN_SPANS
        if excess > 0:
            for span_id in list(self._open_spans)[:excess]:
                self._open_spans.pop(span_id, None)
