"""Brings spans that others wrote to the store's form, amid their decoding.

The attributes of all such spans of a group are read as columns, looked through for secrets in one
pass, and normalised; what changes is put beside the request's own bytes and into the columns'
places. Nothing is encoded as a request again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alexobs.server.ingest import proto
from alexobs.server.ingest.attributes import BOOL, DOUBLE, INT, STRING, Attributes, plain_values
from alexobs.server.ingest.frames import fields
from alexobs.server.ingest.wire import PADDING, Buffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alexobs.server.ingest.normalise import Normaliser
    from alexobs.server.ingest.wire import Ints

OWN_SCOPE: Final = "alexobs"
_MISSING: Final = object()


class Span(NamedTuple):
    """What is needed of a span besides its attributes; `row` is its place in the group."""

    row: int
    root: bool
    start_ns: int
    failed: bool


class Translator:
    """Rewrites spans in one group of requests; what is new stands behind the old bytes."""

    def __init__(self, normaliser: Normaliser, buffer: Buffer) -> None:
        self._normaliser = normaliser
        self._old = buffer
        self._parts: list[bytes] = [buffer.data]
        self._end = len(buffer.data)

    def put(self, encoded: bytes) -> tuple[int, int]:
        """Append bytes; return where they will be in `buffer`."""
        start = self._end
        self._parts.append(encoded)
        self._end = start + len(encoded)
        return start, self._end

    def buffer(self) -> Buffer:
        """Return a buffer with the old bytes in their places and the new ones behind them."""
        return Buffer(b"".join((*self._parts, PADDING)))

    def clean_texts(self, starts: Ints, ends: Ints, rows: Ints) -> None:
        """Remove secrets from the texts of these rows: `starts` and `ends` say where they are."""
        data = self._old.data
        rows = rows[starts[rows] >= 0]
        places = zip(starts[rows].tolist(), ends[rows].tolist(), strict=True)
        texts = [data[start:end].decode() for start, end in places]
        clean = self._normaliser.redacted_texts(texts)
        if clean is not texts:
            for row, before, after in zip(rows.tolist(), texts, clean, strict=True):
                if after is not before:
                    starts[row], ends[row] = self.put(after.encode())

    def attributes(
        self, given: Attributes, spans: Sequence[Span], events: dict[int, list[dict[str, Any]]]
    ) -> Attributes:
        """Return the attributes of all spans, those of `spans` in the store's form.

        The attributes of `events`, which are told by the row, lose their secrets in place.
        """
        mine = np.zeros(max((span.row for span in spans), default=0) + 2, dtype=bool)
        mine[[span.row for span in spans]] = True
        theirs = np.nonzero(mine[np.minimum(given.row, len(mine) - 1)])[0]
        found = given.where(theirs)
        mappings = _mappings(self._old, found, spans)
        clean = self._redacted(mappings, [event for row in events.values() for event in row])
        changes = _Changes(self, given.keys)
        index = 0
        for span, old, mapping in zip(spans, mappings, clean, strict=True):
            new = self._normaliser.attributes(
                mapping,
                root=span.root,
                start_ns=span.start_ns,
                failed=span.failed,
                events=_content(events.get(span.row, ())),
            )
            for key, value in old.items():
                if new.get(key, _MISSING) is value:
                    del new[key]
                else:
                    changes.drop(index)
                index += 1
            changes.add(span.row, new)
        return changes.applied(given, theirs)

    def _redacted(
        self, mappings: list[dict[str, Any]], events: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        clean = self._normaliser.redacted([*mappings, *(event["attributes"] for event in events)])
        for event, attributes in zip(events, clean[len(mappings) :], strict=True):
            event["attributes"] = attributes
        return clean[: len(mappings)]


def _mappings(buffer: Buffer, found: Attributes, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return the attributes of each span as a dict; `found` has those of `spans`, in order."""
    names = list(map(found.keys.__getitem__, found.code.tolist()))
    values = plain_values(buffer, found)
    rows = np.array([span.row for span in spans], dtype=np.int64)
    ends = np.searchsorted(found.row, rows, side="right").tolist()
    return [
        dict(zip(names[start:end], values[start:end], strict=True))
        for start, end in pairwise([0, *ends])
    ]


