"""Takes the secrets out of one string that the prefilter hit."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import islice

from alexobs.redaction.rules import Rule, Span

# A marker of any redactor, so that what another process redacted stays as it is.
MARKER = re.compile(r"\[redacted:[a-z](?:[a-z0-9]{0,19}_){0,4}[a-z0-9]{0,19}\]")
_ESCAPE = re.compile(r"u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrtbf\"'\\/]")
# Each round leaves fewer characters outside markers than the one before; two is the usual number.
_MOST_ROUNDS = 32

RulesFor = Callable[[str], Iterable[Rule]]


def marker(rule: str) -> str:
    """What stands in place of a secret that ``rule`` found."""
    return f"[redacted:{rule}]"


def clean_text(text: str, rules_for: RulesFor, count: Callable[[str], None]) -> str:
    """``text`` with a marker in place of each secret; cleaning it again changes nothing.

    Args:
        text: any string.
        rules_for: the rules that a string has to be checked for, in order of precedence.
        count: called with the rule of each replacement.

    Raises:
        RuntimeError: the text does not settle, which the caller takes for a secret.
    """
    for _ in range(_MOST_ROUNDS):
        spans = _spans(text, rules_for(text))
        if not spans:
            return text
        parts: list[str] = []
        position = 0
        for start, end, rule in spans:
            parts += text[position:start], marker(rule)
            position = end
            count(rule)
        text = "".join(parts) + text[position:]
    raise RuntimeError("the text does not settle")


def _spans(text: str, rules: Iterable[Rule]) -> list[Span]:
    """What to replace: in order, without overlap, around existing markers."""
    kept = [found.span() for found in MARKER.finditer(text)] if "[redacted:" in text else []
    found: list[tuple[int, int, int, str]] = []
    for rank, rule in enumerate(rules):
        for start, end, name in rule.find(text):
            first = _after_escape(text, start)
            if around := _around(text, first, end, kept):
                found.append((*around, rank, name))
    found.sort()
    merged: list[tuple[int, int, int, str]] = []
    for span in found:
        if merged and span[0] < merged[-1][1]:
            before = merged.pop()
            rank, name = min(before[2:], span[2:])
            merged.append((before[0], max(before[1], span[1]), rank, name))
        else:
            merged.append(span)
    return [(start, end, name) for start, end, _, name in merged]


def _after_escape(text: str, start: int) -> int:
    """``start``, moved behind the escape that it would cut in half, so that JSON stays JSON."""
    run = start
    while run and text[run - 1] == "\\":
        run -= 1
    if (start - run) % 2 and (escape := _ESCAPE.match(text, start)):
        return escape.end()
    return start


def _around(text: str, start: int, end: int, kept: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The span, grown over markers that it cuts; None when markers are all that it holds."""
    rest = []
    position = start
    index = bisect_right(kept, (start, 0)) - 1
    for first, last in islice(kept, max(index, 0), None):
        if first >= end:
            break
        if last > start:
            rest.append(text[position:first])
            start, end, position = min(start, first), max(end, last), last
    rest.append(text[position:end])
    return (start, end) if any(map(str.isalnum, "".join(rest))) else None
