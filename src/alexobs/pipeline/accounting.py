"""The accounting identity: created = exported + sampled_out + dropped + waiting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.records import Signal

SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")


@dataclass(frozen=True, slots=True)
class SignalAccount:
    """Where the records of one signal are. `balanced` tells whether the identity holds.

    Attributes:
        created: spans that ended, log records and data points handed over, in this process.
        exported: accepted by the back end.
        sampled_out: left out on purpose, by the sample rate.
        dropped: lost, by reason.
        waiting: in memory or in the spool.
        replayed: records of dead processes that this one delivered; not part of `created`.
    """

    created: int = 0
    exported: int = 0
    sampled_out: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    replayed: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every created record is accounted for."""
        return self.created == (
            self.exported + self.sampled_out + sum(self.dropped.values()) + self.waiting
        )


class Accounting:
    """Counts what became of records; written by the pipeline's threads under its lock."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self.created_count: Counter[str] = Counter()
        self.exported_count: Counter[str] = Counter()
        self.sampled_out_count: Counter[str] = Counter()
        self.replayed_count: Counter[str] = Counter()
        self.dropped_count: dict[str, Counter[str]] = {signal: Counter() for signal in SIGNALS}
        self.uncounted = 0  # records in the queue that are no spans, or spans only for the meter

    def created(self, signal: Signal, count: int) -> None:
        """Count records that were handed over."""
        self.created_count[signal] += count

    def exported(self, signal: Signal, count: int) -> None:
        """Count records that the back end has accepted."""
        self.exported_count[signal] += count

    def sampled_out(self, signal: Signal, count: int) -> None:
        """Count records that the sample rate left out."""
        self.sampled_out_count[signal] += count

    def dropped(self, signal: Signal, reason: str, count: int) -> None:
        """Count records that are lost, by reason."""
        if count:
            self.dropped_count[signal][reason] += count

    def replayed(self, signal: Signal, count: int) -> None:
        """Count records of a dead process that were delivered now."""
        self.replayed_count[signal] += count
