"""The guide's examples run, and its fixtures are the ones there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.testing import fixtures

if TYPE_CHECKING:
    from alexobs.testing.capture import Capture
    from alexobs.testing.provider import ScriptedProvider

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "testing.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)

alexobs_capture = fixtures.alexobs_capture
alexobs_provider = fixtures.alexobs_provider


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_guides_examples_run(
    block: str, alexobs_capture: Capture, alexobs_provider: ScriptedProvider
) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, str(GUIDE), "exec"), names)
    for name, value in names.items():
        if name.startswith("test_"):
            value(alexobs_capture=alexobs_capture, alexobs_provider=alexobs_provider)


def test_the_guide_names_every_fixture() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    there = {name for name in vars(fixtures) if name.startswith("alexobs_")}
    assert there == set(re.findall(r"alexobs_(?:capture|provider|sink)", text))
