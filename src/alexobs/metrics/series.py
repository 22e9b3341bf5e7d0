"""Aggregation: what is kept of the measurements of one instrument with one set of attributes.

Recording appends the value to a list and is done: ``list.append`` is atomic in CPython, with and
without the GIL, so no update is lost and no lock is taken. Values are folded into the aggregate
by whoever collects, or by the recording thread once `FOLD_AT` wait. A fold takes a prefix of the
list and deletes it under the store's lock; appends go to the other end meanwhile. A recording
thread that finds the lock taken goes on without folding, so it never waits, and a signal handler
or a finaliser that records in the midst of a fold cannot deadlock. See decision 0008.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, ClassVar, Final

from alexobs.context import SPAN_KEY, _runtime
from alexobs.metrics import faults
from alexobs.records import Exemplar, HistogramPoint, NumberPoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context

    from alexobs.metrics.store import Store

FOLD_AT: Final = 256  # values: 8 KB a series at most, and the cost of a fold is spread thin
_MAX: Final = sys.float_info.max
_INF: Final = float("inf")

Candidate = tuple[Any, int, int, int]  # value, Unix nanoseconds, trace id, span id


def number(value: Any) -> tuple[float | None, str]:
    """Return a value as a finite int or float, or None, and the fault that it is (or "")."""
    try:
        if isinstance(value, (int, float)):
            plain: float = int(value) if isinstance(value, int) else float(value)
            fault = ""
        else:
            plain = float(value)
            fault = faults.NOT_A_NUMBER if isinstance(value, (str, bytes)) else ""
        finite = -_MAX <= plain <= _MAX
    except Exception:
        return None, faults.NOT_A_NUMBER
    return (plain, fault) if finite else (None, faults.NOT_FINITE)


def _exemplar(candidate: Candidate) -> Exemplar | None:
    plain, _ = number(candidate[0])
    return None if plain is None else Exemplar(plain, *candidate[1:], attributes={})


class Series:
    """Measurements of one instrument under one set of attributes; base of the three kinds."""

    __slots__ = (
        "aliases",
        "attributes",
        "candidates",
        "delta_ns",
        "pending",
        "start_ns",
        "store",
        "tries",
        "updates",
        "updates_before",
        "want",
    )
    # Values that look for a sampled span before the next fold; 0 for no exemplars at all. Slow
    # series try every value, busy ones a share, so the look-up's cost stays out of hot loops.
    max_tries: ClassVar[int] = 0

    def __init__(self, store: Store[Any], attributes: Mapping[str, Any], start_ns: int) -> None:
        self.store = store
        self.attributes = attributes
        self.aliases = 0
        self.pending: list[Any] = []
        self.candidates: list[Candidate] = []
        self.reset(start_ns)

    def reset(self, start_ns: int) -> None:
        """Start again from nothing."""
        del self.pending[:], self.candidates[:]
        self.start_ns = self.delta_ns = start_ns
        self.updates = self.updates_before = 0
        self.tries = 0
        self.want = self.max_tries > 0

    def offer(self, amount: Any, context: Context | None) -> None:
        """Keep `amount` as a candidate for an exemplar when a sampled span is current."""
        self.tries += 1
        if self.tries >= self.max_tries:
            self.want = False
        try:
            span: Any = (_runtime.get_current() if context is None else context).get(SPAN_KEY)
            if span is None:
                return
            found = span.get_span_context()
            if found.trace_flags & 1:
                now_ns = self.store.clock()
                self.candidates.append((amount, now_ns, found.trace_id, found.span_id))
        except Exception:
            return  # somebody else's span or context: no exemplar, but the value is recorded

    def fold(self) -> None:
        """Work off what is pending. The caller holds the store's lock."""
        pending = self.pending
        waiting = len(pending)
        if not waiting:
            return
        chunk = pending[:waiting]
        del pending[:waiting]
        self._fold(chunk)
        if self.max_tries:
            if self.candidates:
                candidates = self.candidates[:]
                del self.candidates[: len(candidates)]
                self._keep(candidates)
            self.tries = 0
            self.want = True

    def changed(self) -> bool:
        """Return whether there was a measurement since the last delta collection."""
        return self.updates != self.updates_before

    def sound(self, chunk: Sequence[Any], *, negative: bool) -> list[float]:
        """Return the values that can be aggregated; count the others as faults."""
        kept = []
        for value in chunk:
            plain, fault = number(value)
            if plain is not None and plain < 0 and not negative:
                plain, fault = None, faults.NEGATIVE
            if fault:
                self.store.fault(fault, value)
            if plain is not None:
                kept.append(plain)
        return kept

    def _fold(self, chunk: list[Any]) -> None:
        raise NotImplementedError

    def _keep(self, candidates: list[Candidate]) -> None:
        raise NotImplementedError


