"""How much the store holds, and how fast it grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from alexobs import __version__
from alexobs.server.api.windows import ms

if TYPE_CHECKING:
    from pathlib import Path

    from alexobs.server.app import Context

_COUNTS: Final = ("spans", "running_spans", "logs", "metric_points", "messages")


def store_state(context: Context, _: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/store``."""
    row = context.store.query("api_store_state").dicts()[0]
    return {
        "size_bytes": _size(context.store.path),
        "rows": {name: row[name] for name in _COUNTS},
        "oldest_ms": ms(row["oldest_ns"]),
        "newest_ms": ms(row["newest_ns"]),
        "committed": context.store.committed,
        "retention": _retention(context),
        "ingest": _rates(context),
        "version": __version__,
    }


def _size(path: Path) -> int:
    files = (path, path.with_name(path.name + ".wal"))
    return sum(one.stat().st_size for one in files if one.exists())


def _retention(context: Context) -> dict[str, Any]:
    retention = context.store.retention
    return {
        "max_age_s": retention.days * 86_400 if retention.days else None,
        "max_bytes": retention.max_bytes or None,
    }


def _rates(context: Context) -> dict[str, float]:
    """Return records per second since the server's start."""
    records = context.intake.records
    elapsed_s = max(time.time() - context.intake.started, 1.0)
    names = {"spans_per_s": "traces", "logs_per_s": "logs", "points_per_s": "metrics"}
    return {name: records.get(signal, 0) / elapsed_s for name, signal in names.items()}
