"""Just enough parsing of protobuf to cut a request in two and to read a back end's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field of a message; tag and payload lie in ``data[start:end]``.

    ``value`` is a varint's number; of the other types it is where the payload starts.
    """

    number: int
    wire_type: int
    value: int
    start: int
    end: int

    def payload(self, data: bytes) -> bytes:
        """Return the payload of a length-delimited field, and nothing for other types."""
        return data[self.value : self.end] if self.wire_type == BYTES else b""


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Parse one level of a protobuf message.

    Raises:
        ValueError: when the bytes are not a protobuf message.
    """
    position, stop = start, len(data) if end is None else end
    while position < stop:
        begin = position
        tag, position = _varint(data, position, stop)
        wire_type = tag & 7
        value = position
        if wire_type == VARINT:
            value, position = _varint(data, position, stop)
        elif wire_type == BYTES:
            size, value = _varint(data, position, stop)
            position = value + size
        elif wire_type in _FIXED_SIZES:
            position += _FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} is not known")
        if position > stop:
            raise ValueError("the message is cut")
        yield Field(tag >> 3, wire_type, value, begin, position)


def _varint(data: bytes, position: int, stop: int) -> tuple[int, int]:
    number = shift = 0
    while position < stop and shift < 70:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
    raise ValueError("the message is cut")
