"""Faults of a user's measurements: counted by reason, told once per reason, never raised."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("alexobs.metrics")

NEGATIVE: Final = "negative"  # a counter was asked to go down; ignored
NOT_FINITE: Final = "not_finite"  # NaN or infinity; ignored
NOT_A_NUMBER: Final = "not_a_number"  # ignored, or converted where it could be
ATTRIBUTES: Final = "attributes"  # attributes that are no mapping, too many, or too long
CARDINALITY: Final = "cardinality_limit"  # an instrument has all the series that it may have
CALLBACK: Final = "callback"  # the callback of an observable instrument failed
DUPLICATE: Final = "duplicate_instrument"  # one name, two kinds or units
NAME: Final = "invalid_name"  # a name outside OpenTelemetry's syntax; repaired
EXPOSITION: Final = "name_clash"  # two names that are one in Prometheus
BOUNDARIES: Final = "boundaries"  # boundaries that are no increasing numbers; default taken
ARGUMENT: Final = "argument"  # a wrong-typed argument of a recording method
BUSY: Final = "busy"  # a collection could not wait for another one; older values were given

SENTENCES: Final = {
    NEGATIVE: "a counter cannot go down, so a negative amount was ignored",
    NOT_FINITE: "NaN or infinity was ignored",
    NOT_A_NUMBER: "a value that is no number was ignored, or converted where it could be",
    ATTRIBUTES: "attributes could not be used as they are, and were cut or described",
}


class Faults:
    """Counts faults by reason.

    Args:
        warn: told of the first fault of every reason, as one sentence.
    """

    def __init__(self, warn: Callable[[str], None] | None = None) -> None:
        self._warn = warn if warn is not None else _logger.warning
        self._told: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()

    def count(self, reason: str, message: str, *, times: int = 1, subject: str = "") -> None:
        """Add to the count of `reason`; say `message` once per reason and `subject`."""
        self.counts[reason] += times
        told = (reason, subject)
        if told in self._told or len(self._told) >= 1000:  # bounded: subjects are users' names
            return
        self._told.add(told)
        try:
            self._warn(message)
        except Exception:
            self.counts["warn"] += 1
