"""The reference says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from alexobs.logger import Logger
from alexobs.logs import lines, snapshot

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "logging.md").read_text("utf-8")


def test_every_key_is_documented() -> None:
    section = REFERENCE.split("## Keys")[1].split("## Formats")[0]
    documented = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    assert documented | {"exception"} == set(lines.RESERVED)
    assert f"`{lines.PREFIX}level`" in section


def test_every_call_and_level_is_documented() -> None:
    public = {name for name in vars(Logger) if not name.startswith("_")}
    for name in public | set(lines.SEVERITIES) | {"off"}:
        assert re.search(rf"`{name}\b", REFERENCE), name


def test_limits_and_marks_are_those_of_the_code() -> None:
    for text in (
        f"{lines.MAX_TEXT_CHARS:,} characters",
        f"[cut at {lines.MAX_TEXT_CHARS} characters]",
        f"{snapshot.MAX_ELEMENTS:,} elements",
        f"{snapshot.MAX_DEPTH} levels",
        snapshot.TOO_DEEP,
        snapshot.TOO_MANY,
        snapshot.CYCLE,
    ):
        assert text in REFERENCE
