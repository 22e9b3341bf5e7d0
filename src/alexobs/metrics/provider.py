"""MeterProvider and Meter of the OpenTelemetry Metrics API, and collection."""

from __future__ import annotations

import time
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from opentelemetry import metrics as api

from alexobs.errors import MetricNameError
from alexobs.metrics import faults, names
from alexobs.metrics.boundaries import checked, default_for
from alexobs.metrics.faults import Faults
from alexobs.metrics.instruments import Counter, Gauge, Histogram, Identity, Recorder, UpDownCounter
from alexobs.metrics.observable import (
    Observable,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    Observer,
)
from alexobs.metrics.series import CounterSeries, GaugeSeries, HistogramSeries, SumSeries
from alexobs.metrics.store import Store
from alexobs.records import MetricData, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.util.types import Attributes

    from alexobs.metrics.series import Series

Temporality = Literal["cumulative", "delta"]
Instrument = Recorder[Any] | Observable
InstrumentT = TypeVar("InstrumentT", bound=Instrument)

# Sums that go up and down stay cumulative for delta readers: the specification's
# "delta preferred" selection, for a level is of no use as a difference.
_DELTA_KINDS: Final = {"counter", "histogram", "observable_counter"}


class Registered:
    """An instrument in its meter, with what collection needs to know."""

    __slots__ = ("exposed", "instrument", "scope")

    def __init__(self, instrument: Instrument, scope: Scope, *, exposed: bool) -> None:
        self.instrument = instrument
        self.scope = scope
        self.exposed = exposed

    def data(self, temporality: Temporality, now_ns: int) -> MetricData | None:
        """Return the instrument's points, or None when there are none."""
        identity = self.instrument.identity
        if identity.kind not in _DELTA_KINDS:
            temporality = "cumulative"
        points = self._points(temporality, now_ns)
        if not points:
            return None
        kind, monotonic = names.DATA_KIND[identity.kind]
        return MetricData(
            identity.name,
            identity.description,
            identity.unit,
            kind,
            monotonic,
            temporality,
            self.scope,
            points,
        )

    def _points(self, temporality: Temporality, now_ns: int) -> list[Any]:
        instrument = self.instrument
        if isinstance(instrument, Recorder):
            series = instrument.store.fold_all()
            if temporality == "delta":
                return [one.delta(now_ns) for one in series if one.changed()]
            return [one.cumulative(now_ns) for one in series]
        observer = instrument.observer
        return observer.delta(now_ns) if temporality == "delta" else observer.cumulative(now_ns)


