"""Secrets in text that show by the name beside them: ``password=…``, ``"token": "…"``, headers.

One expression finds every name with something assigned to it; `keys` decides about the name; the
functions here decide where the value ends and whether it is a value at all. Text of a chat holds
prose and code, so a bare word after a secret name is left alone where it reads as either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from alexobs.redaction import judge, words

if TYPE_CHECKING:
    from alexobs.redaction.rules import Span

_MOST_QUOTES = 4096
_MOST_CONTAINER_CHARS = 65_536

_PAIR = re.compile(
    r"""
    (?P<key>[A-Za-z0-9_.\-]{2,200}+)
    (?P<close>(?:\\{0,15}["'`])?\]?)
    (?:
        (?P<sep>[ \t]{0,8}+(?:=>|:=|[:=!]==?|=|:|%3[AD]))\s{0,16}+
      | (?P<tag>>)
      | (?P<verb>[ \t]{1,4}+(?:is|was)(?:[ \t]*+:)?[ \t]{1,4}+)
      | (?P<comma>[ \t]{0,4}+,\s{0,16}+(?:\\{0,15}["'](?:value|val)\\{0,15}["']\s{0,4}+:\s{0,16}+)?)
      | (?P<sql>[ \t]{1,2}+)(?=\\{0,15}')
      | (?P<space>[ \t]{1,4}+)(?!-)
    )
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_KEY_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_MOST_BEFORE_STEM = 100
_BEFORE_STRIP = {
    "\\": re.compile(r"[nrtbf]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}"),
    "%": re.compile(r"[0-9a-fA-F]{2}"),
    "[": re.compile(r"[0-9]{1,2}m"),
}
_QUOTE = re.compile(r"(?:[bBuUrRfF]{1,2})?(?P<slashes>\\{0,15})(?P<quote>[\"'`])")
_BARE = re.compile(
    r"""(?:
        [^\s"'`<>,;&|(){}\[\]\\]
      | [,;&|](?![\s"'`\\,;&|]|$|[A-Za-z0-9_.%\-]{1,64}[=:])
      | [)\]}"'`>](?=[A-Za-z0-9])
      | [<](?=[0-9])
      | \\(?![nrtu"'\\])
    )+""",
    re.VERBOSE | re.ASCII,
)
_REST = re.compile(r"[^\s\"'`\\]*")
_TYPE = re.compile(
    r"[A-Za-z_][\w.]*(?:\[[^\]\n]{0,64}\])?(?:\s{0,4}\|\s{0,4}[A-Za-z_]\w*){0,4}\s{0,4}=\s{0,4}(?!=)"
)
_LINE = re.compile(r"[^\r\n]*=[^\r\n]*")
_COOKIES = re.compile(r"[^\s=;,\"'`\\]{1,128}=[^\r\n\"'`\\]*")
_ELEMENT = re.compile(r"(?P<s>[^<\r\n]{1,1024})</")
_LOGPROB = re.compile(r"\s*,\s*\\*[\"'](?:logprob|top_logprobs|bytes|prob)\\*[\"']")
_SCHEMA = re.compile(r"\\*[\"'](?:type|\$ref|anyOf|oneOf|description)\\*[\"']\s*:")
_OPENING = re.compile(r"(?P<slashes>\\{0,15})(?P<quote>[\"'])")
_IS_KEY = re.compile(r"\s{0,8}:")
_BRACKET = re.compile(r"[\[{\]}]")
_NOT_SAID = frozenset({words.AUTHORIZATION, words.COOKIE})  # "authentication is needed"
_COMPARED = frozenset({"==", "!=", "===", "!=="})

FamilyOf = Callable[[str], str]
Extent = tuple[int, int]


def find_pairs(text: str, family_of: FamilyOf, stems: tuple[str, ...]) -> Iterator[Span]:
    """Yield the span and the rule of each value that stands beside a secret name.

    Args:
        text: any text: prose, code, JSON at any depth of quoting, headers, URLs.
        family_of: the rule of a name, or the empty string.
        stems: texts in lower case of which every secret name contains one.
    """
    position = 0
    for start in _name_starts(text, stems):
        if start < position or (match := _PAIR.match(text, start)) is None:
            continue
        if family := _family(text, match, family_of):
            for first, last in _Pair(text, match, family, family_of).values():
                yield first, last, family
                position = max(position, last)


def _name_starts(text: str, stems: tuple[str, ...]) -> Iterator[int]:
    """Where the names begin that contain a stem, in order."""
    lower = _ascii_lower(text)
    places = []
    for stem in stems:
        place = lower.find(stem)
        while place >= 0:
            places.append(place)
            place = lower.find(stem, place + len(stem))
    places.sort()
    last = -1
    for place in places:
        before = text[max(0, place - _MOST_BEFORE_STEM) : place]
        start = place - len(before) + len(before.rstrip(_KEY_CHARS))
        if text[start - 1 : start] == "\\" and text[start + 1] == "-":  # \n--password
            start += 1
        while text[start] in "-.":
            start += 1
        if start > last:
            last = start
            yield start


def _ascii_lower(text: str) -> str:
    """``text`` with A to Z in lower case; unlike ``str.lower`` it never changes the length."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _family(text: str, match: re.Match[str], family_of: FamilyOf) -> str:
    key = match["key"]
    family = family_of(key)
    start = match.start()
    if not start or family not in {"", words.KEY}:
        return family
    if text[start - 1] == " " and key.lower() in words.LASTS:  # "api key: …"
        before = text[max(0, start - 20) : start - 1]
        word = before[len(before.rstrip(_KEY_CHARS)) :]
        return (word and family_of(f"{word} {key}")) or family
    strip = _BEFORE_STRIP.get(text[start - 1])
    escape = strip.match(key) if strip else None
    return family_of(key[escape.end() :]) if escape else family


class _Pair:
    """A secret name, what joins it to its value, and where the value begins."""

    def __init__(self, text: str, match: re.Match[str], family: str, family_of: FamilyOf) -> None:
        self.text = text
        self.match = match
        self.family = family
        self.family_of = family_of
        self.start = match.end()
        self.separator = (match["sep"] or "").strip()
        # "password=x" leaves no doubt; "password = x" and "password: x" are prose and code too
        self.is_compact = (match["sep"] or " ").lower() in {"=", "%3d"} and (
            match.end("sep") == match.end()
        )
        typed = self.separator == ":" and family not in {words.COOKIE, words.AUTHORIZATION}
        if typed and (annotation := _TYPE.match(text, self.start)):
            self.start, self.separator = annotation.end(), "="

    def values(self) -> Iterator[Extent]:
        """The extents of what has to go."""
        text, start, match = self.text, self.start, self.match
        extent: Extent | None = None
        if match["tag"]:
            is_tag = text[match.start() - 1 : match.start()] == "<"
            element = _ELEMENT.match(text, start) if is_tag else None
            if element and not judge.is_template(element["s"]):
                extent = element.span("s")
        elif match["space"] and text[match.start() - 1 : match.start()] != "-":
            return
        elif quote := _QUOTE.match(text, start):
            end = _closing(text, quote.end(), quote["quote"], len(quote["slashes"]))
            if end > quote.end() and self._is_secret_string(text[quote.end() : end], end, quote):
                extent = quote.end(), end
        elif match["comma"] or match["sql"] or (match["verb"] and self.family in _NOT_SAID):
            return
        elif text[start : start + 1] in {"{", "["} and self._is_quoted_name():
            if self.family not in {words.TOKEN, *words.RANDOM_ONLY}:
                yield from _container(text, start)
        elif self.family == words.AUTHORIZATION:
            extent = self._credential()
        elif self.family == words.COOKIE and (cookies := _COOKIES.match(text, start)):
            extent = cookies.span()
        else:
            extent = self._bare()
        if extent:
            yield extent

    def _is_quoted_name(self) -> bool:
        return any(quote in self.match["close"] for quote in "\"'`")

    # -- values in quotes ------------------------------------------------------------------------

    def _is_secret_string(self, value: str, end: int, quote: re.Match[str]) -> bool:
        credential = judge.without_scheme(value)
        if judge.is_template(credential):
            return False
        if self.family in words.RANDOM_ONLY and not judge.looks_secret(value):
            return False
        if self.family == words.TOKEN:
            # {"token": " the", "logprob": -0.1}: a token of text
            behind = end + 1 + len(quote["slashes"])
            if _LOGPROB.match(self.text, behind):
                return False
        return self._is_joined(value, judge.is_odd(credential), end)

    def _is_joined(self, value: str, is_odd: bool, end: int) -> bool:
        """Whether what stands between a name and a quoted value gives the one to the other."""
        match = self.match
        if match["verb"]:
            return is_odd and judge.has_digit(value)
        if match["comma"]:
            return is_odd and ("val" in match["comma"].lower() or self._is_item(end))
        if match["sql"]:
            return self.family == words.PASSWORD
        return is_odd or self.separator not in _COMPARED

    def _is_item(self, end: int) -> bool:
        """Whether a quoted name and a quoted value are the two members of a tuple or list."""
        start = self.match.start()
        before = self.text[max(0, start - 24) : start].rstrip("\\\"'`").rstrip("bBuU \t")
        after = self.text[end : end + 24].lstrip("\\\"'`").lstrip()
        return self._is_quoted_name() and before[-1:] in {"(", "["} and after[:1] in {")", "]"}

    # -- values without quotes -------------------------------------------------------------------

    def _credential(self) -> Extent | None:
        """What follows ``Authorization:``, without its scheme."""
        start, whole_line = judge.scheme_end(self.text, self.start)
        found = (_LINE if whole_line else _BARE).match(self.text, start)
        if not found:
            return None
        value = found.group()
        is_call = judge.is_name(value) and self.text[found.end() : found.end() + 1] in {"(", "["}
        if is_call or judge.is_attribute(value):
            return None
        is_credential = len(value) >= 6 and judge.is_odd(value) and not judge.is_number(value)
        return found.span() if is_credential and not judge.is_template(value) else None

    def _bare(self) -> Extent | None:
        found = _BARE.match(self.text, self.start)
        if not found:
            return None
        value = found.group() if self.is_compact else found.group().rstrip(".:!?")
        end = self.start + len(value)
        if self.text[end : end + 1] in {"(", "["}:
            if judge.is_name(value):  # a call or an index: code
                return None
            rest = _REST.match(self.text, end)
            end = rest.end() if rest else end
            value = self.text[self.start : end]
        return (self.start, end) if value and self._is_secret_word(value, end) else None

    def _is_secret_word(self, value: str, end: int) -> bool:
        if judge.is_keyword(value) or judge.is_template(value) or judge.is_attribute(value):
            return False
        if judge.is_name(value) and (self.family_of(value) or value == self.match["key"]):
            return False  # f(password=password)
        if judge.is_number(value):
            return self.family not in words.COUNTABLE and (self.is_compact or len(value) >= 4)
        if self.family in words.RANDOM_ONLY:
            return judge.looks_secret(value)
        if self.match["verb"] and not judge.has_digit(value):
            return False
        return self.is_compact or self._is_secret_in_prose(value, end)

    def _is_secret_in_prose(self, value: str, end: int) -> bool:
        is_password = self.family == words.PASSWORD
        if judge.is_odd(value):
            return len(value) >= (3 if is_password else 6) and not judge.is_path(value)
        return is_password and (bool(self.match["space"]) or self._is_whole_line(end))

    def _is_whole_line(self, end: int) -> bool:
        """Whether name and value are all that stands on their line, as in a configuration file."""
        line_start = self.text.rfind("\n", 0, self.match.start()) + 1
        before = self.text[line_start : self.match.start()]
        if "." in self.match["key"] or "_" in self.text[self.start : end]:  # self.pwd = make_pwd
            return False
        is_last = self.text[end : end + 1] in {"", "\n", "\r"}
        return is_last and not before.strip(" \t-#") and bool(self.match["sep"])


def _closing(text: str, start: int, quote: str, slashes: int) -> int:
    """Where a string ends that was opened by ``slashes`` backslashes and ``quote``.

    JSON inside JSON doubles: a quote at depth d is written with 2^d - 1 backslashes, and a
    quote with fewer ends a string around this one. A string that is cut off ends with its line.
    """
    if text.startswith(quote * 2, start) and not slashes:
        end = text.find(quote * 3, start + 2)
        return start if end < 0 or text[start + 2 : start + 3] in ",}:)] \n" else end
    period = 2 * (slashes + 1)
    position = start
    for _ in range(_MOST_QUOTES):
        position = text.find(quote, position)
        if position < 0:
            break
        run = position
        while run > start and text[run - 1] == "\\":
            run -= 1
        count = position - run
        if count % period == slashes or count < slashes:
            return run + max(0, count - slashes) if count >= slashes else run
        position += 1
    line_end = text.find("\n", start)
    return len(text) if line_end < 0 else line_end


def _container(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Every string that is no key inside the brackets that open at ``start``."""
    end, depth = start, 0
    limit = min(len(text), start + _MOST_CONTAINER_CHARS)
    for bracket in _BRACKET.finditer(text, start, limit):
        depth += 1 if bracket.group() in "[{" else -1
        end = bracket.end()
        if depth == 0:
            break
    else:
        end = limit
    if _SCHEMA.search(text, start, end):
        return
    position = start
    while (quote := _OPENING.search(text, position, end)) is not None:
        close = _closing(text, quote.end(), quote["quote"], len(quote["slashes"]))
        position = close + len(quote["slashes"]) + 1
        if close > quote.end() and not _IS_KEY.match(text, position):
            yield quote.end(), min(close, end)