class SumSeries(Series):
    """A sum that may go up and down."""

    __slots__ = ("exemplar", "value", "value_before")
    monotonic: ClassVar[bool] = False

    def reset(self, start_ns: int) -> None:
        """Start again from nothing."""
        super().reset(start_ns)
        self.value: float = 0
        self.value_before: float = 0
        self.exemplar: Exemplar | None = None

    def add(self, amount: float) -> None:
        """Add `amount`; what an instrument's `add` does with these attributes."""
        pending = self.pending
        pending.append(amount)
        if self.want:
            self.offer(amount, None)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(self)

    def _fold(self, chunk: list[Any]) -> None:
        total: Any = 0
        try:
            total = sum(chunk)
            plain = type(total) in (int, float) and -_MAX <= total <= _MAX
            plain = plain and not (self.monotonic and min(chunk) < 0)
        except Exception:
            plain = False
        if not plain:
            chunk = self.sound(chunk, negative=not self.monotonic)
            total = sum(chunk)
        self.updates += len(chunk)
        self.value += total

    def _keep(self, candidates: list[Candidate]) -> None:
        exemplar = _exemplar(candidates[-1])
        if exemplar is not None and exemplar.value >= 0:
            self.exemplar = exemplar

    def cumulative(self, now_ns: int) -> NumberPoint:
        """Return the sum since the start."""
        exemplars = () if self.exemplar is None else (self.exemplar,)
        return NumberPoint(self.attributes, self.start_ns, now_ns, self.value, exemplars)

    def delta(self, now_ns: int) -> NumberPoint:
        """Return the sum since the last call."""
        exemplar, start_ns = self.exemplar, self.delta_ns
        fresh = exemplar is not None and exemplar.time_ns >= start_ns
        value = self.value - self.value_before
        self.value_before, self.delta_ns, self.updates_before = self.value, now_ns, self.updates
        exemplars = (exemplar,) if exemplar is not None and fresh else ()
        return NumberPoint(self.attributes, start_ns, now_ns, value, exemplars)


class CounterSeries(SumSeries):
    """A sum that only goes up."""

    __slots__ = ()
    monotonic = True
    max_tries = 4


class GaugeSeries(Series):
    """The last value; NaN and infinities are values here."""

    __slots__ = ("value",)

    def reset(self, start_ns: int) -> None:
        """Start again from nothing."""
        super().reset(start_ns)
        self.value: float = 0

    def set(self, amount: float) -> None:
        """Set the value; what an instrument's `set` does with these attributes."""
        pending = self.pending
        pending.append(amount)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(self)

    def _fold(self, chunk: list[Any]) -> None:
        for value in reversed(chunk):
            if isinstance(value, float):
                plain: float | None = float(value)
            else:
                plain, fault = number(value)
                if fault:
                    self.store.fault(fault, value)
            if plain is not None:
                self.value = plain
                self.updates += 1
                return

    def cumulative(self, now_ns: int) -> NumberPoint:
        """Return the last value."""
        return NumberPoint(self.attributes, self.start_ns, now_ns, self.value)

    def delta(self, now_ns: int) -> NumberPoint:
        """Return the last value: a gauge has no temporality."""
        self.updates_before = self.updates
        return self.cumulative(now_ns)


