"""Keeps telemetry in one DuckDB file, and answers named queries about it.

`Store` is the whole interface. One process owns the file. One thread writes, in groups that are
committed whole; readers see the last commit and never wait. See `schema.sql` for the tables and
the public views, and ``queries/*.sql`` for what can be asked by name.
"""

from alexobs.server.store.adhoc import QueryError
from alexobs.server.store.group import Group
from alexobs.server.store.result import Result
from alexobs.server.store.retention import Retention
from alexobs.server.store.store import Store

__all__ = ["Group", "QueryError", "Result", "Retention", "Store"]
