"""Events out of the bytes of a response, as plain data; runs in the worker."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PRELUDE_BYTES = 12
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
    def for_response(cls, response: Any) -> SseDecoder:
        """Return a decoder for an HTTP response, by its content type."""
        kind = response.headers.get("content-type", "")
        if "amazon.eventstream" in kind:
            return AmazonDecoder(events=True)
        return cls(events="event-stream" in kind)

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


class AmazonDecoder(SseDecoder):
    """Turns Amazon's frames into the JSON objects in them.

    A frame is its length, that of its headers and a checksum (four bytes each), the headers, the
    payload, and another checksum. Bedrock's payload holds the event as base64.
    """

    def __call__(self, piece: bytes) -> Iterator[Mapping[str, Any]]:
        """Yield the objects that `piece` completes."""
        self._rest += piece
        while len(self._rest) >= _PRELUDE_BYTES:
            length, header_length = struct.unpack(">II", self._rest[:8])
            if length < _PRELUDE_BYTES + header_length or len(self._rest) < length:
                return
            payload = self._rest[_PRELUDE_BYTES + header_length : length - 4]
            self._rest = self._rest[length:]
            for found in _decoded(payload):
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    yield from _decoded(base64.b64decode(found["bytes"]))


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
