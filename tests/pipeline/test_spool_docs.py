"""The reference page on the spool names every setting, reason and command."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from alexobs.config.model import PipelineConfig
from alexobs.pipeline import delivery, spool

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "spool.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    for setting in fields(PipelineConfig):
        if not setting.name.startswith("spool"):
            continue
        row = re.search(rf"`pipeline\.{setting.name}` \| `(.*?)`", PAGE)
        assert row is not None, setting.name
        assert row[1] == shown(setting.default)


def shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:.0f}" if isinstance(default, float) else str(default)


def test_every_reason_is_documented() -> None:
    reasons = (
        spool.SPOOL_FULL,
        spool.SPOOL_AGE,
        spool.SPOOL_LOST,
        spool.MEMORY_FULL,
        delivery.REJECTED,
        delivery.REFUSED,
        delivery.TOO_LARGE,
        delivery.SHUTDOWN,
    )
    for reason in reasons:
        assert f"| `{reason}` |" in PAGE
