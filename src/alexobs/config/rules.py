"""What a setting's value has to satisfy beyond its type; stands in the model's annotations."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, ClassVar, Protocol, runtime_checkable


class Marker(Enum):
    """What is true of a setting itself, not of its value."""

    RESTART_ONLY = "needs a restart to change"


RESTART_ONLY = Marker.RESTART_ONLY


@runtime_checkable
class Rule(Protocol):
    """A check with its words."""

    @property
    def expected(self) -> str:
        """What is allowed, as it follows "expected"."""
        ...

    def allows(self, value: Any) -> bool:
        """Return whether `value`, of the right type already, is allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """A number within bounds, both included; never infinite, never NaN."""

    low: float
    high: float

    @property
    def expected(self) -> str:
        """What is allowed."""
        noun = "a whole number" if isinstance(self.low, int) else "a number"
        return f"{noun} from {self.low} to {self.high}"

    def allows(self, value: float) -> bool:
        """Return whether `value` is within bounds; NaN is not."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Increasing:
    """Finite numbers, each larger than the one before."""

    expected: ClassVar[str] = "a list of numbers, each larger than the one before"

    def allows(self, value: tuple[float, ...]) -> bool:
        """Return whether the numbers increase."""
        return (
            bool(value)
            and all(map(math.isfinite, value))
            and all(a < b for a, b in pairwise(value))
        )


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A text of one shape."""

    pattern: ClassVar[re.Pattern[str]]
    expected: ClassVar[str]

    def allows(self, value: str) -> bool:
        """Return whether `value` has the shape."""
        return self.pattern.fullmatch(value) is not None


_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+)"
_PORT = r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))"
_URL = rf"https?://(?:[^\s/?#@]*@)?{_HOST}{_PORT}?(?:[/?#]\S*)?"


class Url(_Pattern):
    """An HTTP URL."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]] = re.compile(_URL, re.IGNORECASE)
    expected: ClassVar[str] = "a URL such as http://localhost:9411/api/v2/spans"


class Endpoint(_Pattern):
    """An HTTP URL, or a host with a port."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]] = re.compile(rf"{_URL}|{_HOST}{_PORT}", re.IGNORECASE)
    expected: ClassVar[str] = "a URL such as http://localhost:4318, or host:port"


class HeaderValue(_Pattern):
    """A value that cannot end its header line."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
    expected: ClassVar[str] = "a header value on one line"


class NotEmpty(_Pattern):
    """A text with something in it."""

    __slots__ = ()
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"\s*\S.*", re.DOTALL)
    expected: ClassVar[str] = "a text that is not empty"


@dataclass(frozen=True, slots=True)
class RegularExpression:
    """A regular expression that compiles."""

    expected: ClassVar[str] = "a regular expression that does not match the empty text"

    def allows(self, value: str) -> bool:
        """Return whether `value` compiles and matches more than nothing."""
        try:
            return re.compile(value).match("") is None
        except (re.error, OverflowError, RecursionError):
            return False
