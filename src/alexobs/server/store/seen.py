"""Remembers what is stored, so that what is repeated is not stored twice.

A Bloom filter answers "certainly new" for nearly everything at 2 bytes each; the few others are
looked up. An index in the database would cost several times the insert itself.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

_BITS_EACH: Final = 16
_HASHES: Final = 6  # one in 2,000 new ones is looked up for nothing
_LEAST: Final = 1 << 20  # what the smallest filter is made for: 2 MB
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_READ_ROWS: Final = 1 << 17
# Message hashes that are known for sure: agents send the same history again and again.
_RECENT: Final = 1 << 17


class Filter:
    """A Bloom filter over numbers of 64 bits that are spread evenly."""

    def __init__(self, capacity: int) -> None:
        self.capacity = max(_LEAST, capacity)
        size = 1 << (self.capacity * _BITS_EACH - 1).bit_length()
        self._mask = np.uint64(size // 8 - 1)
        self._bytes = np.zeros(size // 8, dtype=np.uint8)

    def add(self, numbers: Any) -> None:
        """Put numbers in."""
        for place, bit in self._places(numbers):
            while len(place):
                self._bytes[place] |= bit
                # Of two bits for one byte only the last was set; `ufunc.at` takes ten times longer.
                lost = np.nonzero((self._bytes[place] & bit) == 0)[0]
                place, bit = place[lost], bit[lost]  # noqa: PLW2901

    def maybe(self, numbers: Any) -> Any:
        """Return for each number whether it may be in; False is certain."""
        found = np.ones(len(numbers), dtype=bool)
        for place, bit in self._places(numbers):
            found &= (self._bytes[place] & bit) != 0
        return found

    def _places(self, numbers: Any) -> list[tuple[Any, Any]]:
        halves = []
        with np.errstate(over="ignore"):
            for _ in range(_HASHES // 2):
                numbers = numbers * _MIX
                numbers ^= numbers >> np.uint64(29)
                halves += [numbers & np.uint64(0xFFFFFFFF), numbers >> np.uint64(32)]
        return [
            (
                ((half >> np.uint64(3)) & self._mask).astype(np.int64),
                np.left_shift(np.uint8(1), (half & np.uint64(7)).astype(np.uint8)),
            )
            for half in halves
        ]


class _Early:
    """Work in a thread of its own, begun before it is needed: it takes 0.8 us per span stored."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, work: Callable[[], None]) -> None:
        self._connection = connection
        self._work = work
        self._done: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="alexobs-known", daemon=True)
        self._begun = threading.Lock()

    def begin(self) -> None:
        """Begin, unless that was done."""
        if self._begun.acquire(blocking=False):
            self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def wait(self) -> None:
        """Return when the work is done."""
        if not self._done.done():
            self.begin()
        self._done.result()

    def stop(self) -> None:
        """Give the work up; who waits for it is told."""
        if self._begun.acquire(blocking=False):
            self._done.cancel()
        while self._thread.is_alive():
            self._connection.interrupt()
            self._thread.join(0.02)


