"""The table of files, outcomes and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Row(NamedTuple):
    """One file of the table."""

    file: str
    interactions: int
    outcome: str
    reason: str


class Report:
    """Collects rows, in any order, and writes them sorted."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def add(self, file: Path, interactions: int, outcome: str, reason: str = "") -> None:
        name = f"{file.parent.name}/{file.name}"
        self._rows[name] = Row(name, interactions, outcome, reason)

    def write(self, path: Path) -> None:
        if not self._rows:
            return
        rows = sorted(self._rows.values())
        outcomes = sorted({row.outcome for row in rows})
        counts = [f"{sum(row.outcome == name for row in rows)} {name}" for name in outcomes]
        total = sum(row.interactions for row in rows)
        lines = [
            "# Recorded traffic, replayed through the provider packages",
            "",
            f"{len(rows)} files, {total} interactions: {', '.join(counts)}.",
            "",
            "| file | interactions | outcome | reason |",
            "|---|---|---|---|",
            *(
                f"| {row.file} | {row.interactions} | {row.outcome} | {row.reason} |"
                for row in rows
            ),
        ]
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
