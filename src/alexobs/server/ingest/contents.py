"""Splits captured content into messages, and names each by the hash of its text."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

_messages: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder(msgspec.Raw)


class Contents:
    """Collects the bodies of one group of requests: hash to JSON text."""

    def __init__(self) -> None:
        self.bodies: dict[int, bytes] = {}

    def add(self, text: bytes) -> list[int]:
        """Keep what `text` holds, and return the hashes in its order.

        A JSON array is taken apart, so that a history that grows is kept once; any other JSON is
        one body; what is not JSON becomes a JSON string.
        """
        try:
            parts = [bytes(raw) for raw in _messages.decode(text)]
        except msgspec.DecodeError:
            parts = [_as_json(text)]
        hashes = []
        for part in parts:
            name = int.from_bytes(blake2b(part, digest_size=8).digest(), "little")
            self.bodies[name] = part
            hashes.append(name)
        return hashes


def _as_json(text: bytes) -> bytes:
    try:
        return bytes(_any.decode(text))
    except msgspec.DecodeError:
        return msgspec.json.encode(text.decode(errors="replace"))
