"""Puts the rules of one configuration together: built-in ones, names, and a user's own."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

from alexobs.errors import RedactionRuleError
from alexobs.redaction.credentials import credential_rules
from alexobs.redaction.pairs import find_pairs
from alexobs.redaction.personal import personal_rules
from alexobs.redaction.rules import Rule
from alexobs.redaction.text import MARKER, marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.redaction.keys import KeyNames

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def builtin_rules(
    names: KeyNames, family_of: Callable[[str], str], personal_data: bool
) -> tuple[Rule, ...]:
    """The rules in order of precedence: the first one names a secret that several find."""
    stems = names.stems()
    pairs = Rule(
        "pairs",
        "(?!)",
        literals=stems,
        hints=names.hints(),
        scan=lambda text: find_pairs(text, family_of, stems),
        ignore_case=True,
    )
    return (*credential_rules(), pairs, *(personal_rules() if personal_data else ()))


def user_rules(patterns: Mapping[str, str]) -> tuple[Rule, ...]:
    """Rules of the configuration, which come before the built-in ones.

    A group named ``s`` says what is replaced; without one it is the whole match.

    Raises:
        RedactionRuleError: naming the rule, when its pattern does not compile, matches nothing at
            all, or nests repeats so that one text could keep it busy for ever.
    """
    return tuple(_user_rule(name, pattern) for name, pattern in patterns.items())


def _user_rule(name: str, pattern: str) -> Rule:
    slug = _NOT_IN_NAMES.sub("_", name.lower()).strip("_")
    if not MARKER.fullmatch(marker(slug)):
        raise RedactionRuleError(
            f"redaction pattern {name!r}: expected a name of letters, digits and underscores that "
            "begins with a letter and has no word of more than 20"
        )
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise RedactionRuleError(
            f"redaction pattern {name!r}: {pattern!r} is no regular expression: {error}"
        ) from error
    if compiled.search(""):
        raise RedactionRuleError(
            f"redaction pattern {name!r}: {pattern!r} matches the empty text; "
            "expected a pattern that needs at least one character"
        )
    parser: Any = importlib.import_module("re._parser")
    if _explodes(parser.parse(pattern), within_repeat=False):
        raise RedactionRuleError(
            f"redaction pattern {name!r}: {pattern!r} repeats a repeat, which can take for ever; "
            "write (a+)+ as a+"
        )
    rule = Rule(slug, pattern)
    object.__setattr__(rule, "pattern", compiled)
    return rule


def _explodes(parsed: Any, *, within_repeat: bool) -> bool:
    """Whether an unbounded repeat holds another one and nothing that would keep them apart."""
    items = list(parsed)
    lone = within_repeat and all(_is_repeat(item) for item in items)
    for operation, argument in items:
        unbounded = _is_repeat((operation, argument)) and argument[1] >= 1000
        if unbounded and lone:
            return True
        for inner in _inner(argument):
            if _explodes(
                inner, within_repeat=unbounded or ((lone or within_repeat) and len(items) == 1)
            ):
                return True
    return False


def _is_repeat(item: Any) -> bool:
    return str(item[0]) in {"MAX_REPEAT", "MIN_REPEAT"}


def _inner(argument: Any) -> list[Any]:
    """The sub-patterns within an operation's argument, whatever its form."""
    if hasattr(argument, "getwidth"):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [inner for part in argument for inner in _inner(part)]
    return []
