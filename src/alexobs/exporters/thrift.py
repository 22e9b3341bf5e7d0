"""Thrift's binary protocol, as far as Jaeger's batches need it.

A struct is a run of fields (type, id, value) and a stop byte; a list is the type of its elements,
their number, and the elements; integers are big-endian; text has its length in front.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STOP: Final = b"\x00"
BOOL, BYTE, DOUBLE, I16, I32, I64, STRING, STRUCT = 2, 3, 4, 6, 8, 10, 11, 12
SET, LIST = 14, 15
_FIXED_SIZES = {BOOL: 1, BYTE: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8}
# Jaeger's batch is four structs deep.
_MAX_DEPTH = 16

_pack_bool = struct.Struct(">BhB").pack
_pack_i32 = struct.Struct(">Bhi").pack
_pack_i64 = struct.Struct(">Bhq").pack
_pack_double = struct.Struct(">Bhd").pack
_pack_head = struct.Struct(">Bh").pack
_pack_list_head = struct.Struct(">BhBi").pack
_SIZE = struct.Struct(">i")
_LIST = struct.Struct(">Bi")


def bool_field(number: int, value: bool) -> bytes:
    """Return a field of type bool."""
    return _pack_bool(BOOL, number, value)


def i32_field(number: int, value: int) -> bytes:
    """Return a field of type i32."""
    return _pack_i32(I32, number, value)


def i64_field(number: int, value: int) -> bytes:
    """Return a field of type i64; unsigned 64-bit numbers in two's complement."""
    return _pack_i64(I64, number, value - (1 << 64) if value >= 1 << 63 else value)


def double_field(number: int, value: float) -> bytes:
    """Return a field of type double."""
    return _pack_double(DOUBLE, number, value)


def text_field(number: int, text: str) -> bytes:
    """Return a field of type string."""
    return binary_field(number, text.encode())


def binary_field(number: int, content: bytes) -> bytes:
    """Return a field of type binary."""
    return _pack_i32(STRING, number, len(content)) + content


def struct_field(number: int, content: bytes) -> bytes:
    """Return a field that holds a struct; `content` ends in its stop byte."""
    return _pack_head(STRUCT, number) + content


def struct_list_field(number: int, structs: Sequence[bytes]) -> bytes:
    """Return a field that holds a list of structs."""
    return _pack_list_head(LIST, number, STRUCT, len(structs)) + b"".join(structs)


def fields(data: bytes, position: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """Parse one level of a struct: type, id, start of the value, end of the value.

    Raises:
        ValueError: when the bytes are no struct.
    """
    while True:
        kind = _at(data, position)
        if kind == 0:
            return
        number = int.from_bytes(data[position + 1 : position + 3], "big", signed=True)
        start = position + 3
        position = _end(data, kind, start, 0)
        yield kind, number, start, position


def list_items(data: bytes, start: int) -> list[bytes]:
    """Return the encoded elements of the list whose value begins at `start`.

    Raises:
        ValueError: when the bytes are no list.
    """
    kind, count = _unpack(_LIST, data, start)
    position = start + 5
    items = []
    for _ in range(count):
        end = _end(data, kind, position, 0)
        items.append(data[position:end])
        position = end
    return items


def _end(data: bytes, kind: int, position: int, depth: int) -> int:
    """Return where the value that begins at `position` ends."""
    if depth > _MAX_DEPTH:
        raise ValueError("the Thrift value is too deep")
    if kind in _FIXED_SIZES:
        end = position + _FIXED_SIZES[kind]
    elif kind == STRING:
        end = position + 4 + int(_unpack(_SIZE, data, position)[0])
    elif kind == STRUCT:
        while inner := _at(data, position):
            position = _end(data, inner, position + 3, depth + 1)
        end = position + 1
    elif kind in {LIST, SET}:
        inner, count = _unpack(_LIST, data, position)
        end = position + 5
        for _ in range(count):
            end = _end(data, inner, end, depth + 1)
    else:
        raise ValueError(f"Thrift type {kind} does not occur in a batch")
    if not position <= end <= len(data):
        raise ValueError("the Thrift value is cut")
    return end


def _at(data: bytes, position: int) -> int:
    if position >= len(data):
        raise ValueError("the Thrift struct is cut")
    return data[position]


def _unpack(layout: struct.Struct, data: bytes, position: int) -> tuple[int, ...]:
    try:
        return layout.unpack_from(data, position)
    except struct.error as error:
        raise ValueError("the Thrift value is cut") from error
