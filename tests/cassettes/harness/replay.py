"""Replays the calls of one file, with bare and with instrumented clients."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from harness.calls import Unsupported, Way, ways
from harness.perform import Clients, Outcome, perform
from harness.recording import Interaction, load
from harness.server import ReplayServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Plan = list[tuple[Interaction, Way]]


@dataclass(frozen=True, slots=True)
class Played:
    """One call that was made, and the recorded interaction that answered it."""

    asked: Interaction
    way: Way
    outcome: Outcome
    answered: Interaction | None


class Replay:
    """A replay server with the clients that talk to it, for as long as a test session."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.server = ReplayServer()
        self.bare = Clients(self.server.url)

    def play(self, items: Sequence[Interaction], plan: Plan, clients: Clients) -> list[Played]:
        """Make the calls of a plan one after another."""
        self.server.load(items)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the packages warn of models that were retired
            return self._runner.run(self._play(plan, clients))

    async def _play(self, plan: Plan, clients: Clients) -> list[Played]:
        played = []
        for item, way in plan:
            before = len(self.server.served)
            client = clients.get(way.target, is_async=way.is_async)
            outcome = await perform(client, way)
            served = self.server.served[before:]
            answered = served[0] if len(served) == 1 else None
            played.append(Played(item, way, outcome, answered))
        return played

    def close_clients(self, clients: Clients) -> None:
        """Close clients in the event loop they belong to."""
        self._runner.run(clients.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close_clients(self.bare)
        self._runner.close()
        self.server.close()


def read(path: Path) -> tuple[list[Interaction], str]:
    """Return a file's interactions, and why some of them cannot be driven (empty: all can)."""
    items = load(path)
    found: list[Any] = [ways(item) for item in items]
    reasons = sorted({way.reason for way in found if isinstance(way, Unsupported)})
    return items, "; ".join(reasons)
