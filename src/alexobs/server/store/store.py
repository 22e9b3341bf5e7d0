"""The store: one file, one writer, any number of readers."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from alexobs.errors import ServerError
from alexobs.server.store import adhoc, export, named, schema
from alexobs.server.store.result import Result
from alexobs.server.store.retention import Keeper, Retention
from alexobs.server.store.schema import run
from alexobs.server.store.seen import SeenMessages, SeenSpans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from alexobs.server.store.export import Format
    from alexobs.server.store.group import Group

FILE_NAME: Final = "alexobs.duckdb"
# Reading holds no more than this; ingest needs about a third of it.
MEMORY_LIMIT: Final = "1GB"
# A commit appends to the write-ahead log; beyond this size it is folded into the file.
CHECKPOINT_SIZE: Final = "128MB"
# How long running questions have to end when the store is closed; each is told to at once.
_CLOSE_S: Final = 5.0
_ASK_AGAIN_S: Final = 0.02


class Store:
    """Telemetry in one file. `commit` belongs to one thread; everything else to any.

    Args:
        folder: where the file is; made when absent, for its owner alone.
        retention: what `tidy` keeps.
        memory_limit: what all questions and the writer hold together, at most.

    Raises:
        ServerError: another process owns the data, a newer version wrote it, or it is damaged.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention | None = None,
        *,
        memory_limit: str = MEMORY_LIMIT,
    ) -> None:
        self.path = folder / FILE_NAME
        self._main = _open(folder, self.path, memory_limit)
        try:
            schema.prepare(self._main)
            _lock_down(self._main)
            self._writer = self._main.cursor()
            self._readers: list[duckdb.DuckDBPyConnection] = []
            self._reading: set[duckdb.DuckDBPyConnection] = set()
            self._closing = False
            self._lock = threading.Condition(threading.Lock())
            self._changed = threading.Condition()
            self.committed = self._last_seq()
            self._keeper = Keeper(self._writer, retention or Retention())
            self.seen = SeenSpans(self._main.cursor())
            self._seen_messages = SeenMessages(self._writer, self._main.cursor())
            self._running = bool(_flat(self._main, "SELECT 1 FROM running_spans LIMIT 1"))
            self._known_resources = set(_flat(self._main, "SELECT resource_id FROM resources"))
            self._opened_ns = time.time_ns()
            self._heard_ns: dict[int, int] = {}
        except BaseException:
            self._main.close()
            raise

    def warm_up(self) -> None:
        """Read what the first commit will need, in the background."""
        self.seen.begin()
        self._seen_messages.begin()

    def close(self) -> None:
        """Stop questions that still run, fold the log into the file and close it."""
        self.seen.stop()
        self._seen_messages.stop()
        with self._lock:
            self._closing = True
            give_up = time.monotonic() + _CLOSE_S
            while self._reading and time.monotonic() < give_up:
                for reader in self._reading:  # between two queries of one there is nothing to stop
                    reader.interrupt()
                self._lock.wait(_ASK_AGAIN_S)
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._writer.close()
        self._main.close()

    # -- writing ---------------------------------------------------------------------------------

    def commit(self, group: Group) -> int:
        """Write all of `group` or nothing, durably; return the commit's number."""
        seq = self.committed + 1
        writer = self._writer
        run(writer, "BEGIN")
        try:
            fresh = self._write(group, seq)
            run(writer, "COMMIT")
        except BaseException:
            _roll_back(writer)
            raise
        for row in group.resources:
            self._known_resources.add(row[0])
            self._heard_ns[row[0]] = group.time_ns
        self._seen_messages.add(fresh)
        with self._changed:
            self.committed = seq
            self._changed.notify_all()
        return seq

    def tidy(self, now_ns: int | None = None) -> int:
        """Delete what is older or more than is kept; return the cut-off, 0 when nothing went.

        Spans that were announced go as well when their process has sent nothing for so long that
        it must have died: their end is taken whenever it comes. Belongs to the thread that commits.
        """
        now_ns = now_ns or time.time_ns()
        cutoff = self._keeper.run(now_ns)
        self._keeper.forget_silent(self._heard_ns, self._opened_ns, now_ns)
        if cutoff:
            self._seen_messages.forget()
        return cutoff

    def _write(self, group: Group, seq: int) -> list[bytes]:
        writer = self._writer
        for name, table in group.tables().items():
            writer.register("batch", table)
            if name == "finished_spans":
                self._run("spans", seq)
                if self._running:
                    self._run("ended", seq)
            elif name == "running_spans":
                self._run("running", seq)
                self._running = True
            else:
                run(writer, f"INSERT INTO {name} BY NAME SELECT ? AS seq, * FROM batch", [seq])  # noqa: S608 - a name of ours
            writer.unregister("batch")
        fresh = self._write_messages(group) if group.messages else []
        for row in group.resources:
            if row[0] not in self._known_resources:
                run(writer, "INSERT OR IGNORE INTO resources VALUES (?, ?, ?, ?, ?)", list(row))
        return fresh

    def _run(self, name: str, seq: int) -> None:
        for statement in schema.script(name):
            given = {"seq": seq} if "$seq" in statement else {}
            run(self._writer, statement, given)

    def _write_messages(self, group: Group) -> list[bytes]:
        fresh = self._seen_messages.fresh(list(group.messages))
        bodies = pa.table(
            {
                "hash": np.frombuffer(b"".join(fresh), dtype="<u8"),
                "body": pa.array([group.messages[name] for name in fresh], pa.string()),
            }
        )
        self._writer.register("bodies", bodies)
        text = "INSERT INTO message_rows SELECT hash, ?, body FROM bodies"
        run(self._writer, text, [group.time_ns])
        self._writer.unregister("bodies")
        return fresh

    def size_bytes(self) -> int:
        """Return the size of the data file and its log."""
        log = self.path.with_name(f"{self.path.name}.wal")
        return sum(path.stat().st_size for path in (self.path, log) if path.exists())

    def wait(self, after: int, timeout_s: float) -> int:
        """Return the last commit's number as soon as it is beyond `after`, or at the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self.committed > after, timeout_s)
            return self.committed

    # -- reading ---------------------------------------------------------------------------------

    def query(self, name: str, /, **parameters: Any) -> Result:
        """Return what the named query finds; parameters that are not given are NULL."""
        text, wanted = named.text_of(name, parameters)
        with self._reader() as reader:
            return _result(reader.execute(text, named.bound(wanted, parameters)))

    def arrow(self, name: str, /, **parameters: Any) -> pa.Table:
        """Return what the named query finds, as an Arrow table."""
        text, wanted = named.text_of(name, parameters)
        with self._reader() as reader:
            found: pa.Table = reader.sql(
                text, params=named.bound(wanted, parameters)
            ).to_arrow_table()
            return found

    def messages(self, hashes: Iterable[int]) -> dict[int, str]:
        """Return the JSON texts of messages by their hashes."""
        return dict(self.query("message_bodies", hashes=sorted(set(hashes))).rows)

    def sql(self, text: str, *, max_rows: int = 1000, timeout_s: float = 5.0) -> Result:
        """Return what a user's query finds, at most `max_rows` rows of it.

        Raises:
            QueryError: it is not one SELECT, is wrong, or takes longer than `timeout_s`.
        """
        with self._reader() as reader:
            return adhoc.run(reader, text, max_rows, timeout_s)

    def export(self, folder: Path, kind: Format) -> dict[str, int]:
        """Write the public views to files, all as of one moment; return rows by view."""
        with self._reader() as reader:
            return export.export(reader, folder, kind)

    @property
    def retention(self) -> Retention:
        """What is kept."""
        return self._keeper.retention

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._closing:
                raise ServerError("the store is closed")
            reader = self._readers.pop() if self._readers else self._main.cursor()
            self._reading.add(reader)
        try:
            yield reader
        finally:
            with self._lock:
                self._reading.remove(reader)
                self._readers.append(reader)
                self._lock.notify()

    def _last_seq(self) -> int:
        tables = ("finished_spans", "running_spans", "log_rows", "point_rows", "trace_parts")
        texts = " UNION ALL ".join(f"SELECT max(seq) AS seq FROM {name}" for name in tables)  # noqa: S608
        seq: int = _flat(self._main, f"SELECT coalesce(max(seq), 0) FROM ({texts})")[0]  # noqa: S608
        return seq


def _open(folder: Path, path: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return duckdb.connect(
            str(path),
            config={
                "memory_limit": memory_limit,
                "checkpoint_threshold": CHECKPOINT_SIZE,
                "storage_compatibility_version": "latest",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "preserve_insertion_order": "true",
            },
        )
    except duckdb.Error as error:
        raise ServerError(_why_not(path, str(error))) from None


def _why_not(path: Path, message: str) -> str:
    if "lock" in message.lower():
        return f"another alexobs server owns {path.parent}: stop it, or choose another --data-dir"
    return f"{path} cannot be opened: {message.splitlines()[0]}"


def _lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    """Let no query reach files, the network, this process's objects or these settings."""
    run(connection, "SET python_enable_replacements = false")
    run(connection, "SET enable_external_access = false")
    run(connection, "SET lock_configuration = true")


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        run(connection, "ROLLBACK")
    except duckdb.Error:
        time.sleep(0)  # the failed commit has ended the transaction already


def _result(found: duckdb.DuckDBPyConnection) -> Result:
    columns = [column[0] for column in found.description or ()]
    return Result(columns, found.fetchall())


def _flat(connection: duckdb.DuckDBPyConnection, text: str) -> list[Any]:
    return [row[0] for row in run(connection, text)]
