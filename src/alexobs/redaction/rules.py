"""What a rule is, and how its expression is guarded.

A rule finds one kind of secret by its shape. Its expression is written so that it takes linear
time: a fixed prefix, then one run of characters. A prefilter decides which strings are looked at
(see `engine`); a rule says what it may rely on: ``literals``, of which every match contains one,
and ``hints``, broader and shorter expressions of which one occurs in every match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

WORD_CHARS = "-A-Za-z0-9_"  # the hyphen first, so that more can follow
# A prefix counts at the start of a token only, so that "task-" holds no "sk-". What stands before
# may be the tail of an escape too: \n in JSON, %3D in a URL, \u0026 from Go, a terminal's colour.
_BEFORE = (
    r"(?<![A-Za-z0-9]{p})",
    r"(?<=\\[nrtbf]{p})",
    r"(?<=%[0-9A-Fa-f][0-9A-Fa-f]{p})",
    r"(?<=\\u[0-9A-Fa-f]{{4}}{p})",
    r"(?<=[\[;][0-9]m{p})",
    r"(?<=[\[;][0-9][0-9]m{p})",
)
# The same for what begins with no prefix, to be put behind the first character.
FIRST = (
    r"(?:(?<![A-Za-z0-9_.+/-].)|(?<=\\[nrtbf].)|(?<=%[0-9A-Fa-f][0-9A-Fa-f].)"
    r"|(?<=[\[;][0-9]m.)|(?<=[\[;][0-9][0-9]m.))"
)
# What both come to without look-behind: no letter or digit, or an escape that ends in one.
ESCAPE = r"(?:\\(?:[nrtbf]|u[0-9A-Fa-f]{4})|%[0-9A-Fa-f][0-9A-Fa-f]|[\[;][0-9]{1,2}m)"
HEAD = f"(?:^|[^A-Za-z0-9]|{ESCAPE})"
EDGE = f"(?:^|[^A-Za-z0-9_.+/-]|{ESCAPE})"
_OPEN_END = re.compile(r"\{(\d+),\d*\}(?:\(\?![^()]*\))?$")

LITERAL = "literal"

Check = Callable[[re.Match[str]], bool]
Span = tuple[int, int, str]


@dataclass(frozen=True, eq=False)
class Rule:
    """One kind of secret.

    Attributes:
        name: stands in the marker and in the counts.
        expression: what is found; a group named ``s`` is what is replaced, else the whole match.
        literals: every match contains one of these, in this case; empty when there is none.
        head: when matches begin where no word goes on, and with no literal: their first three
            characters; when with one of the literals: ``literal``; else empty.
        hints: one of these occurs in every match; plain enough for every engine.
        check: says whether a match is the real thing.
        scan: finds spans by itself, for what an expression cannot say.
    """

    name: str
    expression: str
    literals: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    check: Check | None = None
    scan: Callable[[str], Iterator[Span]] | None = None
    ignore_case: bool = False
    head: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The precise expression; most rules never need it, so it is compiled at first use."""
        return re.compile(self.expression, re.ASCII | (re.IGNORECASE if self.ignore_case else 0))

    def find(self, text: str) -> Iterator[Span]:
        """Yield start, end and rule name of each secret in ``text``."""
        if self.scan is not None:
            yield from self.scan(text)
            return
        group = "s" if "s" in self.pattern.groupindex else 0
        for match in self.pattern.finditer(text):
            if self.check is None or self.check(match):
                yield *match.span(group), self.name


def at_start(prefix: str) -> str:
    """``prefix`` at the start of a token, as an expression that begins with the prefix itself.

    A look-behind in front would cost the regular expression engine its search by literal prefix.
    """
    escaped = re.escape(prefix)
    return escaped + "(?:" + "|".join(part.format(p=escaped) for part in _BEFORE) + ")"


def token(
    name: str,
    *prefixes: str,
    length: int,
    most: int = 0,
    chars: str = WORD_CHARS,
    check: Check | None = None,
) -> Rule:
    """A rule for a prefix followed by ``length`` to ``most`` characters (0: any number)."""
    run = f"[{chars}]{{{length},{most}}}(?![{chars}])" if most else f"[{chars}]{{{length},}}"
    heads = "|".join(at_start(prefix) for prefix in prefixes)
    plain = "|".join(re.escape(prefix) for prefix in prefixes)
    return Rule(
        name,
        f"(?:{heads}){run}" if len(prefixes) > 1 else heads + run,
        literals=prefixes,
        hints=(f"{HEAD}(?:{plain})[{chars}]{{{length}}}",),
        check=check,
        head=LITERAL,
    )


def shape(
    name: str,
    expression: str,
    *literals: str,
    hint: str = "",
    head: str = "",
    check: Check | None = None,
) -> Rule:
    """A rule by its whole expression; the open end of the expression is cut for the hint."""
    hints = (hint or _OPEN_END.sub(r"{\1}", expression),)
    return Rule(name, expression, literals, hints, check=check, head=head)
