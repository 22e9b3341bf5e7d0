"""One thread that commits whatever has arrived, in groups, and then says so."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from alexobs.server.ingest.assemble import GroupBuilder

if TYPE_CHECKING:
    from alexobs.server.ingest.decode import Checked
    from alexobs.server.store import Store

# While a group is being committed the next one gathers; these bound it.
MAX_GROUP_BYTES: Final = 16 << 20
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


class Writer:
    """Takes checked requests and commits them. A future is done when its request is durable."""

    def __init__(self, store: Store, *, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._store = store
        self._builder = GroupBuilder(store)
        self._max_waiting = max_waiting_bytes
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="alexobs-writer", daemon=True)
        self._thread.start()

    def submit(self, checked: Checked, size: int) -> Future[None]:
        """Queue a request of `size` bytes.

        Raises:
            FullError: too much is waiting, or the server is stopping.
        """
        with self._changed:
            if self._stopping or self._waiting_bytes + size > self._max_waiting:
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
        """Commit what is queued, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        next_tidy = time.monotonic() + FIRST_TIDY_S
        while True:
            group = self._next_group(next_tidy - time.monotonic())
            if group:
                self._write(group)
            elif self._stopping:
                return
            if time.monotonic() >= next_tidy:
                self._tidy()
                next_tidy = time.monotonic() + TIDY_EVERY_S

    def _tidy(self) -> None:
        try:
            self._store.tidy()
        except Exception as error:
            _log.warning("old data could not be deleted: %s", error)

    def _next_group(self, timeout_s: float) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping, max(timeout_s, 0.0))
            group: list[_Waiting] = []
            size = 0
            while self._queue and (not group or size + self._queue[0].size <= MAX_GROUP_BYTES):
                waiting = self._queue.popleft()
                size += waiting.size
                group.append(waiting)
            return group

    def _write(self, waiting: list[_Waiting]) -> None:
        try:
            self._commit([one.checked for one in waiting])
        except Exception as error:
            if len(waiting) == 1:
                self._finish(waiting, error)
                return
            for one in waiting:  # one of them is at fault; the others are kept
                self._write([one])
            return
        self._finish(waiting, None)

    def _commit(self, requests: list[Checked]) -> None:
        group = self._builder.build(requests)
        self._store.commit(group)

    def _finish(self, waiting: list[_Waiting], error: Exception | None) -> None:
        with self._changed:
            self._waiting_bytes -= sum(one.size for one in waiting)
        for one in waiting:
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)
