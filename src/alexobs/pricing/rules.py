"""How a provider or a model is recognised: rules of the price data, made into functions."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMPACT_DATE: Final = re.compile(r"-(20\d{2})([01]\d)([0-3]\d)(?=-|:|$)")


def compile_rule(rule: Sequence[Any] | None) -> Callable[[str], bool]:
    """Return a function that tells whether a lower-case text satisfies a rule.

    A rule is an operator and a text, ``=`` equal, ``^`` start, ``$`` end, ``*`` contain, ``~``
    regular expression, or an operator and further rules, ``|`` any, ``&`` all. None matches
    nothing.
    """
    if rule is None:
        return lambda _: False
    operator, *operands = rule
    if operator in "|&":
        inner = [compile_rule(one) for one in operands]
        return _any(inner) if operator == "|" else _all(inner)
    return _TEXT_RULES[operator](operands[0])


def _any(rules: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    return lambda text: any(rule(text) for rule in rules)


def _all(rules: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    return lambda text: all(rule(text) for rule in rules)


def _equal(wanted: str) -> Callable[[str], bool]:
    return wanted.lower().__eq__


def _start(wanted: str) -> Callable[[str], bool]:
    wanted = wanted.lower()
    return lambda text: text.startswith(wanted)


def _end(wanted: str) -> Callable[[str], bool]:
    wanted = wanted.lower()
    return lambda text: text.endswith(wanted)


def _contain(wanted: str) -> Callable[[str], bool]:
    wanted = wanted.lower()
    return lambda text: wanted in text


def _search(pattern: str) -> Callable[[str], bool]:
    search = re.compile(pattern).search
    return lambda text: search(text) is not None


_TEXT_RULES: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    "=": _equal,
    "^": _start,
    "$": _end,
    "*": _contain,
    "~": _search,
}


def with_dashed_date(model: str) -> str:
    """Return ``gpt-x-20251211`` as ``gpt-x-2025-12-11``, as gateways and providers differ."""

    def dashed(match: re.Match[str]) -> str:
        try:
            return f"-{date(*map(int, match.groups())).isoformat()}"
        except ValueError:
            return match[0]

    return _COMPACT_DATE.sub(dashed, model)
