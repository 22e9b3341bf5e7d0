"""Reads protobuf's wire format column-wise: one step for the n-th field of all messages at once.

A Python loop over the attributes of a span costs 10 µs and more; here the loop runs over field
positions, and numpy runs over the messages. Callers pass only bytes that a protobuf parser has
accepted, so that lengths are known to stay inside; what this reader does not know is refused with
`UnusualMessageError`, and the caller rewrites the message in its plain form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

PADDING: Final = bytes(32)
"""Must follow the messages in a buffer, because windows of up to 16 bytes are read at any place."""

MAX_FIELDS: Final = 2048  # of one message; a span has at most about 130 by the SDKs' limits
_INLINE: Final = 12  # bytes that Arrow's view holds itself


class UnusualMessageError(Exception):
    """Valid protobuf in a form that nobody writes: groups, or endless fields."""


class Buffer:
    """Bytes with `PADDING`, and windows on them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.arrow = pa.py_buffer(data)
        self.u8: Bytes = np.frombuffer(data, dtype=np.uint8)
        size = len(data) - 8
        self.i32: Any = np.ndarray((size,), dtype="<i4", buffer=data, strides=(1,))
        self.u32: Any = np.ndarray((size,), dtype="<u4", buffer=data, strides=(1,))
        self.i64: Any = np.ndarray((size,), dtype="<i8", buffer=data, strides=(1,))
        self.u64: Any = np.ndarray((size,), dtype="<u8", buffer=data, strides=(1,))
        self.be64: Any = np.ndarray((size,), dtype=">u8", buffer=data, strides=(1,))
        self.f64: Any = np.ndarray((size,), dtype="<f8", buffer=data, strides=(1,))


class Fields(NamedTuple):
    """Fields of many messages: whose, which number, and where the value is.

    For length-delimited fields `start` and `end` frame the value; for others `start` is its place.
    """

    row: Ints
    number: Ints
    start: Ints
    end: Ints

    def where(self, mask: Any) -> Fields:
        """Return the fields that `mask` picks."""
        return Fields(self.row[mask], self.number[mask], self.start[mask], self.end[mask])

    def places(self, number: int, rows: int) -> tuple[Ints, Ints]:
        """Return start and end of field `number` for each of `rows` messages; -1 where absent."""
        starts = np.full(rows, -1, dtype=np.int64)
        ends = np.full(rows, -1, dtype=np.int64)
        mask = self.number == number
        row = self.row[mask]
        starts[row] = self.start[mask]  # of a field that repeats the last one counts
        ends[row] = self.end[mask]
        return starts, ends


def scan(buffer: Buffer, starts: Ints, ends: Ints) -> Fields:
    """Return all fields of the messages that lie between `starts` and `ends`."""
    rows = np.nonzero(starts < ends)[0]
    position, limit = starts[rows], ends[rows]
    found: list[Fields] = []
    while len(rows):
        if len(found) == MAX_FIELDS:
            raise UnusualMessageError("too many fields")
        fields, position = _next_field(buffer, rows, position)
        found.append(fields)
        going = position < limit
        if not going.all():
            rows, position, limit = rows[going], position[going], limit[going]
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Fields(empty, empty, empty, empty)
    return Fields(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def _next_field(buffer: Buffer, rows: Ints, position: Ints) -> tuple[Fields, Ints]:
    tag, position = _tag(buffer, position)
    wire = tag & 7
    if (wire == 2).all():
        length, start = varints(buffer, position)
        end = start + length
        return Fields(rows, tag >> 3, start, end), end
    start, end = position.copy(), position.copy()
    end[wire == 1] += 8
    end[wire == 5] += 4
    delimited = np.nonzero(wire == 2)[0]
    if len(delimited):
        length, begin = varints(buffer, position[delimited])
        start[delimited] = begin
        end[delimited] = begin + length
    numbers = np.nonzero(wire == 0)[0]
    if len(numbers):
        end[numbers] = varints(buffer, position[numbers])[1]
    if ((wire == 3) | (wire == 4)).any():
        raise UnusualMessageError("groups")
    return Fields(rows, tag >> 3, start, end), end


def _tag(buffer: Buffer, position: Ints) -> tuple[Ints, Ints]:
    tag = buffer.u8[position].astype(np.int64)
    if (tag < 128).all():
        return tag, position + 1
    return varints(buffer, position)


def varints(buffer: Buffer, position: Ints) -> tuple[Ints, Ints]:
    """Return the numbers at `position` and the places behind them."""
    byte = buffer.u8[position].astype(np.int64)
    value = byte & 127
    position = position + 1
    more = np.nonzero(byte > 127)[0]
    shift = 7
    while len(more):
        if shift > 63:
            raise UnusualMessageError("endless number")
        byte = buffer.u8[position[more]].astype(np.int64)
        value[more] |= (byte & 127) << shift
        position[more] += 1
        more = more[byte > 127]
        shift += 7
    return value, position


def views(buffer: Buffer, starts: Ints, ends: Ints, kind: pa.DataType | None = None) -> pa.Array:
    """Return the texts between `starts` and `ends` as Arrow views, not copied; -1 is null."""
    count = len(starts)
    missing = starts < 0
    some_missing = bool(missing.any())
    begin = np.where(missing, 0, starts) if some_missing else starts
    length = np.where(missing, 0, ends - starts) if some_missing else ends - starts
    cells = np.zeros((count, 4), dtype=np.int32)
    cells[:, 0] = length
    cells[:, 1] = buffer.i32[begin]
    cells[:, 3] = begin
    short = np.nonzero(length <= _INLINE)[0]
    if len(short):
        _put_inline(buffer, cells, short, begin[short], length[short])
    validity = None
    if some_missing:
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(
        kind or pa.string_view(), count, [validity, pa.py_buffer(cells), buffer.arrow]
    )


_MASKS: Final = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], dtype=np.uint64)


def _put_inline(buffer: Buffer, cells: Any, short: Ints, begin: Ints, length: Ints) -> None:
    low = buffer.u64[begin] & _MASKS[np.minimum(length, 8)]
    high = buffer.u64[begin + 8] & _MASKS[np.maximum(length - 8, 0)]
    cells[short, 1] = (low & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32)
    cells[short, 2] = (low >> np.uint64(32)).astype(np.uint32).view(np.int32)
    cells[short, 3] = high.astype(np.uint32).view(np.int32)
