"""Observable instruments: values that callbacks give at collection.

A callback runs on the thread that collects and cannot be bounded in time from outside; one that
hangs holds up that collection (its own scrape or export) and nothing else.
"""

from __future__ import annotations

from inspect import GEN_CREATED, getgeneratorstate
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics as api

from alexobs.metrics import faults
from alexobs.metrics.attributes import key_of, normalise, within_limit
from alexobs.metrics.series import number
from alexobs.metrics.store import OVERFLOW
from alexobs.records import NumberPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from alexobs.metrics.faults import Faults
    from alexobs.metrics.instruments import Identity

    _Callback = (
        Callable[[api.CallbackOptions], Iterable[Any] | None]
        | Generator[Iterable[Any] | None, api.CallbackOptions, None]
    )

CALLBACK_TIMEOUT_MS: Final = 1000.0  # what callbacks are told; they have to keep it themselves


class Observer:
    """Runs the callbacks of one instrument and turns what they give into points."""

    def __init__(
        self,
        identity: Identity,
        callbacks: Iterable[Any] | None,
        *,
        limit: int,
        start_ns: int,
        counted: Faults,
        redact: Callable[[str, Any], Any] | None = None,
    ) -> None:
        self.identity = identity
        self._callbacks = list(callbacks or ())
        self._limit = max(limit, 1)
        self._faults = counted
        self._redact = redact
        self.reset(start_ns)

    def reset(self, now_ns: int) -> None:
        """Start again from `now_ns`."""
        self._start_ns = self._delta_ns = now_ns
        self._before: dict[Any, float] = {}

    def extend(self, callbacks: Iterable[Any] | None) -> None:
        """Add callbacks of a second creation of the same instrument."""
        self._callbacks.extend(c for c in callbacks or () if c not in self._callbacks)

    def cumulative(self, now_ns: int) -> list[NumberPoint]:
        """Return what is observed now."""
        observed = self._observe().values()
        return [NumberPoint(plain, self._start_ns, now_ns, value) for plain, value in observed]

    def delta(self, now_ns: int) -> list[NumberPoint]:
        """Return what has changed since the last call; a value that fell started anew."""
        observed, start_ns, before = self._observe(), self._delta_ns, self._before
        self._before = {key: value for key, (_, value) in observed.items()}
        self._delta_ns = now_ns
        points = []
        for key, (plain, value) in observed.items():
            base = before.get(key, 0)
            points.append(
                NumberPoint(plain, start_ns, now_ns, value - base if value >= base else value)
            )
        return points

    def _observe(self) -> dict[Any, tuple[Mapping[str, Any], float]]:
        found: dict[Any, tuple[Mapping[str, Any], float]] = {}
        for callback in tuple(self._callbacks):
            try:
                for observation in self._call(callback):
                    self._take(found, observation)
            except Exception as error:
                self._fault(faults.CALLBACK, f"its callback failed with {type(error).__name__}")
        return found

    def _call(self, callback: _Callback) -> Iterable[Any]:
        options = api.CallbackOptions(timeout_millis=CALLBACK_TIMEOUT_MS)
        if callable(callback):
            return callback(options) or ()
        try:
            if getgeneratorstate(callback) == GEN_CREATED:
                next(callback)  # run a fresh generator to its first yield, which takes options
            return callback.send(options) or ()
        except StopIteration:
            self._callbacks.remove(callback)
            return ()

    def _take(self, found: dict[Any, tuple[Mapping[str, Any], float]], observation: Any) -> None:
        value, fault = number(observation.value)
        if fault:
            self._fault(fault, faults.SENTENCES[fault])
        if value is None:
            return
        plain, sound = normalise(observation.attributes)
        if not sound:
            self._fault(faults.ATTRIBUTES, faults.SENTENCES[faults.ATTRIBUTES])
        if self._redact is not None:
            plain = {name: self._redact(name, text) for name, text in plain.items()}
        plain = dict(within_limit(plain))
        key = key_of(plain)
        if key in found or len(found) < self._limit - 1:
            found[key] = (plain, value)
        else:
            _, rest = found.get(None, (OVERFLOW, 0))
            additive = self.identity.kind != "observable_gauge"
            found[None] = (OVERFLOW, rest + value if additive else value)

    def _fault(self, reason: str, text: str) -> None:
        name = self.identity.name
        self._faults.count(reason, f"instrument {name!r}: {text}", subject=name)


class _Observable:
    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.identity = observer.identity


class ObservableCounter(_Observable, api.ObservableCounter):
    """A sum that only goes up, read by callbacks."""


class ObservableUpDownCounter(_Observable, api.ObservableUpDownCounter):
    """A sum that goes up and down, read by callbacks."""


class ObservableGauge(_Observable, api.ObservableGauge):
    """A value read by callbacks."""


Observable = ObservableCounter | ObservableUpDownCounter | ObservableGauge
