"""Prefilters: which strings must be looked at, and for what.

Both engines answer with a superset of what is there, from one pass over all strings together;
`redactor` then applies the precise expressions to the few strings that were hit. So both give the
same result, and differ in speed only: an automaton over all rules at once (hyperscan), or the
standard library's searches one after the other.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from alexobs.redaction.rules import ESCAPE, LITERAL, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

Hits = dict[int, set[Rule]]
_SEPARATOR = "\n"
_CACHE_DIR = "~/.alex/cache"


class Engine(Protocol):
    """What both engines offer."""

    name: str

    def hits(self, texts: Sequence[str]) -> Hits:
        """The rules to apply, by index of the text; texts that hold nothing are not in it."""
        ...


class PortableEngine:
    """Searches with the standard library alone.

    Most secrets begin with a prefix where no word goes on, so it collects the first three
    characters of every token in one search, and looks up which rules begin like that.
    """

    name = "portable"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._starts = _Starts([rule for rule in rules if rule.head])
        self._exact = [
            (literal, rule)
            for rule in rules
            for literal in rule.literals
            if not rule.head and not rule.ignore_case
        ]
        self._lower = [rule for rule in rules if rule.ignore_case]

    def hits(self, texts: Sequence[str]) -> Hits:
        """See `Engine`."""
        found = self._rules(_SEPARATOR.join(texts))
        if found and len(texts) > 1:
            found_in = {index: self._rules(text) for index, text in enumerate(texts)}
        else:
            found_in = {0: found}
        hits = {}
        for index, rules in found_in.items():
            if kept := {rule for rule in rules if not rule.scan or any(rule.find(texts[index]))}:
                hits[index] = kept
        return hits

    def _rules(self, text: str) -> set[Rule]:
        """The rules that a text could hold; of those with a scan of their own, only that."""
        found = {
            rule
            for literal, rule in self._exact
            if literal in text and (rule.scan or rule.pattern.search(text))
        }
        lower = text.lower()
        for rule in self._lower:
            if any(literal in lower for literal in rule.literals):
                found.add(rule)
        text = _SEPARATOR + text
        starts = {*_TOKEN_START.findall(text), *_ESCAPED_START.findall(text)}
        for rule in set().union(*map(self._starts.__getitem__, starts)):
            if rule.head != LITERAL:
                is_found = rule.pattern.search(text) is not None
            else:
                is_found = any(literal in text for literal in rule.literals)
            if is_found:
                found.add(rule)
        return found


_TOKEN_START = re.compile("[^A-Za-z0-9](?=([!-~]{3}))")
_ESCAPED_START = re.compile(f"{ESCAPE}(?=([!-~]{{3}}))")
_MOST_STARTS = 20_000


class _Starts(dict[str, tuple[Rule, ...]]):
    """The rules whose secrets begin with some three characters; worked out once for each."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__()
        self._literal: dict[str, list[Rule]] = {}
        for rule in rules:
            for start in {literal[:3] for literal in rule.literals if rule.head == LITERAL}:
                self._literal.setdefault(start, []).append(rule)
        self._shaped = [(re.compile(rule.head), rule) for rule in rules if rule.head != LITERAL]
        self._first = re.compile("|".join(pattern.pattern for pattern, _ in self._shaped))

    def __missing__(self, start: str) -> tuple[Rule, ...]:
        rules = [*self._literal.get(start, ()), *self._literal.get(start[:2], ())]
        if self._first.match(start):
            rules += [rule for pattern, rule in self._shaped if pattern.match(start)]
        if len(self) >= _MOST_STARTS:
            self.clear()
        self[start] = tuple(rules)
        return self[start]


def build_engine(rules: Sequence[Rule]) -> Engine:
    """The fastest engine that works here."""
    try:
        return HyperscanEngine(rules)
    except Exception:  # not installed, or a processor that it does not know
        return PortableEngine(rules)


class HyperscanEngine:
    """One automaton over all rules, some GB/s; needs the package ``hyperscan``.

    Its database is compiled at first use and kept in ``~/.alex/cache``, because compiling takes
    longer and more memory than everything else here together.
    """

    name = "hyperscan"

    def __init__(self, rules: Sequence[Rule], cache_dir: str = _CACHE_DIR) -> None:
        import hyperscan  # noqa: PLC0415 - a large optional extension, wanted only when it is used

        self._hs: Any = hyperscan
        self._rules = tuple(rules)
        self._local = threading.local()
        self._database = self._load(Path(cache_dir).expanduser())

    def hits(self, texts: Sequence[str]) -> Hits:
        """See `Engine`."""
        joined = _SEPARATOR.join(texts) if len(texts) != 1 else texts[0]
        found: list[tuple[int, int]] = []
        try:
            data = joined.encode()
        except UnicodeEncodeError:  # lone surrogates
            data = joined.encode("utf-8", "surrogatepass")
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = self._hs.Scratch(self._database)
        self._database.scan(
            data, _collect, 0, found, scratch
        )  # by position: half a microsecond less
        return self._attribute(texts, found) if found else {}

    def _attribute(self, texts: Sequence[str], found: list[tuple[int, int]]) -> Hits:
        hits: Hits = {}
        ends = list(accumulate(len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts))
        for ident, end in found:
            hits.setdefault(bisect_left(ends, end), set()).add(self._by_ident[ident])
        return hits

    def _load(self, folder: Path) -> Any:
        expressions = [hint.encode() for rule in self._rules for hint in rule.hints]
        self._by_ident = [rule for rule in self._rules for _ in rule.hints]
        flags = [self._hs.HS_FLAG_CASELESS if rule.ignore_case else 0 for rule in self._by_ident]
        made_by = (self._hs.__version__, sys.platform, sys.maxsize)
        key = repr((made_by, expressions, flags))
        path = folder / f"redaction-{_digest(key.encode()).hex()[:24]}.hsdb"
        if (cached := self._read(path)) is not None:
            return cached
        database = self._hs.Database(mode=self._hs.HS_MODE_BLOCK)
        database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=flags)
        self._write(path, database)
        return database

    def _read(self, path: Path) -> Any:
        try:
            data = path.read_bytes()
        except OSError:
            return None
        checksum, payload = data[:32], data[32:]
        if _digest(payload) != checksum:
            return None
        try:
            return self._hs.loadb(payload, self._hs.HS_MODE_BLOCK)
        except self._hs.HyperscanError:  # made on another kind of processor
            return None

    def _write(self, path: Path, database: Any) -> None:
        try:
            payload = self._hs.dumpb(database)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_bytes(_digest(payload) + payload)
            partial.replace(path)
        except OSError:  # a read-only home: compile again next time
            return


def _digest(data: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - loads OpenSSL, once, when there is a database to name

    return hashlib.sha256(data).digest()


def _collect(ident: int, _start: int, end: int, _flags: int, found: list[tuple[int, int]]) -> None:
    found.append((ident, end))
