"""Protobuf's wire format, as far as OTLP needs it, and OTLP's attribute values in it.

Why by hand: building upb objects and serialising them costs twice the time
(``benchmarks/encode.py``, decision record 0007).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from alexobs.exporters.values import INT64_MAX, INT64_MIN, plain, plain_attributes, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.records import Resource, Scope

pack_double = struct.Struct("<d").pack
pack_fixed64 = struct.Struct("<Q").pack
pack_sfixed64 = struct.Struct("<q").pack
pack_fixed32 = struct.Struct("<I").pack

_UINT64 = (1 << 64) - 1
# Cached attributes: what repeats is short, and 8192 of them take about 1.5 MB.
_CACHE_MAX_ENTRIES = 8192
_CACHE_MAX_BYTES = 64
_VARINT_MAX_BYTES = 10
# Tags of the values in an ``AnyValue``.
_TEXT, _INTEGER, _DOUBLE = 0x0A, 0x18, 0x21

AttributeEncoder = Callable[[list[bytes], Mapping[str, Any]], None]


def varint(number: int) -> bytes:
    """Return `number` as an unsigned varint; negative 64-bit numbers in two's complement."""
    if 0 <= number < 16384:  # most counts: a third of the loop's time
        return bytes((number & 127 | 128, number >> 7) if number > 127 else (number,))
    if number < 0:
        if number < INT64_MIN:
            raise OverflowError("beyond 64 bits")
        number &= _UINT64
    elif number > _UINT64:
        raise OverflowError("beyond 64 bits")
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# Lengths up to 2047 cover nearly every message of a span without content.
LENGTHS = tuple(varint(number) for number in range(2048))


def length(size: int) -> bytes:
    """Return `size` as a varint."""
    return LENGTHS[size] if size < 2048 else varint(size)


def field(tag: bytes, payload: bytes) -> bytes:
    """Return a length-delimited field."""
    return tag + length(len(payload)) + payload


def text_field(tag: bytes, text: str) -> bytes:
    """Return a string field, or nothing for an empty string."""
    return field(tag, text.encode()) if text else b""


def number_field(tag: bytes, number: int) -> bytes:
    """Return a varint field, or nothing for 0."""
    return tag + varint(number) if number else b""


def any_value(value: Any) -> bytes:
    """Return an ``AnyValue`` message for a value of any type."""
    kind = type(value)
    if kind is str:
        try:
            return field(b"\x0a", value.encode())
        except UnicodeEncodeError:
            return _any_plain(plain(value))
    if kind is int and INT64_MIN <= value <= INT64_MAX:
        return b"\x18" + varint(value)
    return _any_plain(plain(value))


def _any_plain(value: Any) -> bytes:  # noqa: PLR0911 - one per kind of value
    if isinstance(value, str):
        return field(b"\x0a", value.encode())
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + pack_double(value)
    if isinstance(value, list):
        return field(b"\x2a", b"".join([field(b"\x0a", _any_plain(item)) for item in value]))
    if isinstance(value, dict):
        pairs = [field(b"\x0a", _pair(key, _any_plain(item))) for key, item in value.items()]
        return field(b"\x32", b"".join(pairs))
    return b"" if value is None else field(b"\x3a", value)


def _pair(key: str, value: bytes) -> bytes:
    return field(b"\x0a", key.encode()) + field(b"\x12", value)


