"""What this process delivers for dead ones, and how it looks after their leftovers."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from alexobs.pipeline import adoption
from alexobs.pipeline.lane import Item
from alexobs.pipeline.ticket import Ticket
from alexobs.records import Batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alexobs.pipeline.adoption import AdoptedSpool
    from alexobs.pipeline.frames import Frame
    from alexobs.records import Signal

ADOPT_EVERY_S: Final = 60.0
TRIM_EVERY_S: Final = 3600.0


class Replay:
    """The spools of dead processes that this one has taken over.

    Nothing is taken over before ``adopt`` is called with a destination that works, so that a
    process without a back end costs nothing, and leaves them to one that has one.

    Attributes:
        lost: records of dead processes that could not be delivered, by reason.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        max_bytes: int,
        max_age_s: float,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.lost: dict[str, int] = {}
        self._directory = directory
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock_ns = clock_ns
        self._adopted: list[AdoptedSpool] = []
        self._next_trim = self._next_adoption = -math.inf

    def dropped(self, signal: Signal, reason: str, count: int) -> None:
        """Count records that are lost."""
        self.lost[reason] = self.lost.get(reason, 0) + count

    def hurry(self) -> None:
        """Let the next ``adopt`` look, whenever the last one was."""
        self._next_adoption = -math.inf

    def trim(self, now: float) -> None:
        """Bound what dead processes left, in bytes and age; once an hour."""
        if self._directory is None or now < self._next_trim:
            return
        self._next_trim = now + TRIM_EVERY_S
        adoption.trim(
            self._directory,
            max_bytes=self._max_bytes,
            max_age_s=self._max_age_s,
            now_ns=self._clock_ns(),
            dropped=self.dropped,
        )

    def adopt(self, now: float, wanted: Callable[[Frame], bool]) -> list[Item]:
        """Take over dead processes' spools, if it is time to look; return their batches."""
        if self._directory is None or now < self._next_adoption:
            return []
        self._next_adoption = now + ADOPT_EVERY_S
        new = adoption.adopt(
            self._directory,
            wanted=wanted,
            dropped=self.dropped,
            limit=adoption.ADOPTED_AT_ONCE - len(self._adopted),
        )
        self._adopted += new
        return [
            Item(ticket, spool, foreign=True)
            for spool in new
            for ticket in spool.tickets
            if wanted(ticket.frame)
        ]

    def close(self) -> None:
        """Give back what is not delivered."""
        for spool in self._adopted:
            spool.close()
        self._adopted = []

    def after_fork(self) -> None:
        """Leave everything to the parent."""
        for spool in self._adopted:
            spool.after_fork()
        self._adopted = []

    def close_finished(self, wanted: Callable[[Frame], bool]) -> bool:
        """Give back the spools in which nothing wanted waits; tell whether any was."""
        finished = [
            spool
            for spool in self._adopted
            if not any(
                ticket.state == "waiting" and wanted(ticket.frame) for ticket in spool.tickets
            )
        ]
        for spool in finished:
            spool.close()
            self._adopted.remove(spool)
        return bool(finished)


class Halves:
    """Keeps the halves of a dead process's batch; it is whole on disk until both are settled."""

    def __init__(self, whole: Item, halves: tuple[Batch, Batch]) -> None:
        self._whole = whole
        self._left = len(halves)
        first, second = (Item(self._ticket(half), self, foreign=True) for half in halves)
        self.items = (first, second)

    def read(self, ticket: Ticket) -> Batch | None:
        """Return a half."""
        frame, body = ticket.frame, ticket.body
        return None if body is None else Batch(frame.signal, frame.encoding, frame.records, body)

    def ack(self, ticket: Ticket) -> None:
        """Forget a half, and the whole with the second one."""
        if ticket.state != "waiting":
            return
        ticket.state = "done"
        ticket.body = None
        self._left -= 1
        if not self._left:
            self._whole.store.ack(self._whole.ticket)

    def _ticket(self, half: Batch) -> Ticket:
        frame = self._whole.ticket.frame
        frame = frame._replace(records=half.count, body_bytes=len(half.body))
        return Ticket(frame, body=half.body)
