"""Creates the tables, and brings an older data file to this version."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alexobs.errors import ServerError

if TYPE_CHECKING:
    import duckdb

VERSION: Final = 2
_HERE: Final = Path(__file__).parent


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables in an empty file; migrate an older one.

    Raises:
        ServerError: the file was written by a newer version.
    """
    found = version_of(connection)
    if found > VERSION:
        raise ServerError(
            f"the data was written by a newer alexobs (data version {found}, this one reads up to "
            f"{VERSION}): upgrade alexobs, or choose another --data-dir"
        )
    if found == VERSION:
        return
    run(connection, "BEGIN")
    if found == 0:
        run_script(connection, (_HERE / "schema.sql").read_text(encoding="utf-8"))
    else:
        for version in range(found + 1, VERSION + 1):
            path = _HERE / "migrations" / f"{version:04d}.sql"
            run_script(connection, path.read_text(encoding="utf-8"))
    run(connection, "INSERT OR REPLACE INTO meta VALUES ('version', ?)", [str(VERSION)])
    run(connection, "COMMIT")


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the version of the tables in the file; 0 when there are none."""
    text = "SELECT table_name FROM duckdb_tables() WHERE table_name = 'meta'"
    if not run(connection, text):
        return 0
    rows = run(connection, "SELECT value FROM meta WHERE key = 'version'")
    return int(rows[0][0]) if rows else 0


def run(
    connection: duckdb.DuckDBPyConnection, text: str, given: Any = None
) -> list[tuple[Any, ...]]:
    """Run one statement to its end: without fetching, the database may leave it half done."""
    return connection.execute(text, given).fetchall()


def run_script(connection: duckdb.DuckDBPyConnection, script: str) -> None:
    """Run the statements of a file."""
    for statement in statements(script):
        run(connection, statement)


@cache
def script(name: str) -> list[str]:
    """Return the statements of one of the files in writes/."""
    return statements((_HERE / "writes" / f"{name}.sql").read_text(encoding="utf-8"))


def statements(script: str) -> list[str]:
    """Return the statements of a file, without comments; each ends a line with a semicolon."""
    bare = re.sub(r"--[^\n]*", "", script)
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", bare) if part.strip()]
