from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

import peer_processes  # noqa: E402 - found by the path above


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Yield what starts back ends; a test whose program is missing is skipped, and says so."""
    with peer_processes.Peers(tmp_path) as running:
        yield _Skipping(running)


class _Skipping:
    def __init__(self, running: peer_processes.Peers) -> None:
        self._running = running

    def __getattr__(self, name: str) -> Callable[..., peer_processes.Process]:
        begin: Callable[..., peer_processes.Process] = getattr(self._running, name)

        def started(*args: Any, **options: Any) -> peer_processes.Process:
            try:
                return begin(*args, **options)
            except peer_processes.PeerMissingError as missing:
                pytest.skip(str(missing))

        return started


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Return a function that asks until the answer is not empty, and gives the last answer."""

    def wait(ask: Callable[[], Any], within_s: float = 60.0) -> Any:
        until = time.monotonic() + within_s
        while True:
            try:
                found = ask()
            except OSError:
                found = None
            if found or time.monotonic() > until:
                return found
            time.sleep(0.25)

    return wait
