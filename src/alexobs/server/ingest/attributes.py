"""Attributes as columns, and their values as Python's or as JSON."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from alexobs.server.ingest import proto
from alexobs.server.ingest.wire import varints

if TYPE_CHECKING:
    from alexobs.server.ingest.wire import Buffer, Ints

# Numbers of the fields of an ``AnyValue``.
STRING, BOOL, INT, DOUBLE, ARRAY, MAP, BYTES = 1, 2, 3, 4, 5, 6, 7


class Attributes(NamedTuple):
    """All attributes of all spans, sorted by span: key code, type of value and where it is."""

    row: Ints
    code: Ints
    type: Ints
    start: Ints
    end: Ints
    keys: list[str]

    def where(self, mask: Any) -> Attributes:
        """Return the attributes that `mask` picks."""
        return Attributes(
            self.row[mask],
            self.code[mask],
            self.type[mask],
            self.start[mask],
            self.end[mask],
            self.keys,
        )


def read(buffer: Buffer, found: Attributes, kind: int) -> Any:
    """Return numbers of one kind."""
    if kind == DOUBLE:
        return buffer.f64[found.start]
    return varints(buffer, found.start)[0]


def json_texts(buffer: Buffer, values: Attributes) -> pa.Array:
    """Return JSON texts of values that are no texts."""
    texts: list[str] = ["null"] * len(values.row)
    for kind in np.unique(values.type).tolist():
        chosen = np.nonzero(values.type == kind)[0]
        found = values.where(chosen)
        for index, text in zip(chosen.tolist(), _texts_of(buffer, found, kind), strict=True):
            texts[index] = text
    return pa.array(texts, pa.string())


def _texts_of(buffer: Buffer, found: Attributes, kind: int) -> list[str]:
    if kind == BOOL:
        return ["true" if value else "false" for value in read(buffer, found, kind).tolist()]
    if kind == INT:
        return list(map(str, read(buffer, found, kind).tolist()))
    if kind == DOUBLE:
        return [json_text(value) for value in read(buffer, found, kind).tolist()]
    if kind not in (ARRAY, MAP, BYTES):
        return ["null"] * len(found.row)
    known: dict[bytes, str] = {}  # values such as finish reasons repeat
    result = []
    for start, end in zip(found.start.tolist(), found.end.tolist(), strict=True):
        encoded = buffer.data[start:end]
        text = known.get(encoded)
        if text is None:
            text = known[encoded] = json_text(_nested(encoded, kind))
        result.append(text)
    return result


def _nested(encoded: bytes, kind: int) -> Any:
    value = proto.AnyValue()
    if kind == BYTES:
        return encoded
    target = value.array_value if kind == ARRAY else value.kvlist_value
    target.MergeFromString(encoded)
    target.SetInParent()
    return proto.value_of(value)


def json_text(value: Any) -> str:
    """Return JSON text; bytes as base64, and numbers that JSON lacks as text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
        return f'"{value}"'
    return msgspec.json.encode(value, enc_hook=_text_of).decode()


def _text_of(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def plain_values(buffer: Buffer, values: Attributes) -> list[Any]:
    """Return the values as Python's; None for one that is empty."""
    data = buffer.data
    result: list[Any] = [None] * len(values.row)
    for kind in np.unique(values.type).tolist():
        chosen = np.nonzero(values.type == kind)[0]
        found = values.where(chosen)
        places = zip(found.start.tolist(), found.end.tolist(), strict=True)
        if kind == STRING:
            some: list[Any] = [data[start:end].decode() for start, end in places]
        elif kind in (INT, DOUBLE):
            some = read(buffer, found, kind).tolist()
        elif kind == BOOL:
            some = (read(buffer, found, kind) != 0).tolist()
        elif kind in (ARRAY, MAP, BYTES):
            some = [_nested(data[start:end], kind) for start, end in places]
        else:
            continue
        for index, value in zip(chosen.tolist(), some, strict=True):
            result[index] = value
    return result
