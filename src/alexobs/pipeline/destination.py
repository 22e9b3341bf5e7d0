"""Where batches go, and what is needed of it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Protocol

from alexobs.pipeline.frames import SIGNALS
from alexobs.pipeline.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from alexobs.records import Batch, SendResult, Signal


class Sender(Protocol):
    """One destination."""

    @property
    def encoding(self) -> str:
        """The wire format that it speaks."""
        ...

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Send a batch and return what the back end said. Never raises."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Destination(NamedTuple):
    """A sender, and what is to be known of it.

    Attributes:
        sender: sends.
        split: halves a batch of its encoding; None when that cannot be done.
        signals: which it takes. Of two destinations for one signal in one encoding the last
            one gets it.
        address: where it sends, without credentials. Another process replays a batch only to
            the address that it was for.
        spoolable: whether batches are worth keeping for a later process.
        expected: whether somebody has to be there; at an address that nobody has chosen, nobody
            need be, and that is told once, without alarm.
    """

    sender: Sender
    split: Callable[[Batch], tuple[Batch, Batch] | None] | None = None
    signals: Collection[Signal] = SIGNALS
    address: str = ""
    spoolable: bool = True
    expected: bool = True

    @property
    def number(self) -> int:
        """What the spool knows the address by."""
        text = f"{self.sender.encoding} {self.address}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest())


class DeliveryAccounting(Protocol):
    """Is told what became of records."""

    def exported(self, signal: Signal, count: int) -> None:
        """Count records that the back end has accepted."""
        ...

    def dropped(self, signal: Signal, reason: str, count: int) -> None:
        """Count records that are lost, by reason."""
        ...

    def replayed(self, signal: Signal, count: int) -> None:
        """Count records of a dead process that were delivered now."""
        ...


class DestinationStatus(NamedTuple):
    """How it stands with one destination, for a person."""

    encoding: str
    failures: int
    message: str
    waiting_batches: int
    parked_batches: int
    alexobs_server: bool


class Route:
    """A destination with its queue, and what it said last."""

    __slots__ = ("alexobs_server", "destination", "lane", "message", "number")

    def __init__(self, destination: Destination, draw: Callable[[], float]) -> None:
        self.destination = destination
        self.number = destination.number
        self.lane = Lane(draw)
        self.message = ""
        self.alexobs_server = False
