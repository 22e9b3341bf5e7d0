"""Attributes of a measurement, made comparable: one form for one meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_ATTRIBUTES: Final = 128
MAX_VALUE_CHARS: Final = 1024  # a label, not a document; also bounds the memory of a series
# What is looked at for secrets before the cut, which would otherwise hide one's end from its rule.
CHECKED_CHARS: Final = 2 * MAX_VALUE_CHARS
_INT64: Final = 2**63

Key = tuple[tuple[str, ...], ...]


def normalise(attributes: Any) -> tuple[dict[str, Any], bool]:
    """Return attributes sorted by key with plain values, and whether they were sound.

    Values become str, bool, int (64 bits), float or tuples of these; None is left out. What is
    too many is cut, and what is far too long (`within_limit` cuts the rest); what cannot be read
    is described by its type. Never raises.
    """
    try:
        if not attributes:
            return {}, True
        mapping = type(attributes) is dict or isinstance(attributes, Mapping)
        items = list(attributes.items() if mapping else dict(attributes).items())
    except Exception:
        return {}, False
    sound = mapping and len(items) <= MAX_ATTRIBUTES
    plain: dict[str, Any] = {}
    for key, value in items[:MAX_ATTRIBUTES]:
        name, name_sound = _text(key)
        if value is None or not name:
            sound = sound and value is None
            continue
        plain[name], value_sound = _value(value)
        sound = sound and name_sound and value_sound and isinstance(key, str)
    return {name: plain[name] for name in sorted(plain)}, sound


def within_limit(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes whose texts are cut, after their secrets are removed."""
    if all(
        type(value) is not str or len(value) <= MAX_VALUE_CHARS for value in attributes.values()
    ):
        return attributes
    return {
        name: value[:MAX_VALUE_CHARS] if type(value) is str else value
        for name, value in attributes.items()
    }


def key_of(normalised: Mapping[str, Any]) -> Key:
    """Return a hashable key under which equal attributes, and only these, are found.

    True, 1 and 1.0 are equal to Python but not here, so other values than texts go by their repr.
    """
    return tuple(
        (name, value) if type(value) is str else (name, type(value).__name__, repr(value))
        for name, value in normalised.items()
    )


def texts_only(items: Iterable[tuple[Any, Any]]) -> bool:
    """Return whether all keys and values are exactly `str`, so that equality means identity."""
    return all(type(key) is str and type(value) is str for key, value in items)


def _value(value: Any) -> tuple[Any, bool]:
    if type(value) is str:
        return _text(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        try:
            parts = [_scalar(item) for item in list(value)[:MAX_ATTRIBUTES] if item is not None]
        except Exception:
            return f"<{type(value).__name__}>", False
        return tuple(part for part, _ in parts), all(sound for _, sound in parts)
    return _scalar(value)


def _scalar(value: Any) -> tuple[Any, bool]:
    if isinstance(value, bool):
        return value, True
    if isinstance(value, int):
        number = int.__int__(value)
        return (number, True) if -_INT64 <= number < _INT64 else (hex(number)[:64], False)
    if isinstance(value, float):
        return float.__float__(value), True
    return _text(value)


def _text(value: Any) -> tuple[str, bool]:
    if type(value) is str and len(value) <= MAX_VALUE_CHARS and value.isascii():
        return value, True
    try:
        if isinstance(value, str):
            text = str.__str__(value)
        elif isinstance(value, (bytes, bytearray)):
            text = bytes(value[: MAX_VALUE_CHARS * 4]).decode("utf-8", "replace")
        else:
            text = str.__str__(str(value))
        sound = len(text) <= MAX_VALUE_CHARS
        return text[:CHECKED_CHARS].encode("utf-8", "replace").decode("utf-8"), sound
    except Exception:
        return f"<{type(value).__name__}>", False
