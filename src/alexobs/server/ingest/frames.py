"""Finds the spans in a request, with the resource and the scope that each belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from alexobs.server.ingest.wire import PADDING, Buffer, UnusualMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.server.ingest.wire import Ints

_DELIMITED: Final = 2


class Frames(NamedTuple):
    """Where spans lie in a buffer; `resource` and `scope` index the lists of encoded ones."""

    buffer: Buffer
    starts: Ints
    ends: Ints
    resource: Ints
    scope: Ints
    resources: list[bytes]
    scopes: list[bytes]

    def pick(self, rows: Ints) -> Frames:
        """Return only the spans at `rows`."""
        return self._replace(
            starts=self.starts[rows],
            ends=self.ends[rows],
            resource=self.resource[rows],
            scope=self.scope[rows],
        )


def frames_of(request: bytes) -> Frames:
    """Return the frames of a valid ``ExportTraceServiceRequest``, or of several joined ones."""
    data = request + PADDING
    starts: list[int] = []
    ends: list[int] = []
    runs: list[tuple[int, int, int]] = []
    resources: dict[bytes, int] = {}
    scopes: dict[bytes, int] = {}
    for number, begin, end in fields(data, 0, len(request)):
        if number != 1:
            continue
        resource, scope_spans = b"", []
        for inner, start, stop in fields(data, begin, end):
            if inner == 1:
                resource = data[start:stop]
            elif inner == 2:
                scope_spans.append((start, stop))
        resource_index = resources.setdefault(resource, len(resources))
        for start, stop in scope_spans:
            before = len(starts)
            scope = _spans(data, start, stop, starts, ends)
            scope_index = scopes.setdefault(scope, len(scopes))
            runs.append((len(starts) - before, resource_index, scope_index))
    counts = np.array([run[0] for run in runs], dtype=np.int64)
    return Frames(
        Buffer(data),
        np.array(starts, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        np.repeat(np.array([run[1] for run in runs], dtype=np.int64), counts),
        np.repeat(np.array([run[2] for run in runs], dtype=np.int64), counts),
        list(resources),
        list(scopes),
    )


def _spans(data: bytes, position: int, end: int, starts: list[int], ends: list[int]) -> bytes:
    """Append the frames of one ScopeSpans; return its encoded scope."""
    scope = b""
    add_start, add_end = starts.append, ends.append
    while position < end:
        if data[position] == 0x12:  # field 2, a span: the loop that matters
            length = data[position + 1]
            position += 2
            shift = 7
            if length > 127:
                length &= 127
                while True:
                    byte = data[position]
                    position += 1
                    length |= (byte & 127) << shift
                    if byte < 128:
                        break
                    shift += 7
            add_start(position)
            position += length
            add_end(position)
            continue
        number, start, position = next(fields(data, position, end))
        if number == 1:
            scope = data[start:position]
    return scope


def fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field; of numbers, start and end of their bytes."""
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        start = position
        if wire == _DELIMITED:
            length, start = _varint(data, position)
            position = start + length
        elif wire == 0:
            _, position = _varint(data, position)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise UnusualMessageError("groups")
        yield tag >> 3, start, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
