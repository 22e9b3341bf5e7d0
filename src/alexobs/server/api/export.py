"""Everything of one signal as a file, in pieces, so that its size costs no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import StreamingResponse

from alexobs.server.api.encoding import encode
from alexobs.server.api.windows import bounds_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.server.app import Context

ROWS_PER_PIECE: Final = 20_000
_MEDIA: Final = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


def export(context: Context, values: dict[str, Any]) -> StreamingResponse:
    """Answer ``/api/export``."""
    signal, form = values["signal"], values["format"]
    pieces = _pieces(context, signal, **bounds_ns(values))
    made = (
        _parquet(context, signal, pieces) if form == "parquet" else _lines(context, signal, pieces)
    )
    name = f'attachment; filename="{signal}.{form}"'
    return StreamingResponse(made, media_type=_MEDIA[form], headers={"content-disposition": name})


def _pieces(
    context: Context, signal: str, from_ns: int | None, to_ns: int | None
) -> list[tuple[int, int]]:
    """Return windows of time, ns, that hold about `ROWS_PER_PIECE` rows each."""
    minute_ns = 60_000_000_000
    found = context.store.query(
        "api_export_minutes", signal=signal, from_ns=from_ns, to_ns=to_ns
    ).rows
    pieces: list[tuple[int, int]] = []
    rows = 0
    for minute, count in found:
        if not pieces or rows + count > ROWS_PER_PIECE:
            pieces.append((minute * minute_ns, 0))
            rows = 0
        rows += count
        pieces[-1] = (pieces[-1][0], min((minute + 1) * minute_ns, 2**63 - 1))
    return [
        (max(start, from_ns or start), end if to_ns is None else min(end, to_ns))
        for start, end in pieces
    ]


def _lines(context: Context, signal: str, pieces: list[tuple[int, int]]) -> Iterator[bytes]:
    for from_ns, to_ns in pieces:
        found = context.store.query(f"api_export_{signal}", from_ns=from_ns, to_ns=to_ns)
        if found.rows:
            yield b"\n".join(encode(row) for row in found.dicts()) + b"\n"


def _parquet(context: Context, signal: str, pieces: list[tuple[int, int]]) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - half a second, for those who export
    import pyarrow.parquet as pq  # noqa: PLC0415

    empty = context.store.arrow(f"api_export_{signal}", from_ns=0, to_ns=0)
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), empty.schema, compression="zstd") as file:
        for from_ns, to_ns in pieces:
            file.write_table(
                context.store.arrow(f"api_export_{signal}", from_ns=from_ns, to_ns=to_ns)
            )
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """A file that hands over what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep `data`."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def flush(self) -> None:
        """Nothing is held back."""
