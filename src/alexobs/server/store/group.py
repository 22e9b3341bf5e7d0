"""What is handed over to be committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Group:
    """One commit: finished spans, running ones, logs, points, message bodies and resources.

    Tables have the columns of the store's tables but for ``seq``.
    """

    spans: pa.Table | None = None
    running: pa.Table | None = None
    logs: pa.Table | None = None
    points: pa.Table | None = None
    messages: dict[bytes, bytes] = field(default_factory=dict)
    resources: list[tuple[int, str, str, str, int]] = field(default_factory=list)
    time_ns: int = 0

    def tables(self) -> dict[str, Any]:
        """Return the tables that hold anything; running spans first, for they may have ended."""
        found = {
            "running_spans": self.running,
            "finished_spans": self.spans,
            "log_rows": self.logs,
            "point_rows": self.points,
        }
        return {name: table for name, table in found.items() if table is not None and len(table)}