class SeenSpans:
    """The identities of all finished spans in the store, and of those on their way into it.

    The thread that prepares a group claims its spans; the thread that commits it releases them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._claimed: dict[int, tuple[Any, Any, Any]] = {}
        self._lock = threading.Lock()
        self._filled = _Early(connection, self._fill)
        self.begin, self.stop = self._filled.begin, self._filled.stop

    def repeated(self, trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
        """Return for each span whether it is known, or stands earlier in the same arrays."""
        self._filled.wait()
        mixed = _mixed(trace_lo, span_id)
        _, first = np.unique(mixed, return_index=True)
        if len(first) < len(span_id):  # the same span twice, or two numbers that mix alike
            _, first = np.unique(_whole(trace_hi, trace_lo, span_id), return_index=True)
        repeated = np.ones(len(span_id), dtype=bool)
        repeated[first] = False
        maybe = np.nonzero(self._filter.maybe(mixed) & ~repeated)[0]
        if len(maybe):
            asked = (trace_hi[maybe], trace_lo[maybe], span_id[maybe])
            # First those on their way: whatever has left them by now is in the database.
            repeated[maybe] = self._is_claimed(*asked) | self._is_stored(*asked)
        return repeated

    def claim(self, group: int, trace_hi: Any, trace_lo: Any, span_id: Any) -> None:
        """Know these spans from now on, as part of the group of that number."""
        self._filled.wait()
        with self._lock:
            self._claimed[group] = (trace_hi, trace_lo, span_id)
        self._count += len(span_id)
        if self._count > self._filter.capacity:
            self._fill()
        else:
            self._filter.add(_mixed(trace_lo, span_id))

    def release(self, group: int) -> None:
        """Look a group's spans up in the database from now on: it was committed, or given up."""
        with self._lock:
            self._claimed.pop(group, None)

    def _fill(self) -> None:
        with self._lock:
            claimed = list(self._claimed.values())
        stored = _count(self._connection, "finished_spans")
        self._count = stored + sum(len(ids[2]) for ids in claimed)
        self._filter = Filter(2 * self._count)
        for _, trace_lo, span_id in claimed:
            self._filter.add(_mixed(trace_lo, span_id))
        if stored:
            text = "SELECT trace_lo, span_id FROM finished_spans"
            for batch in self._connection.sql(text).to_arrow_reader(_READ_ROWS):
                self._filter.add(_mixed(*(column.to_numpy() for column in batch.columns)))

    def _is_claimed(self, trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
        with self._lock:
            claimed = list(self._claimed.values())
        asked = _whole(trace_hi, trace_lo, span_id)
        found = np.zeros(len(span_id), dtype=bool)
        for identity in claimed:
            found |= np.isin(asked, _whole(*identity))
        return found

    def _is_stored(self, trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
        table = pa.table({"hi": trace_hi, "lo": trace_lo, "id": span_id, "i": range(len(span_id))})
        self._connection.register("maybe", table)
        rows = self._connection.execute(
            "SELECT i FROM maybe SEMI JOIN finished_spans"
            " ON id = span_id AND lo = trace_lo AND hi = trace_hi"
        ).fetchall()
        self._connection.unregister("maybe")
        found = np.zeros(len(span_id), dtype=bool)
        found[[row[0] for row in rows]] = True
        return found


def _whole(trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
    return np.rec.fromarrays([span_id, trace_lo, trace_hi])


class SeenMessages:
    """The hashes of all message bodies in the store; belongs to the writing thread.

    Args:
        connection: the writer's, to look up what is not certain.
        reader: another one, to read all that is stored.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, reader: duckdb.DuckDBPyConnection
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._recent: dict[bytes, None] = {}
        self._filled = _Early(reader, self._fill)
        self.begin, self.stop = self._filled.begin, self._filled.stop

    def fresh(self, names: list[bytes]) -> list[bytes]:
        """Return those hashes that are not stored; `names` has none twice."""
        self._filled.wait()
        recent = self._recent
        unknown = [name for name in names if name not in recent]
        if not unknown:
            return []
        maybe = np.nonzero(self._filter.maybe(_numbers(unknown)))[0]
        if not len(maybe):
            return unknown
        asked = [unknown[index] for index in maybe.tolist()]
        self._connection.register("maybe", pa.table({"hash": _numbers(asked)}))
        text = "SELECT hash FROM maybe SEMI JOIN message_rows USING (hash)"
        rows = self._connection.execute(text).fetchall()
        self._connection.unregister("maybe")
        stored = {row[0].to_bytes(8, "little") for row in rows}
        self._remember(list(stored))
        return [name for name in unknown if name not in stored]

    def add(self, names: list[bytes]) -> None:
        """Remember bodies that have been committed."""
        self._filled.wait()
        self._remember(names)
        self._count += len(names)
        if self._count > self._filter.capacity:
            self._fill()
        elif names:
            self._filter.add(_numbers(names))

    def forget(self) -> None:
        """Look all of them up again, because some have been deleted."""
        self._recent.clear()

    def _remember(self, names: list[bytes]) -> None:
        if len(self._recent) + len(names) > _RECENT:
            self._recent.clear()
        self._recent.update(dict.fromkeys(names[-_RECENT:]))

    def _fill(self) -> None:
        self._count = _count(self._reader, "message_rows")
        self._filter = Filter(2 * self._count)
        if self._count:
            text = "SELECT hash FROM message_rows"
            for batch in self._reader.sql(text).to_arrow_reader(_READ_ROWS):
                self._filter.add(batch.column(0).to_numpy())


def _numbers(names: list[bytes]) -> Any:
    return np.frombuffer(b"".join(names), dtype="<u8")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    text = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of ours
    return int(connection.execute(text).fetchall()[0][0])


def _mixed(trace_lo: Any, span_id: Any) -> Any:
    with np.errstate(over="ignore"):
        mixed = (span_id ^ (trace_lo * _MIX)) * _MIX
    return mixed ^ (mixed >> np.uint64(32))
