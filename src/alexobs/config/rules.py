"""What a setting's value has to satisfy beyond its type; stands in the model's annotations.

Plain classes and uncompiled patterns: this is part of every import of the package.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any, Final

RESTART_ONLY: Final = "needs a restart to change"
"""Marks a setting in its annotation."""


class Rule:
    """A check with its words: ``expected`` follows "expected"."""

    expected = "something else"
    names = ".+"
    """What the names look like of a table with such values."""

    def allows(self, value: Any) -> bool:
        """Return whether `value`, of the right type already, is allowed."""
        raise NotImplementedError


class Range(Rule):
    """A number within bounds, both included; never infinite, never NaN."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    @property
    def expected(self) -> str:  # type: ignore[override]
        """What is allowed."""
        noun = "a whole number" if isinstance(self.low, int) else "a number"
        return f"{noun} from {self.low} to {self.high}"

    def allows(self, value: float) -> bool:
        """Return whether `value` is within bounds; NaN is not."""
        return self.low <= value <= self.high


class Increasing(Rule):
    """Finite numbers, each larger than the one before."""

    expected = "a list of numbers, each larger than the one before"

    def allows(self, value: tuple[float, ...]) -> bool:
        """Return whether the numbers increase."""
        increasing = all(a < b for a, b in pairwise(value))
        return bool(value) and increasing and all(map(math.isfinite, value))


class _Pattern(Rule):
    """A text of one shape."""

    pattern = ""

    def allows(self, value: str) -> bool:
        """Return whether `value` has the shape."""
        return re.fullmatch(self.pattern, value) is not None


_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+)"
_PORT = r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))"
_URL = rf"[Hh][Tt][Tt][Pp][Ss]?://(?:[^\s/?#@]*@)?{_HOST}{_PORT}?(?:[/?#]\S*)?"


class Url(_Pattern):
    """An HTTP URL."""

    pattern = _URL
    expected = "a URL such as http://localhost:9411/api/v2/spans"


class Endpoint(_Pattern):
    """An HTTP URL, or a host with a port."""

    pattern = rf"{_URL}|{_HOST}{_PORT}"
    expected = "a URL such as http://localhost:4318, or host:port"


class HeaderValue(_Pattern):
    """A value that cannot end its header line, under a name that cannot either."""

    names = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
    pattern = r"[\t\x20-\x7e\x80-\U0010ffff]*"
    expected = "a header value on one line"


class NotEmpty(_Pattern):
    """A text with something in it."""

    pattern = r"\s*\S[\s\S]*"
    expected = "a text that is not empty"


class RegularExpression(Rule):
    """A regular expression that compiles."""

    expected = "a regular expression that does not match the empty text"

    def allows(self, value: str) -> bool:
        """Return whether `value` compiles and matches more than nothing."""
        try:
            return re.compile(value).match("") is None
        except (re.error, OverflowError, RecursionError):
            return False
