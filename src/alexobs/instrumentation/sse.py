"""Server-sent events out of the bytes of a response, as plain data; runs in the worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

END = "alexobs.end"  # the type of the event made of OpenAI's closing ``[DONE]``


class SseDecoder:
    """Turns pieces of a body into the JSON objects in it.

    A body that is no event stream is one object, known when all of it has come.
    """

    def __init__(self, *, events: bool) -> None:
        self._events = events
        self._rest = b""
        self._data: list[bytes] = []  # lines of the event that is coming

    @classmethod
    def for_response(cls, response: Any) -> Self:
        """Return a decoder for an HTTP response, by its content type."""
        return cls(events="event-stream" in response.headers.get("content-type", ""))

    def __call__(self, piece: bytes) -> Iterator[Mapping[str, Any]]:
        """Yield the objects that `piece` completes."""
        data = self._rest + piece
        if not self._events:
            self._rest = data
            return
        *lines, self._rest = data.replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif not line and self._data:
                event, self._data = b"\n".join(self._data), []
                yield from _decoded(event)

    def rest(self) -> Mapping[str, Any] | None:
        """Return the object that a body without events is."""
        return next(_decoded(self._rest), None) if not self._events else None


def _decoded(text: bytes) -> Iterator[Mapping[str, Any]]:
    text = text.strip()
    if text == b"[DONE]":
        yield {"type": END}
        return
    try:
        found = json.loads(text)
    except ValueError:
        return
    if isinstance(found, dict):
        yield found
