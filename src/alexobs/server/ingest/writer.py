"""Commits whatever has arrived, in groups, and then says so.

Two threads: one prepares the next group, which is Python's work, while the other commits the one
before, which is the database's. Nothing is acknowledged before its own commit.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from alexobs.server.ingest.assemble import GroupBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.server.ingest.decode import Checked
    from alexobs.server.ingest.normalise import Normaliser
    from alexobs.server.store import Group, Store

# While a group is being committed the next one gathers; these bound it. Columns of a group of
# this size still fit a processor's cache; larger ones take longer per span.
MAX_GROUP_BYTES: Final = 6 << 20
MAX_WAITING_BYTES: Final = 64 << 20
FIRST_TIDY_S: Final = 60.0
TIDY_EVERY_S: Final = 600.0
_log: Final = logging.getLogger(__name__)


class FullError(Exception):
    """More is waiting to be written than memory is meant to hold; try again later."""


class _Waiting(NamedTuple):
    checked: Checked
    size: int
    done: Future[None]


class _Prepared(NamedTuple):
    """A group on its way: `failures` is how many commits had failed when it was prepared."""

    waiting: list[_Waiting]
    group: Group | None
    number: int
    failures: int


class Writer:
    """Takes checked requests and commits them. A future is done when its request is durable."""

    def __init__(
        self, store: Store, normaliser: Normaliser, *, max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._store = store
        self._builder = GroupBuilder(store, normaliser)
        self._building = threading.Lock()
        self._max_waiting = max_waiting_bytes
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._number = 0
        self._failures = 0
        self._prepared: queue.Queue[_Prepared | None] = queue.Queue(1)
        self._threads = [
            threading.Thread(target=self._prepare_all, name="alexobs-prepare", daemon=True),
            threading.Thread(target=self._commit_all, name="alexobs-commit", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, checked: Checked, size: int) -> Future[None]:
        """Queue a request of `size` bytes.

        Raises:
            FullError: too much is waiting, or the server is stopping.
        """
        with self._changed:
            if not self.has_room(size):
                raise FullError
            done: Future[None] = Future()
            self._queue.append(_Waiting(checked, size, done))
            self._waiting_bytes += size
            self._changed.notify()
        return done

    @property
    def waiting_bytes(self) -> int:
        """Size of the requests that wait for their commit."""
        return self._waiting_bytes

    def has_room(self, size: int) -> bool:
        """Whether a request of `size` bytes would be taken now."""
        return not self._stopping and self._waiting_bytes + size <= self._max_waiting

    def stop(self) -> None:
        """Commit what is queued, and end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        for thread in self._threads:
            thread.join()

    # -- the thread that prepares ----------------------------------------------------------------

    def _prepare_all(self) -> None:
        while waiting := self._next():
            with self._building:
                prepared = self._prepare(waiting)
            self._prepared.put(prepared)
        self._prepared.put(None)

    def _next(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            found: list[_Waiting] = []
            size = 0
            while self._queue and (not found or size + self._queue[0].size <= MAX_GROUP_BYTES):
                waiting = self._queue.popleft()
                size += waiting.size
                found.append(waiting)
            return found

    def _prepare(self, waiting: list[_Waiting]) -> _Prepared:
        self._number += 1
        try:
            group = self._builder.build([one.checked for one in waiting], self._number)
        except Exception:
            _log.debug("a group could not be prepared", exc_info=True)
            group = None  # the other thread finds out which request it is
        return _Prepared(waiting, group, self._number, self._failures)

    # -- the thread that commits -----------------------------------------------------------------

    def _commit_all(self) -> None:
        next_tidy = time.monotonic() + FIRST_TIDY_S
        while True:
            try:
                prepared = self._prepared.get(timeout=max(next_tidy - time.monotonic(), 0.01))
            except queue.Empty:
                pass
            else:
                if prepared is None:
                    return
                self._commit(prepared)
            if time.monotonic() >= next_tidy:
                self._tidy()
                next_tidy = time.monotonic() + TIDY_EVERY_S

    def _commit(self, prepared: _Prepared) -> None:
        if prepared.group is None or prepared.failures != self._failures:
            self._store.seen.release(prepared.number)
            self._commit_singly(prepared.waiting)  # it may count on what was never committed
            return
        try:
            self._store.commit(prepared.group)
        except Exception:
            _log.debug("a group could not be committed", exc_info=True)
            with self._building:
                self._failures += 1
                self._store.seen.release(prepared.number)
            self._commit_singly(prepared.waiting)
            return
        self._store.seen.release(prepared.number)
        self._finish(prepared.waiting, None)

    def _commit_singly(self, waiting: Sequence[_Waiting]) -> None:
        """Find the request that is at fault; the others are kept."""
        for one in waiting:
            error: Exception | None = None
            with self._building:
                self._number += 1
                number = self._number
                try:
                    self._store.commit(self._builder.build([one.checked], number))
                except Exception as fault:
                    error = fault
                    self._failures += 1
                self._store.seen.release(number)
            self._finish([one], error)

    def _tidy(self) -> None:
        try:
            self._store.tidy()
        except Exception as error:
            _log.warning("old data could not be deleted: %s", error)

    def _finish(self, waiting: Sequence[_Waiting], error: Exception | None) -> None:
        with self._changed:
            self._waiting_bytes -= sum(one.size for one in waiting)
        for one in waiting:
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)
