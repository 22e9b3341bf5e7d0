"""Cursors: where a list goes on, whatever has arrived in between."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any, Final

import msgspec

from alexobs.server.api.faults import ApiError
from alexobs.server.api.parameters import MAX_TEXT

_NOT_PART: Final = frozenset({"cursor", "limit"})


def encode(values: dict[str, Any], place: list[Any]) -> str:
    """Return a cursor to the rows behind `place` of the list that `values` ask for."""
    text = msgspec.json.encode([_mark(values), *place])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode(values: dict[str, Any], types: tuple[type, ...]) -> list[Any]:
    """Return the place that the cursor in `values` names, or as many Nones.

    Raises:
        ApiError: it is none, or belongs to another question.
    """
    cursor = values["cursor"]
    if cursor is None:
        return [None] * len(types)
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark, *place = msgspec.json.decode(text, type=list[int | float | str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise _refused("this is no cursor of this server") from None
    if mark != _mark(values):
        raise _refused("the cursor belongs to a list with other parameters")
    if [type(one) for one in place] != list(types) or not all(map(_sound, place)):
        raise _refused("this is no cursor of this server")
    return place


def _sound(part: float | str) -> bool:
    if isinstance(part, int):
        return -(2**63) <= part < 2**64
    return isinstance(part, float) or len(part) <= MAX_TEXT


def _mark(values: dict[str, Any]) -> int:
    """Return a number for the question that the list answers."""
    asked = {key: value for key, value in sorted(values.items()) if key not in _NOT_PART}
    return zlib.crc32(msgspec.json.encode(asked))


def _refused(message: str) -> ApiError:
    hint = "Take next_cursor as it is, and leave the other parameters as they were."
    return ApiError(422, "invalid_cursor", message, hint)