class MeterProvider(api.MeterProvider):
    """Makes meters and collects what their instruments hold.

    Args:
        boundaries: histogram boundaries by instrument name, in its unit; they win over advice.
        cardinality_limit: series per instrument.
        clock: gives Unix nanoseconds.
        redact: gives the value to keep of an attribute, from key and value; called once for
            every new series.
        warn: told of the first fault of each reason, as one sentence.
    """

    def __init__(
        self,
        *,
        boundaries: Mapping[str, Iterable[float]] | None = None,
        cardinality_limit: int = 2000,
        clock: Callable[[], int] = time.time_ns,
        redact: Callable[[str, Any], Any] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.faults = Faults(warn)
        self.enabled = True
        self.clock = clock
        self.redact = redact
        self.cardinality_limit = cardinality_limit
        self._views = dict(boundaries or {})
        self._meters: dict[tuple[Any, ...], Meter] = {}
        self._exposition = names.ExpositionNames()
        self._reset_locks()

    def _reset_locks(self) -> None:
        self._registering = RLock()
        self._collecting_delta = Lock()

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Meter:
        """Return the meter of an instrumentation scope; equal scopes share one."""
        scope = Scope(names.text_of(name), names.text_of(version), names.text_of(schema_url))
        with self._registering:
            meter = self._meters.get(scope)
            if meter is None:
                meter = self._meters[scope] = Meter(self, scope)
            return meter

    def collect(
        self,
        temporality: Temporality = "cumulative",
        now_ns: int | None = None,
        *,
        for_prometheus: bool = False,
    ) -> list[MetricData]:
        """Return all points of all instruments; runs callbacks. Never raises.

        Cumulative collections change nothing and may be made by any number of readers. There is
        one state for delta collections, so one reader at a time gets each difference.

        Args:
            temporality: of counters and histograms; levels are cumulative always.
            now_ns: the time of the points, Unix nanoseconds.
            for_prometheus: leave out instruments whose names clash in Prometheus.
        """
        now_ns = self.clock() if now_ns is None else now_ns
        if temporality == "delta":
            with self._collecting_delta:
                return self._collect(temporality, now_ns, for_prometheus)
        return self._collect(temporality, now_ns, for_prometheus)

    def _collect(
        self, temporality: Temporality, now_ns: int, for_prometheus: bool
    ) -> list[MetricData]:
        found = []
        for meter in tuple(self._meters.values()):
            for registered in tuple(meter.registered.values()):
                if registered.exposed or not for_prometheus:
                    data = registered.data(temporality, now_ns)
                    if data is not None:
                        found.append(data)
        return found

    def set_enabled(self, enabled: bool) -> None:
        """Switch recording on or off for all instruments, existing and to come."""
        with self._registering:
            self.enabled = enabled
            for instrument in self._instruments():
                if isinstance(instrument, Recorder):
                    instrument.set_enabled(enabled)

    def after_fork_in_child(self) -> None:
        """Start from zero in a forked child: what the parent counted, the parent reports.

        Instruments and bound series stay valid. No lock that a thread of the parent may have
        held is used again.
        """
        self._reset_locks()
        now_ns = self.clock()
        for instrument in self._instruments():
            if isinstance(instrument, Recorder):
                instrument.store.after_fork_in_child(now_ns)
            else:
                instrument.observer.reset(now_ns)

    def _instruments(self) -> list[Instrument]:
        meters = tuple(self._meters.values())
        return [r.instrument for meter in meters for r in tuple(meter.registered.values())]

    def boundaries_for(
        self, name: str, unit: str, advice: Iterable[Any] | None
    ) -> tuple[float, ...]:
        """Return the boundaries of a histogram: configured, advised, or the unit's."""
        for candidate in (self._views.get(name), advice):
            if candidate is not None:
                plain = checked(candidate)
                if plain is not None:
                    return plain
                message = f"histogram {name!r}: boundaries must be increasing finite numbers"
                self.faults.count(faults.BOUNDARIES, message, subject=name)
        return default_for(unit)

    def register(
        self,
        meter: Meter,
        identity: Identity,
        make: Callable[[], InstrumentT],
        *,
        strict: bool = False,
    ) -> InstrumentT:
        """Return the instrument of this identity in a meter, made when there is none.

        Raises:
            MetricNameError: with `strict`, when Prometheus could not tell the name from another.
        """
        with self._registering:
            known = meter.registered.get(identity.key)
            if known is not None:
                self._warn_of_description(known.instrument.identity, identity)
                return cast("InstrumentT", known.instrument)
            exposed = self._claim(identity, strict=strict)
            self._warn_of_duplicate(meter, identity)
            instrument = make()
            if isinstance(instrument, Recorder):
                instrument.set_enabled(self.enabled)
            meter.registered[identity.key] = Registered(instrument, meter.scope, exposed=exposed)
            return instrument

    def _claim(self, identity: Identity, *, strict: bool) -> bool:
        clash = self._exposition.clash(identity)
        if clash is None:
            self._exposition.claim(identity)
            return True
        other, common = clash
        message = (
            f"metric {identity.name!r} ({identity.kind}, unit {identity.unit!r}) and {other!r} "
            f"would both be {common!r} in Prometheus; choose another name"
        )
        if strict:
            raise MetricNameError(message)
        message += f"; until then {identity.name!r} is left out of /metrics"
        self.faults.count(faults.EXPOSITION, message, subject=identity.name)
        return False

    def _warn_of_duplicate(self, meter: Meter, identity: Identity) -> None:
        for name, kind, unit in meter.registered:
            if name == identity.key[0]:
                message = (
                    f"instrument {identity.name!r} exists as {kind} with unit {unit!r} and is "
                    f"asked for as {identity.kind} with unit {identity.unit!r}; both are recorded"
                )
                self.faults.count(faults.DUPLICATE, message, subject=identity.name)
                return

    def _warn_of_description(self, known: Identity, asked: Identity) -> None:
        if asked.description and asked.description != known.description:
            message = f"instrument {asked.name!r} keeps its first description"
            self.faults.count(faults.DUPLICATE, message, subject=asked.name)


class Meter(api.Meter):
    """Makes instruments of one scope. Through this API nothing raises; faults are counted."""

    def __init__(self, provider: MeterProvider, scope: Scope) -> None:
        super().__init__(scope.name, scope.version or None, scope.schema_url or None)
        self.scope = scope
        self.registered: dict[tuple[str, str, str], Registered] = {}
        self._provider = provider

    def create_counter(
        self, name: str, unit: str = "", description: str = "", *, strict: bool = False
    ) -> Counter:
        """Return a counter. With `strict`, an unusable name raises MetricNameError."""
        identity = self._identity(name, "counter", unit, description, strict=strict)
        store = self._store(CounterSeries, identity)
        return self._provider.register(
            self, identity, lambda: Counter(identity, store), strict=strict
        )

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = "", *, strict: bool = False
    ) -> UpDownCounter:
        """Return an up-down counter. With `strict`, an unusable name raises MetricNameError."""
        identity = self._identity(name, "updowncounter", unit, description, strict=strict)
        store = self._store(SumSeries, identity)
        return self._provider.register(
            self, identity, lambda: UpDownCounter(identity, store), strict=strict
        )

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
        strict: bool = False,
    ) -> Histogram:
        """Return a histogram. With `strict`, an unusable name raises MetricNameError."""
        identity = self._identity(name, "histogram", unit, description, strict=strict)
        advice = explicit_bucket_boundaries_advisory
        boundaries = self._provider.boundaries_for(identity.name, identity.unit, advice)

        def make(
            store: Store[HistogramSeries], attributes: Mapping[str, Any], start_ns: int
        ) -> HistogramSeries:
            return HistogramSeries(store, attributes, start_ns, boundaries)

        store = self._store(make, identity)
        return self._provider.register(
            self, identity, lambda: Histogram(identity, store), strict=strict
        )

    def create_gauge(
        self, name: str, unit: str = "", description: str = "", *, strict: bool = False
    ) -> Gauge:
        """Return a gauge. With `strict`, an unusable name raises MetricNameError."""
        identity = self._identity(name, "gauge", unit, description, strict=strict)
        store = self._store(GaugeSeries, identity)
        return self._provider.register(
            self, identity, lambda: Gauge(identity, store), strict=strict
        )

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[api.CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableCounter:
        """Return a counter that callbacks read."""
        identity = self._identity(name, "observable_counter", unit, description)
        return self._observable(ObservableCounter, identity, callbacks)

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[api.CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableUpDownCounter:
        """Return an up-down counter that callbacks read."""
        identity = self._identity(name, "observable_updowncounter", unit, description)
        return self._observable(ObservableUpDownCounter, identity, callbacks)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[api.CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableGauge:
        """Return a gauge that callbacks read."""
        identity = self._identity(name, "observable_gauge", unit, description)
        return self._observable(ObservableGauge, identity, callbacks)

    def _identity(
        self, name: Any, kind: str, unit: Any, description: Any, *, strict: bool = False
    ) -> Identity:
        if not names.is_valid(name):
            message = f"metric name {name!r:.80} is not allowed: {names.SYNTAX}"
            if strict:
                raise MetricNameError(message)
            self._provider.faults.count(faults.NAME, message, subject=names.repaired(name))
            name = names.repaired(name)
        return Identity(name, kind, names.unit_of(unit), names.text_of(description))

    def _store(self, make: Callable[..., SeriesT], identity: Identity) -> Store[SeriesT]:
        provider = self._provider
        return Store(
            make,
            limit=provider.cardinality_limit,
            name=identity.name,
            clock=provider.clock,
            counted=provider.faults,
            redact=provider.redact,
        )

    def _observable(
        self,
        make: type[ObservableT],
        identity: Identity,
        callbacks: Iterable[Any] | None,
    ) -> ObservableT:
        provider = self._provider
        observer = Observer(
            identity,
            None,
            limit=provider.cardinality_limit,
            start_ns=provider.clock(),
            counted=provider.faults,
            redact=provider.redact,
        )
        instrument = provider.register(self, identity, lambda: make(observer))
        instrument.observer.extend(callbacks)
        return instrument


SeriesT = TypeVar("SeriesT", bound="Series")
ObservableT = TypeVar("ObservableT", bound=Observable)
