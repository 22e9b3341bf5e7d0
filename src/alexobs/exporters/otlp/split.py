"""Cutting an encoded OTLP request in two requests, by records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs.exporters.otlp.reader import BYTES, fields
from alexobs.exporters.otlp.wire import field, varint

if TYPE_CHECKING:
    from alexobs.records import Signal

# The field numbers that lead from a request to its records. Of a metric any kind of data holds
# the points: gauge 5, sum 7, histogram 9, exponential histogram 10, summary 11.
_Path = tuple[frozenset[int], ...]
_RECORDS: _Path = (frozenset({1}), frozenset({2}), frozenset({2}))
_POINTS: _Path = (*_RECORDS, frozenset({5, 7, 9, 10, 11}), frozenset({1}))


def split_request(body: bytes, signal: Signal, first: int) -> tuple[bytes, bytes]:
    """Return a request with the first `first` records of `body`, and one with the others.

    Raises:
        ValueError: when `body` is not a protobuf message.
    """
    path = _POINTS if signal == "metrics" else _RECORDS
    return _slice(body, path, 0, first)[0], _slice(body, path, first, None)[0]


def _slice(data: bytes, path: _Path, start: int, stop: int | None) -> tuple[bytes, int, int]:
    """Return `data` with only its records ``start:stop``, how many it keeps, and how many it had.

    What is not on the path (resource, scope, name, temporality) is kept as it stands.
    """
    parts: list[bytes] = []
    kept = seen = 0
    for part in fields(data):
        if part.number not in path[0] or part.wire_type != BYTES:
            parts.append(data[part.start : part.end])
            continue
        if len(path) == 1:
            wanted = start <= seen and (stop is None or seen < stop)
            seen += 1
            kept += wanted
            if wanted:
                parts.append(data[part.start : part.end])
            continue
        inner_stop = None if stop is None else stop - seen
        inner, inner_kept, inner_seen = _slice(
            part.payload(data), path[1:], max(start - seen, 0), inner_stop
        )
        seen += inner_seen
        kept += inner_kept
        if inner_kept:
            parts.append(field(varint(part.number << 3 | BYTES), inner))
    return b"".join(parts), kept, seen
