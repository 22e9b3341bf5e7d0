"""Real recorded traffic, through the real provider packages, over real HTTP on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.calls import each_pass
from harness.replay import read

if TYPE_CHECKING:
    from pathlib import Path

    from harness.replay import Replay


def test_bare_packages_get_the_recorded_answers(recording: Path, replay: Replay) -> None:
    items, _ = read(recording)
    for plan in list(each_pass(items))[:1]:
        for played in replay.play(items, plan, replay.bare):
            assert played.answered is played.asked, str(played.way)
            failed = played.outcome.error is not None
            assert failed == (played.asked.status >= 400), played.outcome.error