class HistogramSeries(Series):
    """Counts by bucket, with sum, least and greatest value, and one exemplar a bucket."""

    __slots__ = (
        "boundaries",
        "counts",
        "counts_before",
        "delta_max",
        "delta_min",
        "exemplars",
        "max",
        "min",
        "sum",
        "sum_before",
    )
    max_tries = 32

    def __init__(
        self,
        store: Store[Any],
        attributes: Mapping[str, Any],
        start_ns: int,
        boundaries: tuple[float, ...],
    ) -> None:
        self.boundaries = boundaries
        super().__init__(store, attributes, start_ns)

    def reset(self, start_ns: int) -> None:
        """Start again from nothing."""
        super().reset(start_ns)
        self.counts = [0] * (len(self.boundaries) + 1)
        self.counts_before = self.counts[:]
        self.sum = self.sum_before = 0.0
        self.min = self.delta_min = _INF
        self.max = self.delta_max = -_INF
        self.exemplars: dict[int, Exemplar] = {}

    def record(self, amount: float) -> None:
        """Record `amount`; what an instrument's `record` does with these attributes."""
        pending = self.pending
        pending.append(amount)
        if self.want:
            self.offer(amount, None)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(self)

    def _fold(self, chunk: list[Any]) -> None:
        total = 0.0
        try:
            chunk.sort()
            total = float(sum(chunk))
            plain = type(chunk[0]) in (int, float) and -_MAX <= total <= _MAX
        except Exception:
            plain = False
        if not plain:
            chunk = sorted(self.sound(chunk, negative=True))
            total = float(sum(chunk))
        if chunk:
            self._merge(chunk, total)

    def _merge(self, ordered: list[float], total: float) -> None:
        counts, below = self.counts, 0
        for index, boundary in enumerate(self.boundaries):
            position = bisect_right(ordered, boundary, below)
            counts[index] += position - below
            below = position
        counts[-1] += len(ordered) - below
        self.sum += total
        self.updates += len(ordered)
        least, greatest = float(ordered[0]), float(ordered[-1])
        self.min, self.max = min(self.min, least), max(self.max, greatest)
        self.delta_min, self.delta_max = min(self.delta_min, least), max(self.delta_max, greatest)

    def _keep(self, candidates: list[Candidate]) -> None:
        try:  # the last of each bucket, found before the work of making exemplars
            last = {bisect_left(self.boundaries, one[0]): one for one in candidates}
        except Exception:
            last = dict(enumerate(candidates))  # some value is no number
        for candidate in last.values():
            exemplar = _exemplar(candidate)
            if exemplar is not None:
                self.exemplars[bisect_left(self.boundaries, exemplar.value)] = exemplar

    def cumulative(self, now_ns: int) -> HistogramPoint:
        """Return the distribution since the start."""
        return self._point(
            self.start_ns,
            now_ns,
            (self.sum, self.min, self.max),
            tuple(self.counts),
            tuple(self.exemplars.values()),
        )

    def delta(self, now_ns: int) -> HistogramPoint:
        """Return the distribution since the last call."""
        start_ns = self.delta_ns
        counts = [now - then for now, then in zip(self.counts, self.counts_before, strict=True)]
        point = self._point(
            start_ns,
            now_ns,
            (self.sum - self.sum_before, self.delta_min, self.delta_max),
            tuple(counts),
            tuple(e for e in self.exemplars.values() if e.time_ns >= start_ns),
        )
        self.counts_before, self.sum_before = self.counts[:], self.sum
        self.delta_min, self.delta_max = _INF, -_INF
        self.delta_ns, self.updates_before = now_ns, self.updates
        return point

    def _point(
        self,
        start_ns: int,
        now_ns: int,
        sums: tuple[float, float, float],
        counts: Sequence[int],
        exemplars: Sequence[Exemplar],
    ) -> HistogramPoint:
        total, least, greatest = sums
        return HistogramPoint(
            attributes=self.attributes,
            start_ns=start_ns,
            time_ns=now_ns,
            count=sum(counts),
            sum=total,
            min=least,
            max=greatest,
            boundaries=self.boundaries,
            counts=counts,
            exemplars=exemplars,
        )
