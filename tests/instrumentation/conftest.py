from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alexobs.instrumentation import packages
from alexobs.testing.provider import ScriptedProvider

sys.path.insert(0, str(Path(__file__).parent))  # for the kit that these tests share

from instrumentation_kit import Answers, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    packages.uninstrument()
    for where, error in made.faults:
        raise AssertionError(where) from error


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as running:
        yield running


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.close()
