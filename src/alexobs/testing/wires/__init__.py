"""The dialects that the scripted provider speaks, one module each.

A dialect turns a `Reply` into the JSON body and the server-sent events that the provider would
send, with the provider's own event sequence and usage arithmetic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.records import Usage
    from alexobs.testing.script import Failure, Reply

EPOCH_S = 1_700_000_000  # replies count seconds from here, so that they are comparable


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is being answered: its parsed body, its number and the reply."""

    number: int
    asked: Mapping[str, Any]
    model: str
    reply: Reply
    usage: Usage | None

    @property
    def created_s(self) -> int:
        """Unix time that the provider claims to have answered at."""
        return EPOCH_S + self.number

    def call_id(self, prefix: str, index: int) -> str:
        """Return the id of the tool call at `index`."""
        return self.reply.tool_calls[index].id or f"{prefix}{self.number:04d}_{index}"


class Wire(Protocol):
    """One dialect."""

    def body(self, exchange: Exchange) -> dict[str, Any]:
        """Return the plain response."""
        ...

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the body of an error response."""
        ...


@runtime_checkable
class StreamingWire(Wire, Protocol):
    """One dialect that can stream."""

    def events(self, exchange: Exchange) -> list[bytes]:
        """Return the streamed response, one write per item."""
        ...

    def error_event(self, message: str) -> bytes:
        """Return the event by which the provider ends a stream that fails."""
        ...


def sse(data: Any, event: str = "") -> bytes:
    """Return one server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode()
