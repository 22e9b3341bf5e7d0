"""Removes secrets from values before anything is encoded.

The clean case is the fast one: names are decided once and remembered, all strings of a batch are
looked at in one pass, and what holds nothing comes back as the same object. Only strings that the
prefilter hit are taken apart. Whatever goes wrong with a value, that value is replaced, never
passed through, and the others go out.
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, Protocol

from alexobs.forks import unforked
from alexobs.redaction import words
from alexobs.redaction.engine import Engine, Hits, build_engine
from alexobs.redaction.keys import MOST_KEY_CHARS, KeyNames
from alexobs.redaction.ruleset import builtin_rules, user_rules
from alexobs.redaction.text import clean_text, marker
from alexobs.redaction.walk import SCALARS, Walk, gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alexobs.redaction.rules import Rule

FAILED = "failed"
_MOST_KEYS = 8192


class Settings(Protocol):
    """What a redactor is made from; `alexobs.config.model.RedactionConfig` is one."""

    @property
    def enabled(self) -> bool:
        """Remove anything at all."""
        ...

    @property
    def personal_data(self) -> bool:
        """Remove e-mail addresses, card numbers and the like as well."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """Further secret names."""
        ...

    @property
    def allow_keys(self) -> tuple[str, ...]:
        """Names that are never secret."""
        ...

    @property
    def patterns(self) -> Mapping[str, str]:
        """Further rules: name to regular expression."""
        ...


class Redactor:
    """Removes secrets by the rules of one configuration; safe to share between threads.

    Args:
        config: which rules apply. It is read once; a new configuration makes a new redactor.
        counts: replacements so far, to go on from those of an earlier redactor.
        engine: how strings are prefiltered; default: the fastest that works here.

    Raises:
        RedactionRuleError: a user's pattern does not compile, or could take forever.
    """

    def __init__(
        self,
        config: Settings,
        *,
        counts: Mapping[str, int] | None = None,
        engine: Callable[[Sequence[Rule]], Engine] = build_engine,
    ) -> None:
        self.enabled = config.enabled
        self._names = KeyNames(config.keys, config.allow_keys)
        self._custom = user_rules(config.patterns)
        self._personal_data = config.personal_data
        self._make_engine = engine
        self._engine: Engine | None = None
        self._rules: tuple[Rule, ...] = ()
        self._lock = threading.RLock()  # re-entered when a finaliser records amid a count
        self._counts = dict(counts or {})
        self._families: dict[str, str] = {}
        self._clean_keys: set[Any] = set()
        _alive.add(self)

    # -- what callers use ------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """Replacements by rule so far; ``failed`` counts values whose check failed."""
        with self._lock:
            return dict(self._counts)

    def after_fork_in_child(self) -> None:
        """Count anew in a forked child, with a lock that nobody holds."""
        self._lock = threading.RLock()
        self._counts = {}

    @property
    def engine_name(self) -> str:
        """The engine in use: ``hyperscan`` or ``literal``."""
        return self._ready().name

    def is_secret_key(self, key: str) -> bool:
        """Whether what stands below this name is a secret by the name alone."""
        return self.family(key) not in {"", words.KEY}

    def text(self, value: str) -> str:
        """``value`` without secrets; the same object when it holds none."""
        if not self.enabled:
            return value
        try:
            return self.clean(value) if self._hits((value,)) else value
        except Exception:
            return self.failed()

    def texts(self, values: list[str]) -> list[str]:
        """All ``values`` without secrets, from one pass; the same list when none holds any."""
        if not self.enabled or not values:
            return values
        try:
            hits = self._hits(values)
        except Exception:
            return [self.text(value) for value in values]
        if not hits:
            return values
        cleaned = [self.text(value) if i in hits else value for i, value in enumerate(values)]
        return values if all(map(is_, cleaned, values)) else cleaned

    def value(self, value: Any) -> Any:
        """Any value without secrets; the same object when nothing changes; never mutates it.

        Dicts, lists, tuples, sets and bytes keep their kind. Objects of other types become their
        text, because what an encoder would make of them cannot be checked.
        """
        if type(value) is str:
            return self.text(value)
        if not self.enabled or type(value) in SCALARS:
            return value
        return self.values([value])[0]

    def values(self, values: list[Any]) -> list[Any]:
        """Each of `values` as from `value`, from one pass over all their strings.

        The same list when nothing changes.
        """
        if not self.enabled or not values:
            return values
        strings: list[str] = []
        ends: list[int] = []
        dirty: set[int] = set()
        for index, value in enumerate(values):
            if not self._gathered(value, strings):
                dirty.add(index)
            ends.append(len(strings))
        try:
            dirty.update(bisect_right(ends, index) for index in self._hits(strings))
        except Exception:  # the rebuild finds out which part it was
            dirty.update(range(len(values)))
        if not dirty:
            return values
        return [Walk(self).rebuild(v) if i in dirty else v for i, v in enumerate(values)]

    def fields(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping of names to values, without secrets; the same dict when nothing changes."""
        if not self.enabled:
            return mapping if type(mapping) is dict else dict(mapping)
        if type(mapping) is dict and self._is_clean(mapping):
            return mapping
        rebuilt = Walk(self).rebuild(mapping)
        return rebuilt if isinstance(rebuilt, dict) else {"redacted": rebuilt}

    def batch(self, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Many attribute dicts without secrets, from one pass over all their strings.

        The same list when nothing changes, and the same dict for each that does not.
        """
        if not self.enabled or not mappings:
            return mappings
        try:
            dirty = self._dirty(mappings)
        except Exception:
            return [self.fields(mapping) for mapping in mappings]
        if not dirty:
            return mappings
        cleaned = [self.fields(m) if index in dirty else m for index, m in enumerate(mappings)]
        return mappings if all(map(is_, cleaned, mappings)) else cleaned

    # -- whether anything is there ---------------------------------------------------------------

    def _ready(self) -> Engine:
        if self._engine is None:
            with self._lock, unforked():
                if self._engine is None:
                    self._rules = builtin_rules(self._names, self.family, self._personal_data)
                    self._engine = self._make_engine(self._rules)
        return self._engine

    def _hits(self, texts: Sequence[str]) -> Hits:
        if not texts:
            return {}
        hits = (self._engine or self._ready()).hits(texts)
        for rule in self._custom:
            for index, text in enumerate(texts):
                if rule.pattern.search(text):
                    hits.setdefault(index, set()).add(rule)
        return hits

    def _is_clean(self, mapping: dict[str, Any]) -> bool:
        try:
            if not mapping.keys() <= self._clean_keys and not all(map(self._is_clean_key, mapping)):
                return False
            values = mapping.values()
            strings = [value for value in values if type(value) is str]
            if "value" in mapping or not SCALARS.issuperset(map(type, values)):
                strings.clear()
                if not gather(mapping, strings, self._clean_keys, self._is_clean_key):
                    return False
            return not self._hits(strings)
        except Exception:
            return False

    def _dirty(self, mappings: list[dict[str, Any]]) -> set[int]:
        """Indexes of the mappings that may hold something."""
        dirty: set[int] = set()
        names: set[Any] = set().union(*mappings)
        if not names <= self._clean_keys:
            suspects = {name for name in names if not self._is_clean_key(name)}
            dirty = {i for i, m in enumerate(mappings) if not suspects.isdisjoint(m)}
        if "value" in names:
            dirty.update(i for i, m in enumerate(mappings) if "value" in m)
        values = list(chain.from_iterable(map(dict.values, mappings)))
        strings = [value for value in values if type(value) is str]
        plain = len(strings)
        owners: list[int] = []
        if not SCALARS.issuperset(map(type, values)):
            owners = self._gather_nested(mappings, strings, dirty)
        hits = self._hits(strings)
        if hits:
            # strings are told by identity, which spares counting them out mapping by mapping
            idents = {id(strings[index]) for index in hits if index < plain}
            dirty.update(owners[index - plain] for index in hits if index >= plain)
            dirty.update(
                i for i, m in enumerate(mappings) if not idents.isdisjoint(map(id, m.values()))
            )
        return dirty

    def _gather_nested(
        self, mappings: list[dict[str, Any]], strings: list[str], dirty: set[int]
    ) -> list[int]:
        """Append the strings within nested values; say which mapping each came from."""
        owners: list[int] = []
        for index, mapping in enumerate(mappings):
            before = len(strings)
            for value in [value for value in mapping.values() if type(value) not in SCALARS]:
                if not self._gathered(value, strings):
                    dirty.add(index)
            owners.extend([index] * (len(strings) - before))
        return owners

    def _gathered(self, value: Any, strings: list[str]) -> bool:
        try:
            return gather(value, strings, self._clean_keys, self._is_clean_key)
        except Exception:
            return False

    # -- names, and what the walk asks -----------------------------------------------------------

    def family(self, key: str) -> str:
        """The rule that takes the value below a name, or the empty string."""
        family = self._families.get(key)
        if family is None:
            family = self._names.family(key)
            if len(key) <= MOST_KEY_CHARS:
                if len(self._families) >= _MOST_KEYS:
                    self._families.clear()
                self._families[key] = family
        return family

    def _is_clean_key(self, key: Any) -> bool:
        """Whether a name neither says that its value is a secret, nor holds one itself."""
        if type(key) is not str:
            return type(key) in SCALARS
        if key in self._clean_keys:
            return True
        if self.family(key) or (len(key) > 8 and self._hits((key,))):
            return False
        if len(key) <= MOST_KEY_CHARS:
            if len(self._clean_keys) >= _MOST_KEYS:
                self._clean_keys.clear()
            self._clean_keys.add(key)
        return True

    def clean(self, text: str) -> str:
        """``text`` without secrets, or the marker of a failure; never raises."""
        try:
            return clean_text(text, self._rules_for, self.count)
        except Exception:
            return self.failed()

    def _rules_for(self, text: str) -> Iterable[Rule]:
        found = self._hits((text,)).get(0, set())
        return [rule for rule in (*self._custom, *self._rules) if rule in found]

    def count(self, rule: str) -> None:
        """Count one replacement."""
        with self._lock:
            self._counts[rule] = self._counts.get(rule, 0) + 1

    def failed(self) -> str:
        """Count a value whose check failed, and give what stands in its place."""
        self.count(FAILED)
        return marker(FAILED)


_alive: weakref.WeakSet[Redactor] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Take new locks: another thread of the parent may have held one."""
    for redactor in list(_alive):
        redactor._lock = threading.RLock()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
