"""The queue between the threads that record and the worker: bounded by records and by bytes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Below this many waiting records nothing is measured: the worker is keeping up, and what it has
# not seen yet belongs mostly to the application anyway.
CHECK_FROM = 256
GATHER = 128  # records that are worked on without waiting for more
SAMPLE_EVERY = 8  # records measured, while the bytes are far from their bound
RECORD_BYTES = 600  # of a record without its texts
CALL_BYTES = 8_192  # of a call: its messages are the application's; the answer's body is ours


class RecordQueue:
    """Takes finished records from any thread, gives them to one worker, drops the oldest.

    Args:
        max_records: records that may wait.
        max_bytes: estimated bytes that may wait.
        wake: called when the queue stops being idle, and when `GATHER` records wait.
    """

    def __init__(self, max_records: int, max_bytes: int, wake: Callable[[], None]) -> None:
        self._records: deque[Any] = deque()
        self._wake = wake
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._check_at = min(GATHER, max_records)
        self._measure_at = CHECK_FROM
        self._gathered = False  # the worker was told
        self._lock = threading.Lock()
        self._taken = 0
        self.idle = True
        self.dropped = 0

    def put(self, record: Any) -> None:
        """Add a record. Never blocks and never fails; the worker is woken when it sleeps."""
        records = self._records
        records.append(record)
        if self.idle:
            self.idle = False
            self._wake()
        if len(records) > self._check_at:
            self._check()

    def take(self, limit: int) -> list[Any]:
        """Return up to `limit` of the oldest records."""
        with self._lock:
            pop = self._records.popleft
            taken = [pop() for _ in range(min(limit, len(self._records)))]
            self._taken += len(taken)
            if len(self._records) < GATHER:
                self._check_at = min(GATHER, self._max_records)
                self._measure_at = self.dropped + CHECK_FROM
                self._gathered = False
        return taken

    def resize(self, max_records: int, max_bytes: int) -> None:
        """Change the bounds; they are enforced at the next record."""
        with self._lock:
            self._max_records = max_records
            self._max_bytes = max_bytes
            self._check_at = min(GATHER, max_records)
            self._measure_at = 0

    def clear_after_fork(self) -> None:
        """Start clean in a forked child, with locks that nobody holds."""
        self._lock = threading.Lock()
        self._records.clear()
        self._taken = 0
        self._measure_at = CHECK_FROM
        self._gathered = False
        self.dropped = 0
        self.idle = True

    @property
    def created(self) -> int:
        """Records that were ever put."""
        with self._lock:
            return self._taken + self.dropped + len(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def _check(self) -> None:
        """Enforce the bounds, and measure again only when half as many records more have come.

        The first of these moments also tells the worker that enough has gathered.
        Whoever holds the lock is not waited for: it may be this very thread, when a finaliser
        ends a span amid `take`. The next record comes here again.
        """
        if not self._gathered:
            self._gathered = True
            self._wake()
        if not self._lock.acquire(blocking=False):
            return
        try:
            records = self._records
            while len(records) > self._max_records:
                records.popleft()
                self.dropped += 1
            # Where the count is at its bound, each record that comes pushes one out.
            if len(records) + self.dropped >= self._measure_at:
                self._drop_bytes()
                self._measure_at = self.dropped + max(CHECK_FROM, len(records) * 3 // 2)
            self._check_at = min(self._max_records, self._measure_at - self.dropped)
        finally:
            self._lock.release()

    def _drop_bytes(self) -> None:
        records = self._records
        total = self._total_bytes()
        while total > self._max_bytes and records:
            total -= estimate_bytes(records.popleft())
            self.dropped += 1

    def _total_bytes(self) -> int:
        """Return about how much waits: by a sample, unless that comes near the bound."""
        waiting = self._records.copy()
        sample = map(estimate_bytes, itertools.islice(waiting, 0, None, SAMPLE_EVERY))
        total = SAMPLE_EVERY * sum(sample)
        return total if total < self._max_bytes // 4 else sum(map(estimate_bytes, waiting))


def estimate_bytes(record: Any) -> int:
    """Return about how much memory a waiting record holds."""
    size = RECORD_BYTES
    # Only spans have them; their `attributes` would be worked out, and at the caller's cost.
    for value in tuple(getattr(record, "own_attributes", {}).values()):
        kind = value.__class__
        if kind in _SIZED:
            size += len(value)
        elif kind in _NESTED:
            size += 100 * len(value)
    if getattr(record, "own_events", None):
        size += sum(map(_event_bytes, tuple(record.own_events)))
    call = getattr(record, "call", None)
    if call is not None:
        size += CALL_BYTES + len(getattr(call, "raw", b""))
    return size


def _event_bytes(event: Any) -> int:
    texts = [value for value in tuple(event.attributes.values()) if value.__class__ in _SIZED]
    return RECORD_BYTES + sum(map(len, texts))


_SIZED = frozenset((str, bytes))
_NESTED = frozenset((list, tuple, dict))
