"""Brings batches to their destinations, each once, and accounts for every record.

A batch is in the spool before it is sent and leaves it when a back end has accepted it. Between
the two there is one window: a process that dies after a back end has accepted a batch and before
that is noted sends it again when it is replayed. Receivers that know span ids see it once.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from alexobs.errors import SpoolError
from alexobs.pipeline.destination import (
    DeliveryAccounting,
    Destination,
    DestinationStatus,
    Route,
    Sender,
)
from alexobs.pipeline.lane import Item
from alexobs.pipeline.replay import Halves, Replay
from alexobs.records import SendResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from alexobs.pipeline.frames import Frame
    from alexobs.pipeline.spool import Spool
    from alexobs.records import Batch, Signal

__all__ = ["Delivery", "DeliveryAccounting", "Destination", "DestinationStatus", "Sender"]

REJECTED: Final = "rejected"
REFUSED: Final = "refused"
TOO_LARGE: Final = "too_large"
SHUTDOWN: Final = "shutdown"

_MAX_ANNOUNCEMENTS: Final = 8  # each tells of all running spans: older ones are worth little
_UPKEEP_S: Final = 60.0
# Time at the end of a process that goes into what dead processes left.
_REPLAY_AT_END_S: Final = 1.0
_SAY_EVERY_S: Final = 60.0
# For what cannot be read just now, as for want of file descriptors, and when another thread sends.
_AGAIN_S: Final = 1.0


def _ignore(message: str) -> None: ...


class Delivery:
    """Spools batches, sends them, and replays what dead processes left.

    ``submit`` and ``waiting`` return at once; ``step`` and ``drain`` wait for a back end. All may
    be called from any thread.

    Args:
        destinations: where to send; batches go by their signal and encoding.
        spool: keeps batches until they are accepted. Its ``dropped`` hook must account too.
        accounting: is told what became of records.
        timeout_s: seconds for one request.
        max_dead_bytes: bytes that dead processes' spools may take together.
        max_age_s: age in seconds at which dead processes' batches are given up.
        lock: guards the books. With the accounting's own lock, the identity holds at any moment.
        say: told about trouble, at most once a minute for each kind.
        clock: monotonic seconds.
        sleep: waits some seconds; used by ``drain`` only.
        draw: random numbers from 0 to 1, for the backoff.
    """

    def __init__(
        self,
        destinations: Iterable[Destination],
        spool: Spool,
        accounting: DeliveryAccounting,
        *,
        timeout_s: float = 10.0,
        max_dead_bytes: int = 268_435_456,
        max_age_s: float = 604_800.0,
        lock: AbstractContextManager[object] | None = None,
        say: Callable[[str], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.replay = Replay(spool.directory, max_bytes=max_dead_bytes, max_age_s=max_age_s)
        self._spool = spool
        self._accounting = accounting
        self.timeout_s = timeout_s
        self._lock: AbstractContextManager[object] = lock or threading.RLock()
        self._sending = threading.Lock()
        self._say = say
        self._said_at: dict[str, float] = {}
        self.told_of_absence = False
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._next_upkeep = -math.inf
        self._works = False
        self._closed = False
        self._anywhere = False
        self._routes: list[Route] = []
        self._by_kind: dict[tuple[str, Signal], Route] = {}
        self._homeless: list[Item] = []
        self._set_routes(destinations)
        self._announcements: deque[Batch] = deque(maxlen=_MAX_ANNOUNCEMENTS)

    # -- at once -------------------------------------------------------------------------------

    def submit(self, batch: Batch) -> None:
        """Spool a batch and queue it for sending."""
        with self._lock:
            if self._closed:
                self._accounting.dropped(batch.signal, SHUTDOWN, batch.count)
                return
            route = self._by_kind.get((batch.encoding, batch.signal))
            ticket = self._spool.append(
                batch,
                destination=route.number if route is not None else 0,
                volatile=route is not None and not route.destination.spoolable,
            )
            self._enqueue(Item(ticket, self._spool))

    def waiting(self) -> dict[Signal, int]:
        """Return the records of this process that wait, by signal."""
        return {signal: pending.records for signal, pending in self._spool.pending().items()}

    @property
    def alexobs_server(self) -> bool:
        """Whether a destination has made itself known as an alexobs server."""
        return any(route.alexobs_server for route in self._routes)

    def announce(self, batch: Batch) -> None:
        """Send a batch once, at the next step, without spool, retry or account."""
        self._announcements.append(batch)

    def spool_state(self) -> dict[str, object]:
        """Return the spool's folder, what waits in it, and its trouble, for a person."""
        pending = self._spool.pending()
        return {
            "folder": None if self._spool.folder is None else str(self._spool.folder),
            "bytes": sum(one.size_bytes for one in pending.values()),
            "records": {signal: one.records for signal, one in pending.items()},
            "durable": self._spool.durable,
            "trouble": self._spool.trouble,
        }

    def status(self) -> list[DestinationStatus]:
        """Return how it stands with each destination."""
        with self._lock:
            return [
                DestinationStatus(
                    route.destination.sender.encoding,
                    route.lane.backoff.failures,
                    route.message,
                    sum(item.ticket.state == "waiting" for item in route.lane.items()),
                    len(route.lane.parked),
                    route.alexobs_server,
                )
                for route in self._routes
            ]

    def use(self, destinations: Iterable[Destination]) -> None:
        """Send to other destinations from now on; what waits goes to the new ones.

        Batches of an encoding that none of them speaks stay in the spool.
        """
        with self._lock:
            old = self._routes
            items = self._homeless + [item for route in old for item in route.lane.items()]
            self._set_routes(destinations)
            self._homeless = []
            self._works = False
            for item in items:
                item.backoff = None
                item.attempts = 0
                self._enqueue(item)
            kept = [route.destination.sender for route in self._routes]
        for route in old:
            if route.destination.sender not in kept:
                route.destination.sender.close()

    def after_fork(self, lock: AbstractContextManager[object] | None = None) -> None:
        """Start empty in a forked child, whose own senders ``use`` then brings.

        The parent's senders are not closed: their connections are the parent's.
        """
        self._lock = lock or threading.RLock()
        self._sending = threading.Lock()
        self._set_routes(())
        self._homeless = []
        self._announcements.clear()
        self._works = False
        self.replay.after_fork()
        self._spool.after_fork()

    def close(self) -> None:
        """Release files and connections; what waits stays in the spool."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.replay.close()
            self._spool.close()
            routes = self._routes
            self._set_routes(())
        for route in routes:
            route.destination.sender.close()

    # -- sending -------------------------------------------------------------------------------

    def step(self, now: float) -> float:
        """Send at most one batch to each destination; return the time of the next attempt.

        The time is not in the future when more can be sent at once.
        """
        if self._closed or not self._sending.acquire(blocking=False):
            return now + _AGAIN_S
        try:
            self._upkeep(now)
            self._send_announcements()
            for route in self._routes:
                self._send_one(route, now, self.timeout_s)
            self._finish_replays()
        finally:
            self._sending.release()
        with self._lock:
            due = [route.lane.due() for route in self._routes]
            return min([*due, self._next_upkeep])

    def drain(self, deadline: float) -> None:
        """Send what waits until `deadline` (monotonic); ``waiting`` tells what is left.

        What is safe on disk is not waited for when a back end does not answer.
        """
        wait_s = max(0.0, deadline - self._clock())
        if self._closed or not self._sending.acquire(timeout=wait_s):
            return
        try:
            for route in self._routes:
                self._drain_route(route, deadline)
            if not any(self.waiting().values()):
                self._replay_until(min(deadline, self._clock() + _REPLAY_AT_END_S))
        finally:
            self._sending.release()

    def replay_now(self, deadline: float, *, anywhere: bool = False) -> None:
        """Send what dead processes left, until `deadline` or until a back end does not answer.

        With `anywhere`, what was for other addresses is sent to the ones that there are.
        """
        with self._sending:
            self._works = True
            self._anywhere = anywhere
            self._replay_until(deadline)

    def _send_announcements(self) -> None:
        while self._announcements:
            batch = self._announcements.popleft()
            route = self._by_kind.get((batch.encoding, batch.signal))
            if route is not None and not route.lane.backoff.failures:
                _send(route.destination.sender, batch, self.timeout_s)

    def _drain_route(self, route: Route, deadline: float) -> None:
        eager = True
        while (now := self._clock()) < deadline:
            with self._lock:
                if route not in self._routes or not route.lane.own_waiting():
                    return
            self._send_one(
                route, now, min(self.timeout_s, deadline - now), eager=eager, foreign=False
            )
            if route.lane.backoff.failures:
                if self._spool.durable and route.destination.spoolable:
                    return
                eager = False
                self._sleep(max(0.0, min(deadline, route.lane.due()) - self._clock()))

    def _replay_until(self, deadline: float) -> None:
        self.replay.hurry()
        self._next_upkeep = -math.inf
        while (now := self._clock()) < deadline:
            self._upkeep(now)
            timeout_s = min(self.timeout_s, deadline - now)
            sent = [self._send_one(route, now, timeout_s) for route in self._routes]
            self._finish_replays()
            if not any(sent) and self._next_upkeep > now:
                return

    def _upkeep(self, now: float) -> None:
        if now < self._next_upkeep:
            return
        self._next_upkeep = now + _UPKEEP_S
        with self._lock:
            if not self._closed:
                self._spool.expire()
        self.replay.trim(now)
        if self._works:
            items = self.replay.adopt(now, self._has_route)
            with self._lock:
                for item in items:
                    self._enqueue(item)

    def _finish_replays(self) -> None:
        """Give back the spools that are delivered, and look for others at once."""
        if any(route.lane.foreign_waiting for route in self._routes):
            return
        if self.replay.close_finished(self._has_route):
            self.replay.hurry()
            self._next_upkeep = -math.inf

    def _send_one(
        self,
        route: Route,
        now: float,
        timeout_s: float,
        *,
        eager: bool = False,
        foreign: bool = True,
    ) -> bool:
        """Send the next batch, if one is due; tell whether one was."""
        with self._lock:
            if route not in self._routes:
                return False
            item = route.lane.take(now, eager=eager, foreign=foreign)
            if item is None:
                return False
            batch = self._read(item, route, now)
        if batch is not None:
            result = _send(route.destination.sender, batch, timeout_s)
            with self._lock:
                if not self._closed:
                    self._settle(route, item, batch, result)
        return True

    def _read(self, item: Item, route: Route, now: float) -> Batch | None:
        if item.ticket.state != "waiting":
            return None
        try:
            return item.store.read(item.ticket)
        except SpoolError as error:
            self._complain("read", f"spool: {error}")
            route.lane.failed(item, now, _AGAIN_S)
            return None

    def _set_routes(self, destinations: Iterable[Destination]) -> None:
        self._routes = [Route(one, self._draw) for one in destinations]
        self._by_kind = {
            (route.destination.sender.encoding, signal): route
            for route in self._routes
            for signal in route.destination.signals
        }

    def _has_route(self, frame: Frame) -> bool:
        route = self._by_kind.get((frame.encoding, frame.signal))
        return route is not None and (self._anywhere or frame.destination == route.number)

    def _enqueue(self, item: Item) -> None:
        frame = item.ticket.frame
        route = self._by_kind.get((frame.encoding, frame.signal))
        if route is None:
            self._homeless.append(item)
        else:
            route.lane.add(item)

    # -- what the back end said ----------------------------------------------------------------

    def _settle(self, route: Route, item: Item, batch: Batch, result: SendResult) -> None:
        route.message = result.message
        if result.retry and not result.accepted:
            self._complain_of(route, batch, result)
            if route in self._routes:
                route.lane.failed(item, self._clock(), result.retry_after_s)
            else:
                self._enqueue(item)  # the destination has changed while it was being sent
            return
        route.lane.accepted()
        if result.accepted:
            route.alexobs_server = result.alexobs_server
            self._note_that_it_works()
            self._accepted(item, batch, min(max(result.rejected, 0), batch.count), result.message)
        elif not result.too_large:
            self._give_up(item, batch, REFUSED, result.message)
        elif not self._halve(route, item, batch):
            self._give_up(item, batch, TOO_LARGE, result.message)

    def _note_that_it_works(self) -> None:
        if not self._works:
            self._works = True
            self._next_upkeep = -math.inf

    def _accepted(self, item: Item, batch: Batch, rejected: int, message: str) -> None:
        item.store.ack(item.ticket)
        if item.ticket.state != "done":
            return  # the spool has given it up, and said so, while it was being sent
        count = self._accounting.replayed if item.foreign else self._accounting.exported
        count(batch.signal, batch.count - rejected)
        if rejected:
            self._lose(item, batch, REJECTED, rejected, message)

    def _give_up(self, item: Item, batch: Batch, reason: str, message: str) -> None:
        item.store.ack(item.ticket)
        if item.ticket.state == "done":
            self._lose(item, batch, reason, batch.count, message)

    def _lose(self, item: Item, batch: Batch, reason: str, count: int, message: str) -> None:
        dropped = self.replay.dropped if item.foreign else self._accounting.dropped
        dropped(batch.signal, reason, count)
        self._complain(reason, f"{batch.encoding}: {count} {batch.signal} {reason}: {message}")

    def _halve(self, route: Route, item: Item, batch: Batch) -> bool:
        if item.ticket.state != "waiting":
            return True  # the spool has given it up while it was being sent
        halves = _split(route.destination, batch)
        if halves is None:
            return False
        if item.foreign:
            items = Halves(item, halves).items
        else:
            first, second = self._spool.replace(item.ticket, halves)
            items = (Item(first, self._spool), Item(second, self._spool))
        if route in self._routes:
            route.lane.add_first(*items)
        else:
            for half in items:
                self._enqueue(half)
        return True

    def _complain_of(self, route: Route, batch: Batch, result: SendResult) -> None:
        destination = route.destination
        if not result.unreachable or destination.expected or self._works:
            self._complain("retry", f"{batch.encoding}: trying again later: {result.message}")
        elif not self.told_of_absence:
            self.told_of_absence = True
            self._say(
                f"no {batch.encoding.upper()} receiver at {destination.address} yet; telemetry is "
                f"kept in {self._spool.place} and sent when one starts"
            )

    def _complain(self, kind: str, message: str) -> None:
        now = self._clock()
        if now >= self._said_at.get(kind, -math.inf) + _SAY_EVERY_S:
            self._said_at[kind] = now
            self._say(message)


def _split(destination: Destination, batch: Batch) -> tuple[Batch, Batch] | None:
    if destination.split is None or batch.count < 2:
        return None
    try:
        return destination.split(batch)
    except Exception:
        return None


def _send(sender: Sender, batch: Batch, timeout_s: float) -> SendResult:
    try:
        return sender.send(batch, timeout_s)
    except Exception as error:
        return SendResult(accepted=False, retry=True, message=f"{type(error).__name__}: {error}")
