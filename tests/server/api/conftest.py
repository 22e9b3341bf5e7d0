"""A server that has been sent a generated day of traffic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_kit import DAY_NS, Api, Traffic, logs_request, running, traces_request

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, traffic: Traffic) -> Iterator[Api]:
    """A server that holds `traffic`, sent in pieces that cut through traces. Read only."""
    for found in running(tmp_path_factory.mktemp("day")):
        for start in range(0, len(traffic.spans), 37):
            found.send("traces", traces_request(traffic.spans[start : start + 37]))
        found.send("logs", logs_request(traffic.logs))
        yield found


@pytest.fixture
def empty_api(tmp_path: Path) -> Iterator[Api]:
    yield from running(tmp_path)


@pytest.fixture(scope="session")
def whole(traffic: Traffic) -> dict[str, int]:
    """The window that the traffic is in."""
    end_ms = max(span.end_ns for span in traffic.spans) // 10**6 + 60_000
    return {"from_": DAY_NS // 10**6, "to": end_ms}
