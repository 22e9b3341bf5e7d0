"""Field values of any type as plain data, so that a later change does not change the line.

Runs on the caller's thread, for lines with values other than str, int, float, bool and None
(those are kept by reference). Costs about 0.3 µs for each element of a container; bounds on depth
and number keep that from growing with the value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DEPTH = 24  # the OTLP encoder's bound, so that a line and its OTLP record agree
MAX_ELEMENTS = 10_000  # of one line: 3 ms
TOO_DEEP = "[too deep]"
TOO_MANY = "[too many elements]"
CYCLE = "[cycle]"

_ELEMENT_BYTES = 48


def text_of(value: object) -> str:
    """Return ``str(value)``, or a note when that raises."""
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:
        return f"[unprintable {type(value).__name__}]"


def plain_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a copy of `fields` that nobody else can change, and about how many bytes it holds.

    Values of the copy are str, int, finite float, bool, None, or lists and dicts (text keys) of
    these. Nothing here raises.
    """
    copier = _Copier()
    plain = {text_of(key): copier.copy(value, 0) for key, value in list(fields.items())}
    return plain, copier.size_bytes


class _Copier:
    """Copies the values of one line."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._elements_left = MAX_ELEMENTS
        self._path: set[int] = set()

    def copy(self, value: Any, depth: int) -> Any:
        self._elements_left -= 1
        if self._elements_left < 0:
            return TOO_MANY
        kind = type(value)
        if kind is str:
            self.size_bytes += len(value)
            return value
        self.size_bytes += _ELEMENT_BYTES
        if kind is int or kind is bool or value is None:
            return value
        if kind is float:
            return value if math.isfinite(value) else _non_finite(value)
        try:
            return self._unusual(value, depth)
        except Exception:
            return self._text(value)

    def _text(self, value: object) -> str:
        text = text_of(value)
        self.size_bytes += len(text)
        return text

    def _unusual(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one line per kind of value
        if isinstance(value, dict | list | tuple | Mapping | AbstractSet):
            return self._container(value, value, depth)
        if isinstance(value, enum.Enum):
            return self.copy(value.value, depth + 1) if depth < MAX_DEPTH else TOO_DEEP
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return self.copy(float(value), depth)
        if isinstance(value, bytes | bytearray | memoryview):
            # Text, not base64: redaction has to see what is in it.
            return self._text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, dt.datetime | dt.date | dt.time):
            return value.isoformat()
        if isinstance(value, BaseException):
            return self._text(f"{type(value).__name__}: {text_of(value)}")
        attributes = _declared_attributes(value)
        if attributes is not None:
            return self._container(value, attributes, depth)
        return self._text(value)

    def _container(self, owner: object, value: Any, depth: int) -> Any:
        if id(owner) in self._path:
            return CYCLE
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        self._path.add(id(owner))
        try:
            if isinstance(value, Mapping):
                return dict(self._items(value, depth + 1))
            return list(self._elements(value, depth + 1))
        finally:
            self._path.discard(id(owner))

    def _items(self, value: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, Any]]:
        for key, item in list(value.items()):
            if self._elements_left <= 0:
                yield TOO_MANY, len(value)
                return
            yield key if type(key) is str else text_of(key), self.copy(item, depth)

    def _elements(self, value: Iterable[Any], depth: int) -> Iterator[Any]:
        for item in list(value):
            yield self.copy(item, depth)
            if self._elements_left < 0:
                return


def _declared_attributes(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a dataclass, an attrs class, a msgspec struct or a pydantic model."""
    kind = type(value)
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    for marker in ("__pydantic_fields__", "__attrs_attrs__"):
        if hasattr(kind, marker) and hasattr(value, "__dict__"):
            return dict(value.__dict__)
    names = getattr(kind, "__struct_fields__", None)
    if isinstance(names, tuple):
        return {name: getattr(value, name, None) for name in names}
    return None


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