def _content(events: Iterable[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event["name"], event["attributes"])
        for event in events
        if event["name"].startswith("gen_ai.")
    ]


class _Changes:
    """Which attributes go, and which come."""

    def __init__(self, translator: Translator, keys: list[str]) -> None:
        self._put = translator.put
        self._codes = {key: code for code, key in enumerate(keys)}
        self._rows: list[int] = []
        self._counts: list[int] = []
        self._keys: list[str] = []
        self._values: list[Any] = []
        self._dropped: list[int] = []
        self.drop = self._dropped.append

    def add(self, row: int, attributes: dict[str, Any]) -> None:
        """Give a span attributes."""
        self._rows.append(row)
        self._counts.append(len(attributes))
        self._keys += attributes
        self._values += attributes.values()

    def applied(self, given: Attributes, theirs: Ints) -> Attributes:
        """Return `given` changed; what was dropped counts by its place in `theirs`."""
        kept = np.ones(len(given.row), dtype=bool)
        kept[theirs[self._dropped]] = False
        for key in dict.fromkeys(self._keys):
            self._codes.setdefault(key, len(self._codes))
        added = (
            np.repeat(np.array(self._rows, dtype=np.int64), self._counts),
            np.array(list(map(self._codes.__getitem__, self._keys)), dtype=np.int64),
            *self._written(),
        )
        merged = [
            np.concatenate((old[kept], new)) for old, new in zip(given[:5], added, strict=True)
        ]
        order = np.argsort(merged[0], kind="stable")
        row, code, kind, start, end = (column[order] for column in merged)
        return Attributes(row, code, kind, start, end, list(self._codes))

    def _written(self) -> tuple[Ints, Ints, Ints]:
        """Write the new values; return their types and places."""
        values = self._values
        kinds = np.array([_KINDS.get(type(value), _OTHER) for value in values], dtype=np.int64)
        starts = np.zeros(len(values), dtype=np.int64)
        ends = np.zeros(len(values), dtype=np.int64)
        for kind, encode in ((STRING, _texts), (INT, _integers), (DOUBLE, _doubles)):
            chosen = np.nonzero(kinds == kind)[0]
            if len(chosen):
                encoded, lengths = encode([values[index] for index in chosen.tolist()])
                start, _ = self._put(encoded)
                ends[chosen] = start + np.cumsum(lengths)
                starts[chosen] = ends[chosen] - lengths
        for index in np.nonzero(kinds == _OTHER)[0].tolist():
            kinds[index], encoded = _other(values[index])
            starts[index], ends[index] = self._put(encoded)
        return kinds, starts, ends


_OTHER: Final = -1
_KINDS: Final = {str: STRING, int: INT, float: DOUBLE}
_SHIFTS: Final = np.arange(10, dtype=np.uint64) * np.uint64(7)
_MORE: Final = np.array([128] * 9 + [0], dtype=np.uint64)


def _texts(values: list[str]) -> tuple[bytes, Any]:
    encoded = [value.encode() for value in values]
    return b"".join(encoded), np.array(list(map(len, encoded)), dtype=np.int64)


def _integers(values: list[int]) -> tuple[bytes, Any]:
    """Return numbers as protobuf has them, each in ten bytes, which the format allows."""
    numbers = np.array([value & (2**64 - 1) for value in values], dtype=np.uint64)
    cells = ((numbers[:, None] >> _SHIFTS) & np.uint64(127)) | _MORE
    return cells.astype(np.uint8).tobytes(), np.full(len(values), 10, dtype=np.int64)


def _doubles(values: list[float]) -> tuple[bytes, Any]:
    return np.array(values, dtype="<f8").tobytes(), np.full(len(values), 8, dtype=np.int64)


def _other(value: Any) -> tuple[int, bytes]:
    """Return the type of a value and its bytes, as an ``AnyValue`` has them."""
    target = proto.AnyValue()
    proto.set_value(target, value)
    encoded: bytes = target.SerializeToString()
    if not encoded:
        return 0, b""
    kind = encoded[0] >> 3
    if kind == BOOL:
        return kind, encoded[1:]
    _, start, end = next(fields(encoded, 0, len(encoded)))
    return kind, encoded[start:end]
