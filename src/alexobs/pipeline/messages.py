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
    from collections.abc import Callable, Mapping, Sequence

    Convert = Callable[[Any], Mapping[str, Any]]

CACHE_BYTES = 16 * 1024 * 1024  # of JSON; a long agent run with its history is about 1 MB
MAX_KEY_DEPTH = 12
_SCALARS = frozenset((str, int, float, bool, type(None)))


class ValueRedactor(Protocol):
    """What is needed of a redactor here."""

    def values(self, values: list[Any]) -> list[Any]:
        """Return each value without secrets, with one scan over all of them."""
        ...


class _Part:
    """A message or a value on its way to text."""

    __slots__ = ("key", "text", "value")

    def __init__(self, value: Any, key: Any = None) -> None:
        self.value = value
        self.key = key
        self.text = ""


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

    def encode(self, content: Any) -> str:
        """Return JSON text of `content`: `Messages`, or any value."""
        return self.encode_all([(content, False)])[0]

    def encode_all(self, contents: Sequence[tuple[Any, bool]]) -> list[str]:
        """Return JSON text of each content, redacted together.

        Args:
            contents: each with whether it comes in this form one time only, as an answer does;
                its messages are neither looked up nor remembered.
        """
        new: list[_Part] = []
        all_parts = [self._parts(content, once, new) for content, once in contents]
        if new:
            values = [part.value for part in new]
            if self._redactor is not None:
                values = self._redactor.values(values)
            for part, value in zip(new, values, strict=True):
                part.text = to_json(value)
                if part.key is not None:
                    self._remember(part.key, part.text)
        return [
            self._cut(parts.text) if isinstance(parts, _Part) else self._joined(parts)
            for parts in all_parts
        ]

    def _parts(self, content: Any, once: bool, new: list[_Part]) -> Any:
        """Return texts of messages that are known, and parts, added to `new`, for the others.

        A content that is no `Messages` is one part.
        """
        if not isinstance(content, Messages):
            part = _Part(content)
            new.append(part)
            return part
        parts: list[str | _Part] = []
        convert = content.convert
        for item in content.items:
            key = None if once else self._key(convert, item)
            found = None if key is None else self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
                parts.append(found)
                continue
            part = _Part(_converted(convert, item), key)
            new.append(part)
            parts.append(part)
        return parts

    def _key(self, convert: Convert, item: Any) -> Any:
        try:
            key = (convert, key_of(item))
            hash(key)
        except Exception:
            return None
        return key

    def _joined(self, parts: list[str | _Part]) -> str:
        texts = [part.text if isinstance(part, _Part) else part for part in parts]
        if sum(map(len, texts)) + len(texts) + 1 > self._max_length:
            texts = self._fitting(texts)
        return f"[{','.join(texts)}]"

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


def _converted(convert: Convert, item: Any) -> Any:
    try:
        return convert(item)
    except Exception as fault:
        return {"error": f"[not converted: {type(fault).__name__}]"}


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
