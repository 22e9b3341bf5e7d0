"""What queries return."""

from __future__ import annotations

from typing import Any, NamedTuple


class Result(NamedTuple):
    """What a query found; `truncated` when there was more than was asked for."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dicts."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]
