"""The order in which batches go to one destination."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from alexobs.pipeline.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alexobs.pipeline.ticket import Store, Ticket

# After so many failures of the batch in front, others are tried too: is it the batch or the server?
_SUSPICIOUS: Final = 3
_PROBE_WIDTH: Final = 16
_PARK_INITIAL_S: Final = 5.0
_PARK_MAX_S: Final = 600.0


class Item:
    """A batch in a lane. ``foreign`` ones come from a dead process."""

    __slots__ = ("attempts", "backoff", "foreign", "index", "seen", "store", "ticket")

    def __init__(self, ticket: Ticket, store: Store, *, foreign: bool = False) -> None:
        self.ticket = ticket
        self.store = store
        self.foreign = foreign
        self.attempts = 0
        self.index = 0  # its place in the queue, while it is being sent
        self.seen = 0  # what the lane had accepted when it first failed
        self.backoff: Backoff | None = None


class Lane:
    """Batches for one destination: this process's in order, then those of dead processes.

    While a destination fails, the batch in front is tried, and after a few failures every second
    time another one. A batch that keeps failing although others are accepted is parked: it is
    tried again by itself at growing intervals, while the rest goes on.

    Attributes:
        backoff: of the destination.
        parked: batches that fail while others are accepted.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self.backoff = Backoff(draw=draw)
        self.parked: list[Item] = []
        self._own: deque[Item] = deque()
        self._foreign: deque[Item] = deque()
        self._foreign_next = False
        self._accepted = 0

    def add(self, item: Item) -> None:
        """Put a batch behind the others."""
        (self._foreign if item.foreign else self._own).append(item)

    def add_first(self, *items: Item) -> None:
        """Put batches in front, in this order."""
        for item in reversed(items):
            (self._foreign if item.foreign else self._own).appendleft(item)

    def items(self) -> Iterator[Item]:
        """Yield everything in the lane."""
        yield from self.parked
        yield from self._own
        yield from self._foreign

    def own_waiting(self) -> bool:
        """Whether batches of this process wait that are not parked."""
        self._clean()
        return bool(self._own)

    @property
    def foreign_waiting(self) -> bool:
        """Whether batches of dead processes wait that are not parked."""
        return bool(self._foreign)

    def take(self, now: float, *, eager: bool = False, foreign: bool = True) -> Item | None:
        """Take out the batch to send now.

        Args:
            now: the time, in seconds.
            eager: disregard the destination's backoff.
            foreign: take batches of dead processes, too.
        """
        self._clean()
        if now < self.backoff.not_before and not eager:
            return None
        if not self.backoff.failures:
            for item in self.parked:
                if item.backoff is not None and item.backoff.not_before <= now:
                    self.parked.remove(item)
                    return item
        queue = self._choose(foreign)
        if not queue:
            return None
        index = self._probe(len(queue))
        item = queue[index]
        item.index = index
        del queue[index]
        return item

    def _choose(self, foreign: bool) -> deque[Item]:
        if not foreign or not self._foreign or (self._own and self.backoff.failures):
            return self._own
        # In turns, so that neither the past nor the present is starved.
        self._foreign_next = not self._foreign_next
        return self._own if self._own and self._foreign_next else self._foreign

    def _probe(self, length: int) -> int:
        failures = self.backoff.failures
        if failures < _SUSPICIOUS or failures % 2 == 0:
            return 0
        return (failures // 2) % min(length, _PROBE_WIDTH)

    def due(self) -> float:
        """Return the time at which ``take`` will have something; infinity when nothing waits."""
        self._clean()
        times = [math.inf]
        if self._own or self._foreign:
            times.append(self.backoff.not_before)
        if not self.backoff.failures:
            times += [item.backoff.not_before for item in self.parked if item.backoff is not None]
        return min(times)

    def accepted(self) -> None:
        """Note that the destination works."""
        self._accepted += 1
        self.backoff.succeeded()

    def failed(self, item: Item, now: float, retry_after_s: float | None) -> None:
        """Put back a batch that is to be tried again."""
        if not item.attempts:
            item.seen = self._accepted
        item.attempts += 1
        if item.attempts > _SUSPICIOUS and self._accepted > item.seen:
            self._park(item, now)
        else:
            queue = self._foreign if item.foreign else self._own
            queue.insert(min(item.index, len(queue)), item)
        if item.backoff is None or retry_after_s is not None:
            self.backoff.failed(now, retry_after_s)

    def _park(self, item: Item, now: float) -> None:
        if item.backoff is None:
            item.backoff = Backoff(initial_s=_PARK_INITIAL_S, max_s=_PARK_MAX_S, draw=self._draw)
        item.backoff.failed(now)
        self.parked.append(item)

    def _clean(self) -> None:
        """Forget what the spool has dropped."""
        for queue in (self._own, self._foreign):
            while queue and queue[0].ticket.state != "waiting":
                queue.popleft()
        if self.parked:
            self.parked = [item for item in self.parked if item.ticket.state == "waiting"]
