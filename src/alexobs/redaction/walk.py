"""Walks through nested values: first to gather their strings, then to rebuild what must change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import is_
from typing import Any, Protocol

from alexobs.redaction import words
from alexobs.redaction.judge import looks_secret
from alexobs.redaction.text import MARKER, marker

SCALARS = frozenset({str, bool, int, float, type(None)})
_SEQUENCES = frozenset({list, tuple, set, frozenset})
# Deeper than JSON of people and models ever goes; encoders recurse.
MOST_DEPTH = 48
# Parts of one value, those that stand in several places counted each time.
MOST_NODES = 100_000
_MOST_NAME_CHARS = 48
# Types whose text is a number or a date and can hold no secret; encoders know them. By name, so
# that their modules need not be loaded for it.
_PLAIN_TYPES = frozenset(
    {
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
    }
)
_SCHEMA_NAMES = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "description"})
_WHOLE = frozenset(words.FAMILIES) - {words.TOKEN, *words.RANDOM_ONLY}


def gather(
    value: Any, strings: list[str], known: AbstractSet[Any], is_clean_key: Callable[[Any], bool]
) -> bool:
    """Append all strings within ``value`` to ``strings``.

    Args:
        value: anything.
        strings: takes them.
        known: names that ``is_clean_key`` has found to be clean; most names are among them.
        is_clean_key: whether a name neither is nor holds a secret.

    Returns:
        False when the value has to be rebuilt whatever its strings hold: a secret name, a kind of
        object that encoders would turn into text, a cycle, or more depth or width than is sane.
    """
    level = [value]
    nodes = 0
    for _ in range(MOST_DEPTH):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                strings.append(item)
            elif kind in _SEQUENCES:
                if (
                    len(item) == 2
                    and kind in {list, tuple}
                    and not _is_clean_pair(item, is_clean_key)
                ):
                    return False
                below.extend(item)
            elif kind is dict:
                is_clean = item.keys() <= known or all(map(is_clean_key, item))
                if not is_clean or ("value" in item and _named_value(item, is_clean_key)):
                    return False
                below.extend(item.values())
            elif kind is bytes:
                strings.append(item.decode("utf-8", "surrogateescape"))
            elif kind not in SCALARS and not _is_plain(item):
                return False
        if not below:
            return True
        nodes += len(below)
        if nodes > MOST_NODES:
            return False
        level = below
    return False


def _is_plain(value: Any) -> bool:
    kind = type(value)
    is_number = isinstance(value, (int, float, complex))
    return is_number or (kind.__module__, kind.__name__) in _PLAIN_TYPES


def _is_clean_pair(item: Any, is_clean_key: Callable[[Any], bool]) -> bool:
    name = item[0]
    if type(name) is bytes:
        name = name.decode("utf-8", "replace")
    return type(name) is not str or len(name) > _MOST_NAME_CHARS or is_clean_key(name)


def _named_value(item: Mapping[Any, Any], is_clean_key: Callable[[Any], bool]) -> bool:
    """Whether a dict with a value names a secret: ``{"name": "Authorization", "value": …}``."""
    name = item.get("name", item.get("key"))
    return type(name) is str and not is_clean_key(name)


def _plain_text(value: str) -> str:
    """The characters of a string of any subclass, whatever its own methods say."""
    return value if type(value) is str else str.__str__(value)


class Policy(Protocol):
    """What the walk asks of the redactor."""

    def family(self, key: str) -> str:
        """The rule that takes what stands below a name, or the empty string."""
        ...

    def clean(self, text: str) -> str:
        """A text without secrets."""
        ...

    def count(self, rule: str) -> None:
        """Count one replacement."""
        ...

    def failed(self) -> str:
        """Count a failure, and give what stands in its place."""
        ...


class Walk:
    """One rebuild of one value, with bounds on depth and width."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._open: set[int] = set()
        self._nodes = 0

    def rebuild(self, value: Any, family: str = "") -> Any:
        """``value`` without secrets, made of plain kinds; any failure costs that part alone.

        Args:
            value: anything.
            family: the rule of the secret name that the value stands below.
        """
        ident = id(value)
        self._nodes += 1
        if ident in self._open or len(self._open) >= MOST_DEPTH or self._nodes > MOST_NODES:
            return self._policy.failed()
        try:
            if isinstance(value, str):
                return self._string(_plain_text(value), family)
            if value is None or _is_plain(value):
                return self._number(value, family)
            if isinstance(value, (bytes, bytearray, memoryview)):
                return self._bytes(bytes(value), family)
            self._open.add(ident)
            try:
                return self._container(value, family)
            finally:
                self._open.discard(ident)
        except Exception:
            return self._policy.failed()

    def _container(self, value: Any, family: str) -> Any:
        named = getattr(value, "_asdict", None) if isinstance(value, tuple) else None
        if named is not None:
            value = named()
        if isinstance(value, Mapping):
            return self._mapping(value, family)
        if isinstance(value, (list, tuple)):
            items = self._pair(value) or [self.rebuild(item, family) for item in value]
            if type(value) in _SEQUENCES and all(map(is_, items, value)):
                return value
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, (set, frozenset)):
            return type(value)(self.rebuild(item, family) for item in value)
        return self._string(str(value), family)

    def _mapping(self, value: Mapping[Any, Any], family: str) -> Mapping[Any, Any]:
        if family and (family not in _WHOLE or not _SCHEMA_NAMES.isdisjoint(value)):
            family = ""
        named = ""
        if "value" in value and isinstance(name := value.get("name", value.get("key")), str):
            named = self._policy.family(name)
        is_logprob = "logprob" in value or "logprobs" in value
        rebuilt = {}
        is_same = type(value) is dict
        for key, item in value.items():
            own = self._key_family(key)
            if own == words.TOKEN and is_logprob:
                own = ""
            if key == "value" and not own:
                own = named
            new_key, new_item = self._key(key), self.rebuild(item, own or family)
            is_same = is_same and new_key is key and new_item is item
            rebuilt[new_key] = new_item
        return value if is_same else rebuilt

    def _key_family(self, key: Any) -> str:
        if isinstance(key, bytes):
            key = key.decode("utf-8", "replace")
        return self._policy.family(key) if isinstance(key, str) else ""

    def _key(self, key: Any) -> Any:
        return self.rebuild(key) if not _is_plain(key) else key

    def _pair(self, items: Sequence[Any]) -> list[Any] | None:
        """The rebuilt pair of a name and its secret, as in a list of headers."""
        if len(items) != 2 or not isinstance(items[1], (str, bytes)):
            return None
        family = self._key_family(items[0]) if isinstance(items[0], (str, bytes)) else ""
        if not family or len(items[0]) > _MOST_NAME_CHARS:
            return None
        text = items[1].decode("utf-8", "replace") if isinstance(items[1], bytes) else items[1]
        # ["password", "username"] is a list of names
        if text.replace("_", "").replace("-", "").isalpha():
            return None
        return [items[0], self.rebuild(items[1], family)]

    def _string(self, text: str, family: str) -> str:
        if not family or not text.strip():
            return self._policy.clean(text)
        if family in words.RANDOM_ONLY and not looks_secret(text):
            return self._policy.clean(text)
        if MARKER.fullmatch(text):
            return text
        self._policy.count(family)
        return marker(family)

    def _bytes(self, data: bytes, family: str) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        cleaned = self._string(text, family)
        return data if cleaned is text else cleaned.encode("utf-8", "surrogateescape")

    def _number(self, value: Any, family: str) -> Any:
        """Numbers below a secret name are secrets, but for names that also count things."""
        if not family or family in words.COUNTABLE or value is None or isinstance(value, bool):
            return value
        self._policy.count(family)
        return marker(family)
