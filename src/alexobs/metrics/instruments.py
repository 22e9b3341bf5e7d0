"""The OpenTelemetry API's instruments on our own aggregation.

Each kind has an `Off` twin of the same layout. Switching metrics off at run time changes the
class of the existing instruments and bound series, so that nothing is checked per measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from opentelemetry import metrics as api

from alexobs.metrics.series import (
    FOLD_AT,
    CounterSeries,
    GaugeSeries,
    HistogramSeries,
    Series,
    SumSeries,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import Attributes

    from alexobs.metrics.store import Store

SeriesT = TypeVar("SeriesT", bound=Series)
SumSeriesT = TypeVar("SumSeriesT", bound=SumSeries)


class Identity(NamedTuple):
    """What an instrument is. Two with equal `key` in one scope are one."""

    name: str
    kind: str
    unit: str
    description: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return name (without case), kind and unit."""
        return (self.name.lower(), self.kind, self.unit)


class Recorder(Generic[SeriesT]):
    """What the synchronous instruments share."""

    enabled: ClassVar[bool] = True
    twin: ClassVar[type]
    series_class: ClassVar[type]

    def __init__(self, identity: Identity, store: Store[SeriesT]) -> None:
        self.identity = identity
        self.store = store
        self._aliases = store.aliases

    def bind(self, attributes: Mapping[str, Any] | None = None) -> SeriesT:
        """Return the series for `attributes`; updating it needs no look-up any more."""
        series = self.store.find(attributes)
        series.__class__ = self.series_class
        return series

    def set_enabled(self, enabled: bool) -> None:
        """Switch this instrument and its bound series on or off."""
        if enabled != self.enabled:
            self.__class__ = self.twin
            for series in self.store.series():
                series.__class__ = self.series_class


class _Adder(Recorder[SumSeriesT]):
    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add `amount` to the series of `attributes`."""
        try:
            series = self._aliases.get(tuple(attributes.items()) if attributes else ())
        except Exception:
            series = None
        if series is None:
            series = self.store.find(attributes)
        pending = series.pending
        pending.append(amount)
        if series.want:
            series.offer(amount, context)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(series)


class Counter(_Adder[CounterSeries], api.Counter):
    """A sum that only goes up; negative amounts are ignored and counted as faults."""

    series_class = CounterSeries


class UpDownCounter(_Adder[SumSeries], api.UpDownCounter):
    """A sum that may go up and down."""

    series_class = SumSeries


class Histogram(Recorder[HistogramSeries], api.Histogram):
    """A distribution over buckets; NaN and infinities are ignored and counted as faults."""

    series_class = HistogramSeries

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Record `amount` in the series of `attributes`."""
        try:
            series = self._aliases.get(tuple(attributes.items()) if attributes else ())
        except Exception:
            series = None
        if series is None:
            series = self.store.find(attributes)
        pending = series.pending
        pending.append(amount)
        if series.want:
            series.offer(amount, context)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(series)


class Gauge(Recorder[GaugeSeries], api._Gauge):  # noqa: SLF001 - the API's exported name
    """The last value that was set."""

    series_class = GaugeSeries

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Set the series of `attributes` to `amount`."""
        try:
            series = self._aliases.get(tuple(attributes.items()) if attributes else ())
        except Exception:
            series = None
        if series is None:
            series = self.store.find(attributes)
        pending = series.pending
        pending.append(amount)
        if len(pending) >= FOLD_AT:
            self.store.fold_now(series)


class _OffSumSeries(SumSeries):
    __slots__ = ()

    def add(self, amount: float) -> None:
        return


class _OffCounterSeries(CounterSeries):
    __slots__ = ()

    def add(self, amount: float) -> None:
        return


class _OffHistogramSeries(HistogramSeries):
    __slots__ = ()

    def record(self, amount: float) -> None:
        return


class _OffGaugeSeries(GaugeSeries):
    __slots__ = ()

    def set(self, amount: float) -> None:
        return


class _OffCounter(Counter):
    enabled = False
    twin = Counter
    series_class = _OffCounterSeries

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        return


class _OffUpDownCounter(UpDownCounter):
    enabled = False
    twin = UpDownCounter
    series_class = _OffSumSeries

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        return


class _OffHistogram(Histogram):
    enabled = False
    twin = Histogram
    series_class = _OffHistogramSeries

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        return


class _OffGauge(Gauge):
    enabled = False
    twin = Gauge
    series_class = _OffGaugeSeries

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        return


Counter.twin = _OffCounter
UpDownCounter.twin = _OffUpDownCounter
Histogram.twin = _OffHistogram
Gauge.twin = _OffGauge
