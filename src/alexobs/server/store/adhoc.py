"""Users' own SQL: one SELECT, read-only, bounded in time, rows and bytes."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import duckdb

from alexobs.errors import AlexobsError
from alexobs.server.store import growth
from alexobs.server.store.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator


# One row may be larger: then it comes alone.
MAX_BYTES: Final = 16 << 20
_ROWS_AT_ONCE: Final = 128


class QueryError(AlexobsError):
    """A query that cannot be run; the message is the database's, for the one who wrote it."""


def run(
    connection: duckdb.DuckDBPyConnection, text: str, max_rows: int, timeout_s: float
) -> Result:
    """Return what `text` finds.

    Raises:
        QueryError: it is not one SELECT, is wrong, or takes longer than `timeout_s`.
    """
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("one SELECT is taken, and nothing else")
    try:
        growth.check(connection, statements[0].query)
    except growth.GrowthError as error:
        raise QueryError(str(error)) from None
    with _interrupted_after(connection, timeout_s) as late:
        try:
            connection.execute("BEGIN TRANSACTION READ ONLY")
            found = connection.execute(statements[0])
            columns = [column[0] for column in found.description or ()]
            rows, more = _fetch(found, max_rows)
        except duckdb.InterruptException:
            why = f"took longer than {timeout_s:g} s" if late.is_set() else "was stopped"
            raise QueryError(f"the query {why}") from None
        except (duckdb.Error, RuntimeError) as error:
            message = f"took longer than {timeout_s:g} s" if late.is_set() else str(error)
            raise QueryError(message) from None
        finally:
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")
    return Result(columns, rows, more)


def _fetch(found: duckdb.DuckDBPyConnection, max_rows: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Return rows up to both bounds, and whether there are more."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while piece := found.fetchmany(_ROWS_AT_ONCE):
        for row in piece:
            size += _size(row)
            if len(rows) == max_rows or (rows and size > MAX_BYTES):
                return rows, True
            rows.append(row)
    return rows, False


def _size(value: Any) -> int:
    """Return about how many bytes `value` takes as JSON."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(len(str(key)) + _size(item) for key, item in value.items())
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8


@contextlib.contextmanager
def _interrupted_after(
    connection: duckdb.DuckDBPyConnection, timeout_s: float
) -> Iterator[threading.Event]:
    late = threading.Event()

    def interrupt() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(timeout_s, interrupt)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()
