"""Keeps the file small: what is too old goes, and what repeats is summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.store import schema
from alexobs.server.store.schema import run

if TYPE_CHECKING:
    import duckdb

_DAY_NS: Final = 86_400 * 1_000_000_000
_MINUTE_NS: Final = 60 * 1_000_000_000
# Which column says how old a row is, and how many nanoseconds are one of its units.
_AGES: Final = {
    "finished_spans": ("start_ns", 1),
    "running_spans": ("start_ns", 1),
    "trace_parts": ("start_ns", 1),
    "log_rows": ("time_ns", 1),
    "point_rows": ("time_ns", 1),
    "rollup": ("minute", _MINUTE_NS),
    "rollup_latency": ("minute", _MINUTE_NS),
}
_SUMS: Final = ("trace_parts", "rollup", "rollup_latency")
_MEASURED: Final = ("finished_spans", "log_rows", "point_rows")
# Over the size, so much more goes that it is not over again at once.
_ROOM: Final = 0.9
# Sums are summed up again when so many have come; only those of the times that they belong to.
COMPACT_ROWS: Final = 200_000
# A living process sends its metrics every 15 s; one without metrics may wait long for its user.
SILENT_NS: Final = 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept: so many days, and so many bytes; 0 means without bound."""

    days: float = 30.0
    max_bytes: int = 10 << 30


class Keeper:
    """Applies retention; belongs to the writing thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, retention: Retention) -> None:
        self._connection = connection
        self.retention = retention

    def run(self, now_ns: int) -> int:
        """Delete what is too old or too much; return the cut-off (Unix ns), 0 when nothing went."""
        cutoff = self._cutoff(now_ns)
        if cutoff:
            self._delete_before(cutoff)
        self._compact()
        return cutoff

    def forget_silent(self, heard_ns: dict[int, int], opened_ns: int, now_ns: int) -> None:
        """Delete running spans of processes that were last heard of too long ago."""
        found = run(self._connection, "SELECT DISTINCT resource_id FROM running_spans")
        silent = [row[0] for row in found if heard_ns.get(row[0], opened_ns) < now_ns - SILENT_NS]
        if silent:
            text = "DELETE FROM running_spans WHERE list_contains($silent::UBIGINT[], resource_id)"
            run(self._connection, text, {"silent": silent})

    def used_bytes(self) -> int:
        """Return the bytes in use: the file without the blocks that are free again."""
        text = "SELECT used_blocks * block_size FROM pragma_database_size()"
        return int(self._one(text))

    def _cutoff(self, now_ns: int) -> int:
        cutoff = 0
        if self.retention.days:
            limit = now_ns - int(self.retention.days * _DAY_NS)
            oldest = [self._oldest(table) for table in _AGES]
            if any(0 < age < limit for age in oldest):
                cutoff = limit
        if self.retention.max_bytes and self.used_bytes() > self.retention.max_bytes:
            cutoff = max(cutoff, self._cutoff_by_size())
        return cutoff

    def _oldest(self, table: str) -> int:
        column, unit = _AGES[table]
        return int(self._one(f"SELECT coalesce(min({column}), 0) * {unit} FROM {table}"))  # noqa: S608 - names of ours

    def _cutoff_by_size(self) -> int:
        surplus = 1 - _ROOM * self.retention.max_bytes / self.used_bytes()
        ages = " UNION ALL ".join(
            f"SELECT {_AGES[table][0]} AS age FROM {table}"  # noqa: S608 - names of ours
            for table in _MEASURED
        )
        text = f"SELECT coalesce(approx_quantile(age, {surplus:.6f}), 0) FROM ({ages})"  # noqa: S608
        return int(self._one(text)) + 1

    def _delete_before(self, cutoff_ns: int) -> None:
        run(self._connection, "BEGIN")
        for table, (column, unit) in _AGES.items():
            run(
                self._connection,
                f"DELETE FROM {table} WHERE {column} < ?",  # noqa: S608 - names of ours
                [cutoff_ns // unit],
            )
        self._run_script("cut_hours", {"since": cutoff_ns // _MINUTE_NS})
        self._run_script("orphans", {})
        run(self._connection, "COMMIT")
        run(self._connection, "CHECKPOINT")

    def _compact(self) -> None:
        for table in _SUMS:
            rows, seq = self._run_one(f"SELECT count(*), coalesce(max(seq), 0) FROM {table}")  # noqa: S608 - a name of ours
            old_seq, old_rows = self._compacted(table)
            if rows - min(rows, old_rows) < COMPACT_ROWS:
                continue
            column, _ = _AGES[table]
            since = self._one(f"SELECT min({column}) FROM {table} WHERE seq > {old_seq}")  # noqa: S608
            run(self._connection, "BEGIN")
            self._run_script(f"compact_{table}", {"since": since})
            left = self._one(f"SELECT count(*) FROM {table}")  # noqa: S608
            text = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
            run(self._connection, text, [f"compacted {table}", f"{seq} {left}"])
            run(self._connection, "COMMIT")

    def _compacted(self, table: str) -> tuple[int, int]:
        """Return the last commit that has been summed up, and how many rows there were then."""
        text = "SELECT value FROM meta WHERE key = ?"
        found = run(self._connection, text, [f"compacted {table}"])
        seq, rows = map(int, found[0][0].split()) if found else (-1, 0)
        return seq, rows

    def _run_script(self, name: str, given: dict[str, int]) -> None:
        for statement in schema.script(name):
            wanted = {key: value for key, value in given.items() if f"${key}" in statement}
            run(self._connection, statement, wanted)

    def _one(self, text: str) -> Any:
        return self._run_one(text)[0]

    def _run_one(self, text: str) -> tuple[Any, ...]:
        return run(self._connection, text)[0]
