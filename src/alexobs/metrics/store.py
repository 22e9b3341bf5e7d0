"""Finding series: from the attributes of a measurement to its aggregate, bounded in number."""

from __future__ import annotations

from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from alexobs.metrics import faults
from alexobs.metrics.attributes import key_of, normalise, texts_only, within_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.metrics.faults import Faults
    from alexobs.metrics.series import Series

OVERFLOW: Final = {"otel.metric.overflow": True}
ALIASES_PER_SERIES: Final = 4  # orders of keys that are remembered; code has one or two
_COLLECT_WAIT_S: Final = 1.0  # another collection is under way; ten thousand series take 0.1 s

SeriesT = TypeVar("SeriesT", bound="Series")


class Store(Generic[SeriesT]):
    """The series of one instrument.

    Args:
        make: makes a series of this store for attributes and a start time.
        limit: series at most; the last one takes what finds no other, as the OpenTelemetry
            specification's overflow series.
        name: the instrument's, for messages.
        clock: gives Unix nanoseconds.
        redact: gives the value to be kept of an attribute, from key and value; called once per
            series, not once per measurement.
    """

    def __init__(
        self,
        make: Callable[[Store[SeriesT], Mapping[str, Any], int], SeriesT],
        *,
        limit: int,
        name: str,
        clock: Callable[[], int],
        counted: Faults,
        redact: Callable[[str, Any], Any] | None = None,
    ) -> None:
        # Attributes in the order they were written in: the one look-up of the hot path.
        self.aliases: dict[tuple[Any, ...], SeriesT] = {}
        self.clock = clock
        self.name = name
        self._make = make
        self._limit = max(limit, 1)
        self._redact = redact
        self._faults = counted
        self._typed: dict[tuple[Any, ...], SeriesT] = {}
        self._by_key: dict[Any, SeriesT] = {}
        self._overflow: SeriesT | None = None
        self._reset_locks()

    def _reset_locks(self) -> None:
        self._folding = Lock()
        self._creating = RLock()  # re-entered when a finaliser records while a series is made

    def find(self, attributes: Any) -> SeriesT:
        """Return the series for attributes that `aliases` did not know. Never raises."""
        items: tuple[Any, ...]
        typed: tuple[Any, ...]
        try:
            items = tuple(attributes.items()) if attributes else ()
            typed = (items, tuple([type(value) for _, value in items]))
            series = self._typed.get(typed)
            if series is not None:
                return series
        except Exception:  # unhashable values, or no mapping: found by the normalised form
            items, typed = (), ()
        return self._find_normalised(attributes, items, typed)

    def _find_normalised(
        self, attributes: Any, items: tuple[Any, ...], typed: tuple[Any, ...]
    ) -> SeriesT:
        plain, sound = normalise(attributes)
        if not sound:
            self.fault(faults.ATTRIBUTES, attributes)
        key = key_of(plain)
        series = self._by_key.get(key)
        if series is None:
            series = self._create(plain, key)
        if sound and series is not self._overflow and series.aliases < ALIASES_PER_SERIES:
            self._remember(series, items, typed, empty=not plain)
        return series

    def _remember(
        self, series: SeriesT, items: tuple[Any, ...], typed: tuple[Any, ...], *, empty: bool
    ) -> None:
        if texts_only(items):
            if items or empty:
                series.aliases += 1
                self.aliases[items] = series
        elif all(type(v) in (str, int, bool, float) and v == v for _, v in items):  # noqa: PLR0124
            series.aliases += 1
            self._typed[typed] = series

    def _create(self, plain: Mapping[str, Any], key: Any) -> SeriesT:
        with self._creating:
            series = self._by_key.get(key)
            if series is not None:
                return series
            if len(self._by_key) >= self._limit - 1:
                return self._overflowing()
            kept = self._redacted(plain)
            kept_key = key if kept is plain else key_of(kept)
            series = self._by_key.get(kept_key)
            if series is None:
                series = self._by_key.setdefault(
                    kept_key, self._make(self, dict(kept), self.clock())
                )
            return series

    def _redacted(self, plain: Mapping[str, Any]) -> Mapping[str, Any]:
        redact = self._redact
        if redact is None:
            return within_limit(plain)
        try:
            return within_limit({name: redact(name, value) for name, value in plain.items()})
        except Exception:
            self.fault(faults.ATTRIBUTES, plain)
            return dict.fromkeys(plain, "[redacted]")  # fails closed

    def _overflowing(self) -> SeriesT:
        if self._overflow is None:
            self._overflow = self._make(self, OVERFLOW, self.clock())
            message = (
                f"instrument {self.name!r} has {self._limit} series (metrics.cardinality_limit); "
                "new label values are summed in one series from now on"
            )
            self._faults.count(faults.CARDINALITY, message, subject=self.name)
        return self._overflow

    def series(self) -> list[SeriesT]:
        """Return all series, the overflow one last."""
        found = list(self._by_key.values())
        if self._overflow is not None:
            found.append(self._overflow)
        return found

    def fold_now(self, series: Series) -> None:
        """Fold one series on the recording thread, unless somebody folds already."""
        if self._folding.acquire(blocking=False):
            try:
                series.fold()
            finally:
                self._folding.release()

    def fold_all(self) -> list[SeriesT]:
        """Fold every series and return those that were ever measured."""
        found = self.series()
        if self._folding.acquire(timeout=_COLLECT_WAIT_S):
            try:
                for series in found:
                    series.fold()
            finally:
                self._folding.release()
        else:
            self._faults.count(faults.BUSY, f"collecting {self.name!r} waited too long")
        return [series for series in found if series.updates]

    def fault(self, reason: str, value: Any) -> None:
        """Count a fault of a measurement of this instrument."""
        message = f"instrument {self.name!r}: {faults.SENTENCES[reason]} ({type(value).__name__})"
        self._faults.count(reason, message, subject=self.name)

    def after_fork_in_child(self, now_ns: int) -> None:
        """Start from zero, with locks that nobody holds; bound series stay valid."""
        self._reset_locks()
        for series in self.series():
            series.reset(now_ns)