def attribute_encoder(tag: bytes) -> AttributeEncoder:  # noqa: PLR0915 - a cache for each type
    """Return a function that appends attributes as ``KeyValue`` fields with this `tag`.

    Whole pairs are cached where they are short, as most of them repeat from span to span; each
    type has a cache of its own, because 1 == True. For the rest, what stands before the value is
    cached by key and size. Integers are not: counts rarely repeat, and are quickly encoded.
    """
    texts: dict[tuple[str, Any], bytes] = {}
    integer_heads: dict[str, list[bytes]] = {}
    booleans: dict[tuple[str, Any], bytes] = {}
    singles: dict[tuple[str, str], bytes] = {}
    heads: dict[tuple[str, int, int], bytes] = {}
    double_heads: dict[str, bytes] = {}

    def head(key: str, kind: int, size: int) -> bytes:
        found = heads.get((key, kind, size))
        if found is None:
            found = _head(tag, key, kind, size)
            _remember(heads, (key, kind, size), found)
        return found

    def text(item: tuple[str, Any]) -> bytes:
        payload: bytes = item[1].encode()
        size = len(payload)
        encoded = head(item[0], _TEXT, size) + payload
        if size <= _CACHE_MAX_BYTES:
            _remember(texts, item, encoded)
        return encoded

    def integer_heads_of(key: str) -> list[bytes]:
        found = [_head(tag, key, _INTEGER, size) for size in range(_VARINT_MAX_BYTES + 1)]
        _remember(integer_heads, key, found)
        return found

    def boolean(item: tuple[str, Any]) -> bytes:
        encoded = other(item)
        _remember(booleans, item, encoded)
        return encoded

    def double_head(key: str) -> bytes:
        found = _head(tag, key, _DOUBLE, 8)
        _remember(double_heads, key, found)
        return found

    def other(item: tuple[str, Any]) -> bytes:
        return field(tag, _pair(item[0], any_value(item[1])))

    def append_all(parts: list[bytes], attributes: Mapping[str, Any]) -> None:
        for item in attributes.items():
            value = item[1]
            kind = type(value)
            if kind is str:
                # A long text is not looked up: hashing it would cost more than encoding it.
                found = texts.get(item) if len(value) <= _CACHE_MAX_BYTES else None
                parts.append(found or text(item))
            elif kind is int:
                if 0 <= value < 2048:
                    payload = LENGTHS[value]
                elif INT64_MIN <= value <= INT64_MAX:
                    payload = varint(value)
                else:
                    parts.append(other(item))
                    continue
                key = item[0]
                parts.append((integer_heads.get(key) or integer_heads_of(key))[len(payload)])
                parts.append(payload)
            elif kind is float:
                parts.append(double_heads.get(item[0]) or double_head(item[0]))
                parts.append(pack_double(value))
            elif kind is bool:
                parts.append(booleans.get(item) or boolean(item))
            elif kind is list and len(value) == 1 and type(value[0]) is str:
                parts.append(singles.get((item[0], value[0])) or _single(tag, item, singles))
            else:
                parts.append(other(item))

    return append_all


def _single(tag: bytes, item: tuple[str, Any], cache: dict[tuple[str, str], bytes]) -> bytes:
    """Return a list of one text; each LLM span has one, its finish reasons: 0.7 µs, not 5."""
    key, [text] = item
    encoded = field(tag, _pair(key, any_value([text])))
    if len(text) <= _CACHE_MAX_BYTES:
        _remember(cache, (key, text), encoded)
    return encoded


def _remember(cache: dict[Any, Any], key: Any, encoded: bytes | list[bytes]) -> None:
    if len(cache) >= _CACHE_MAX_ENTRIES:
        cache.clear()
    cache[key] = encoded


def _head(tag: bytes, key: str, kind: int, size: int) -> bytes:
    """Return a ``KeyValue`` field up to the value's `size` bytes, which are to follow."""
    value_head = bytes((kind,)) + (length(size) if kind == _TEXT else b"")
    head = field(b"\x0a", key.encode()) + b"\x12" + length(len(value_head) + size) + value_head
    return tag + length(len(head) + size) + head


_resource_attributes = attribute_encoder(b"\x0a")


def encoded_attributes(append_all: AttributeEncoder, attributes: Mapping[str, Any]) -> bytes:
    """Return attributes of any kind as fields, by the given encoder."""
    parts: list[bytes] = []
    try:
        append_all(parts, attributes)
    except Exception:
        parts.clear()
        append_all(parts, plain_attributes(attributes))
    return b"".join(parts)


def export_request(groups: Mapping[Scope, Sequence[bytes]], resource: Resource) -> bytes:
    """Return an export request of one resource; `groups` holds the record fields by scope.

    The three signals' requests share their numbers: ``resource_xs = 1`` of ``{resource = 1,
    scope_xs = 2}`` of ``{scope = 1, xs = 2, schema_url = 3}``.
    """
    if not groups:
        return b""
    # One join at the end: each copy of a large body costs as much as encoding a tenth of it.
    parts = [field(b"\x0a", encoded_attributes(_resource_attributes, resource.attributes))]
    size = len(parts[0])
    for scope, records in groups.items():
        head, tail = _scope_ends(scope)
        inner = len(head) + sum(map(len, records)) + len(tail)
        start = b"\x12" + length(inner) + head
        parts += (start, *records, tail)
        size += len(start) - len(head) + inner
    return b"".join((b"\x0a", length(size), *parts))


def _scope_ends(scope: Scope) -> tuple[bytes, bytes]:
    """Return what stands before and after the records of a scope."""
    name, version, schema_url = (safe_text(part) for part in scope)
    head = field(b"\x0a", text_field(b"\x0a", name) + text_field(b"\x12", version))
    return head, text_field(b"\x1a", schema_url)
