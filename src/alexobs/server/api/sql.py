"""SQL over the public views."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alexobs.server.api.faults import ApiError
from alexobs.server.store import QueryError

if TYPE_CHECKING:
    from alexobs.server.app import Context

MAX_QUERY: Final = 20_000
MAX_ROWS: Final = 10_000
MAX_TIMEOUT_S: Final = 30.0


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    query: str
    max_rows: float = 1000  # 1000.0 is whole, by JSON Schema
    timeout_s: float = 5.0


def sql(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/sql``."""
    asked = _read(values["body"])
    started = time.perf_counter()
    try:
        found = context.store.sql(
            asked.query, max_rows=int(asked.max_rows), timeout_s=asked.timeout_s
        )
    except QueryError as error:
        late = "took longer than" in str(error)
        raise ApiError(
            422, "query_too_slow" if late else "query_failed", str(error),
            "Look at a smaller window, or raise timeout_s."
            if late
            else "The views are spans, logs, metric_points, sessions and messages.",
        ) from None  # fmt: skip
    return {
        "columns": found.columns,
        "rows": found.rows,
        "truncated": found.truncated,
        "elapsed_ms": round((time.perf_counter() - started) * 1000, 3),
    }


def _read(body: bytes) -> _Request:
    try:
        asked = msgspec.json.decode(body, type=_Request)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ApiError(422, "invalid_body", str(error), 'Send {"query": "SELECT …"}.') from None
    if not 0 < len(asked.query) <= MAX_QUERY:
        raise _outside("query", f"1 to {MAX_QUERY} characters")
    if asked.max_rows % 1 or not 1 <= asked.max_rows <= MAX_ROWS:
        raise _outside("max_rows", f"1 to {MAX_ROWS}")
    if not 0.01 <= asked.timeout_s <= MAX_TIMEOUT_S:
        raise _outside("timeout_s", f"0.01 to {MAX_TIMEOUT_S:g}")
    return asked


def _outside(name: str, wanted: str) -> ApiError:
    return ApiError(422, "invalid_body", f"{name} will not do", f"Expected {wanted}.")
