"""Remembers which spans are stored, so that a repeated one is not stored twice.

A Bloom filter answers "certainly new" for nearly all spans at 2 bytes each; the few others are
looked up. An index in the database costs several times the insert itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

_BITS_PER_SPAN: Final = 16
_HASHES: Final = 6  # one in 2,000 new spans is looked up for nothing
_LEAST: Final = 1 << 20  # spans that the smallest filter is made for
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class SeenSpans:
    """The identities of all finished spans in the store; belongs to the writing thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._count = 0
        self._grow()

    def repeated(self, trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
        """Return for each span whether it is stored, or stands earlier in the same arrays."""
        _, first = np.unique(_mixed(trace_lo, span_id), return_index=True)
        if len(first) < len(span_id):  # the same span twice, or two numbers that mix alike
            _, first = np.unique(
                np.rec.fromarrays([span_id, trace_lo, trace_hi]), return_index=True
            )
        repeated = np.ones(len(span_id), dtype=bool)
        repeated[first] = False
        maybe = np.nonzero(self._maybe(trace_lo, span_id) & ~repeated)[0]
        if len(maybe):
            found = self._stored(trace_hi[maybe], trace_lo[maybe], span_id[maybe])
            repeated[maybe[found]] = True
        return repeated

    def add(self, trace_lo: Any, span_id: Any) -> None:
        """Remember spans that have been committed."""
        self._count += len(span_id)
        if self._count > self._capacity:
            self._grow()  # reads them from the database, these included
            return
        self._put(trace_lo, span_id)

    def _grow(self) -> None:
        text = "SELECT count(*) FROM finished_spans"
        self._count = self._connection.execute(text).fetchall()[0][0]
        self._capacity = max(_LEAST, 2 * self._count)
        size = 1 << (self._capacity * _BITS_PER_SPAN - 1).bit_length()
        self._mask = np.uint64(size - 1)
        self._bytes = np.zeros(size // 8, dtype=np.uint8)
        if not self._count:
            return
        reader = self._connection.sql(
            "SELECT trace_lo, span_id FROM finished_spans"
        ).to_arrow_reader(1 << 17)
        for batch in reader:
            self._put(batch.column(0).to_numpy(), batch.column(1).to_numpy())

    def _places(self, trace_lo: Any, span_id: Any) -> list[tuple[Any, Any]]:
        first = _mixed(trace_lo, span_id)
        with np.errstate(over="ignore"):
            second = (first * _MIX) | np.uint64(1)
            spots = [(first + np.uint64(i) * second) for i in range(_HASHES)]
        return [
            (
                ((spot >> np.uint64(7)) & (self._mask >> np.uint64(3))).astype(np.int64),
                (1 << (spot & np.uint64(7)).astype(np.uint8)).astype(np.uint8),
            )
            for spot in spots
        ]

    def _put(self, trace_lo: Any, span_id: Any) -> None:
        for place, bit in self._places(trace_lo, span_id):
            np.bitwise_or.at(self._bytes, place, bit)

    def _maybe(self, trace_lo: Any, span_id: Any) -> Any:
        found = np.ones(len(span_id), dtype=bool)
        for place, bit in self._places(trace_lo, span_id):
            found &= (self._bytes[place] & bit) != 0
        return found

    def _stored(self, trace_hi: Any, trace_lo: Any, span_id: Any) -> Any:
        table = pa.table({"hi": trace_hi, "lo": trace_lo, "id": span_id, "i": range(len(span_id))})
        self._connection.register("maybe", table)
        rows = self._connection.execute(
            "SELECT i FROM maybe SEMI JOIN finished_spans"
            " ON id = span_id AND lo = trace_lo AND hi = trace_hi"
        ).fetchall()
        self._connection.unregister("maybe")
        return np.array([row[0] for row in rows], dtype=np.int64)


def _mixed(trace_lo: Any, span_id: Any) -> Any:
    with np.errstate(over="ignore"):
        mixed = (span_id ^ (trace_lo * _MIX)) * _MIX
    return mixed ^ (mixed >> np.uint64(32))
