from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the harness is no part of the package

from harness.recording import RECORDINGS, REPOSITORY, recordings
from harness.replay import Replay
from harness.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" not in metafunc.fixturenames:
        return
    files = recordings()
    absent = pytest.mark.skip(reason=f"no recorded traffic in {RECORDINGS}")
    values = [pytest.param(file, id=f"{file.parent.name}/{file.stem}") for file in files] or [
        pytest.param(RECORDINGS, id="none", marks=absent)
    ]
    metafunc.parametrize("recording", values)


@pytest.fixture(scope="session")
def replay() -> Iterator[Replay]:
    with Replay() as replay:
        yield replay


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    report = Report()
    yield report
    report.write(REPOSITORY / "build" / "cassettes.md")
