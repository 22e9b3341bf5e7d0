"""Copies of the data in formats that other programs read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import pyarrow as pa

Format = Literal["parquet", "jsonl"]
VIEWS: Final = ("spans", "logs", "metric_points", "sessions", "messages")
_ROWS: Final = 20_000


def export(connection: duckdb.DuckDBPyConnection, folder: Path, kind: Format) -> dict[str, int]:
    """Write each public view to a file in `folder`, all from one moment; return rows by view."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection.execute("BEGIN TRANSACTION READ ONLY")
    try:
        return {view: _export(connection, view, folder / f"{view}.{kind}") for view in VIEWS}
    finally:
        connection.execute("ROLLBACK")


def _export(connection: duckdb.DuckDBPyConnection, view: str, path: Path) -> int:
    reader = connection.sql(f"SELECT * FROM {view}").to_arrow_reader(_ROWS)  # noqa: S608 - a name of ours
    count = 0
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415 - 10 MB that only an export needs

        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
                count += len(batch)
        return count
    with path.open("wb") as file:
        for batch in reader:
            file.writelines(_lines(batch))
            count += len(batch)
    return count


def _lines(batch: pa.RecordBatch) -> list[bytes]:
    maps = [field.name for field in batch.schema if str(field.type).startswith("map<")]
    rows = batch.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = dict(row[name]) if row[name] is not None else None
        for name in ("start_time", "end_time", "time"):
            if name in row:
                row[name] = _time(row[name])
    return [msgspec.json.encode(row, enc_hook=str) + b"\n" for row in rows]


def _time(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value
