"""Content: messages become redacted JSON once per message, not once per call.

A run of n turns sends n ever longer histories; converting, redacting and encoding each of them
whole would cost O(n²). The JSON of every message is kept under a key made of its values, so a
message that was seen before costs one look-up, and one that was changed in place since is a
different message.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from alexobs.records import Messages

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_BYTES = 16 * 1024 * 1024  # of JSON; a long agent run with its history is about 1 MB
MAX_KEY_DEPTH = 12
_SCALARS = frozenset((str, int, float, bool, type(None)))


class ValueRedactor(Protocol):
    """What is needed of a redactor here."""

    def value(self, value: Any) -> Any:
        """Return `value` without secrets."""
        ...


class ContentEncoder:
    """Turns captured content into JSON text for an attribute.

    Args:
        redactor: removes secrets, before anything is encoded.
        max_length: characters of one attribute; of a longer history the oldest messages after
            the first are left out, and a message says so.
    """

    def __init__(self, redactor: ValueRedactor | None, max_length: int) -> None:
        self._redactor = redactor
        self._max_length = max_length
        self._cache: OrderedDict[Any, str] = OrderedDict()
        self._cached_bytes = 0

    def fresh(self) -> ContentEncoder:
        """Return an encoder with the same settings and a cache of its own, for another thread."""
        return ContentEncoder(self._redactor, self._max_length)

    def encode(self, content: Any, *, once: bool = False) -> str:
        """Return JSON text of `content`: `Messages`, or any value.

        With `once` no message is looked up or remembered: an answer comes in this form one time.
        """
        if not isinstance(content, Messages):
            return self._cut(self._json(self._redacted(content)))
        encode = self._converted if once else self._message
        parts = [encode(content, item) for item in content.items]
        length = sum(map(len, parts)) + len(parts) + 1
        if length > self._max_length:
            parts = self._fitting(parts)
        return f"[{','.join(parts)}]"

    def _message(self, content: Messages, item: Any) -> str:
        try:
            key: Any = (content.convert, key_of(item))
            found = self._cache.get(key)
        except Exception:
            return self._converted(content, item)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        text = self._converted(content, item)
        self._remember(key, text)
        return text

    def _converted(self, content: Messages, item: Any) -> str:
        try:
            converted: Mapping[str, Any] = content.convert(item)
        except Exception as fault:
            converted = {"error": f"[not converted: {type(fault).__name__}]"}
        return self._json(self._redacted(converted))

    def _redacted(self, value: Any) -> Any:
        return value if self._redactor is None else self._redactor.value(value)

    def _json(self, value: Any) -> str:
        return to_json(value)

    def _remember(self, key: Any, text: str) -> None:
        size = 2 * len(text)  # the key holds the message's own texts
        if size > CACHE_BYTES // 4:
            return
        self._cache[key] = text
        self._cached_bytes += size
        while self._cached_bytes > CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= 2 * len(oldest)

    def _fitting(self, parts: list[str]) -> list[str]:
        budget = self._max_length - 200 - len(parts[0])
        kept: list[str] = []
        for part in reversed(parts[1:]):
            budget -= len(part) + 1
            if budget < 0:
                break
            kept.append(part)
        first = parts[:1] if len(parts[0]) < self._max_length - 200 else []
        omitted = len(parts) - len(kept) - len(first)
        note = to_json(
            {
                "role": "system",
                "parts": [
                    {
                        "type": "text",
                        "content": f"[{omitted} messages left out: more than "
                        f"{self._max_length} characters]",
                    }
                ],
            }
        )
        return [*first, note, *reversed(kept)]

    def _cut(self, text: str) -> str:
        if len(text) <= self._max_length:
            return text
        return to_json(f"{text[: self._max_length]}… [cut: {len(text)} characters]")


def key_of(value: Any, depth: int = 0) -> Any:
    """Return a hashable key that is equal for equal content, and for nothing else.

    Numbers are keyed with their type, because 1, 1.0 and True are equal in Python and not in
    JSON. Raises for what cannot be keyed.
    """
    kind = value.__class__
    if kind is str:
        return value
    if kind in _SCALARS:
        return (kind, value)
    if depth > MAX_KEY_DEPTH:
        raise RecursionError("too deep for a key")
    if kind is list or kind is tuple:
        return (kind, *[key_of(item, depth + 1) for item in value])
    fields = value if kind is dict else vars(value)
    # Names first, then values, of which most are texts: half the time of a call for each pair.
    return (
        kind,
        *fields,
        *[v if v.__class__ is str else key_of(v, depth + 1) for v in fields.values()],
    )


def to_json(value: Any) -> str:
    """Return `value` as compact JSON text; what JSON has no form for becomes text."""
    try:
        return _encoder.encode(value).decode()
    except Exception:
        return _encoder.encode(plain(value)).decode()


def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` made of what JSON knows; never raises."""
    if value.__class__ in _SCALARS:
        return _plain_scalar(value)
    if depth > 2 * MAX_KEY_DEPTH:
        return "[too deep]"
    if isinstance(value, dict):
        return {plain(_text(k)): plain(v, depth + 1) for k, v in list(value.items())}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in list(value)]
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    return _plain_scalar(_text(value))


def _plain_scalar(value: Any) -> Any:
    if value.__class__ is str:
        return value.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
    if value.__class__ is int and not -(2**63) <= value < 2**64:
        return _text(value)  # which is bounded, too: Python refuses thousands of digits
    return value


def _text(value: Any) -> str:
    if value.__class__ is str:
        return value
    try:
        return str(value)
    except Exception as fault:
        return f"[{type(value).__name__}: {type(fault).__name__}]"


def _encode_unknown(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True)
    return plain(value)


_encoder = msgspec.json.Encoder(enc_hook=_encode_unknown)
