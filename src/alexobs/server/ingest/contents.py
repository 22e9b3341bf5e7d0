"""Splits captured content into messages, and names each by the hash of its text."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH_BYTES: Final = 8  # of a hash nobody can aim at; chance meets once in 2^32 messages
_messages: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder(msgspec.Raw)


class Contents:
    """Collects the bodies of one group of requests: hash, as bytes, to JSON text."""

    def __init__(self) -> None:
        self.bodies: dict[bytes, bytes] = {}

    def add(self, texts: Iterable[bytes]) -> tuple[list[int], Any]:
        """Keep what `texts` hold; return how many bodies each has, and the hashes of all of them.

        A JSON array is taken apart, so that a history that grows is kept once; any other JSON is
        one body; what is not JSON becomes a JSON string.
        """
        decode = _messages.decode
        counts: list[int] = []
        bodies: list[bytes] = []
        for text in texts:
            try:
                parts = decode(text)
            except msgspec.DecodeError:
                bodies.append(_as_json(text))
                counts.append(1)
            else:
                bodies += map(bytes, parts)
                counts.append(len(parts))
        names = [blake2b(body, digest_size=HASH_BYTES).digest() for body in bodies]
        self.bodies.update(zip(names, bodies, strict=True))
        return counts, np.frombuffer(b"".join(names), dtype="<u8")


def _as_json(text: bytes) -> bytes:
    try:
        return bytes(_any.decode(text))
    except msgspec.DecodeError:
        return msgspec.json.encode(text.decode(errors="replace"))
