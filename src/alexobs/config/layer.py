"""Layers: where each value came from, and the check of a whole tree that finds every problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, NamedTuple

from alexobs.config.display import is_secret_name, printable, shown, without_secrets
from alexobs.config.schema import Path, Section, Setting, Shape, settings, tree
from alexobs.config.values import Plain, Unfit, fit, is_null, nearest
from alexobs.errors import Problem

ROOT = "observability"


class Origin(NamedTuple):
    """Where a value stands: in a file at a line, in a variable, or in an argument."""

    kind: str
    name: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.name}:{self.line}" if self.line else self.name
        return f"{self.kind} {self.name}".strip()


class Entry(NamedTuple):
    """A value with its origin. Mappings are lists of pairs, so that doubled keys are seen."""

    value: Any  # list[tuple[Entry, Entry]] in `Pairs`, list[Entry], Plain, or a Python scalar
    origin: Origin


class Pairs(list[tuple[Entry, Entry]]):
    """The keys and values of a mapping."""


REFUSED = object()
"""Stands for a value whose problem has been reported already."""


class Found(NamedTuple):
    """A checked value with its origin."""

    value: Any
    origin: Origin


Layer = dict[Path, Found]
"""Checked values by key path. A table has one key per item: the setting's path and the name."""


def problem(origin: Origin, path: Path, value: Any, expected: str, hint: str = "") -> Problem:
    """Return a problem, its value fit for display."""
    in_file = origin.kind == "file"
    key = ".".join((ROOT, *path) if in_file else path)
    return Problem(
        where=str(origin),
        key=printable(without_secrets(key)),
        value=_display(path, value),
        expected=expected,
        hint=hint,
        file=origin.name if in_file else "",
        line=origin.line,
    )


def _display(path: Path, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (Pairs, Mapping)):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = value.text if isinstance(value, Plain) else value
    if any(map(is_secret_name, path)):
        return shown("token", text)
    if isinstance(text, str) and not isinstance(value, Plain):
        return f'"{shown("", text)}"' if text.strip() else f'"{text[:20]}"'
    return shown("", text)


def entry_of(value: Any, origin: Origin, depth: int = 0) -> Entry:
    """Return a Python value as an entry; mappings and configuration sections are followed."""
    if depth > 8:  # the model is four deep, a table's lists included
        return Entry(value, origin)
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        items = ((Entry(k, origin), entry_of(v, origin, depth + 1)) for k, v in value.items())
        return Entry(Pairs(items), origin)
    if isinstance(value, (list, tuple)):
        return Entry([entry_of(item, origin, depth + 1) for item in value], origin)
    return Entry(value, origin)


class Checker:
    """Checks trees against the model and collects what is good and what is wrong."""

    def __init__(self) -> None:
        self.layer: Layer = {}
        self.problems: list[Problem] = []

    def section(self, entry: Entry, section: Section | None = None, path: Path = ()) -> None:
        """Check `entry`, the content of one section."""
        section = tree() if section is None else section
        if is_null(entry.value) or entry.value is REFUSED:
            return
        if not isinstance(entry.value, Pairs):
            self._wrong(entry, path, f"a mapping with {_names(section)}")
            return
        for name, key, value in self._items(entry.value, path):
            child = section.get(name)
            if child is None:
                self._unknown(key, (*path, name), section)
            elif isinstance(child, Setting):
                self.setting(value, child)
            else:
                self.section(value, child, (*path, name))

    def setting(self, entry: Entry, setting: Setting) -> None:
        """Check `entry`, the value of one setting."""
        if is_null(entry.value) and not setting.shape.optional:
            return
        if setting.shape.item is None:
            self.value(entry, setting.path, setting.shape)
        elif isinstance(entry.value, Pairs):
            for name, key, value in self._items(entry.value, setting.path):
                if not setting.shape.item.allows_name(name):
                    self._wrong(key, setting.path, "names without spaces and control characters")
                self.value(value, (*setting.path, name), setting.shape.item)
        elif entry.value is not REFUSED:
            self._wrong(entry, setting.path, setting.shape.expected)

    def value(self, entry: Entry, path: Path, shape: Shape) -> None:
        """Check one value."""
        raw = _raw(entry)
        if raw is REFUSED or (isinstance(raw, list) and REFUSED in raw):
            return
        try:
            self.layer[path] = Found(fit(shape, raw), entry.origin)
        except Unfit as unfit:
            self._wrong(entry, path, unfit.expected, unfit.hint)

    def _items(self, pairs: Pairs, path: Path) -> list[tuple[str, Entry, Entry]]:
        seen: dict[str, Origin] = {}
        found: list[tuple[str, Entry, Entry]] = []
        for key, value in pairs:
            name = key.value.text if isinstance(key.value, Plain) else key.value
            if not isinstance(name, str):
                self._wrong(key, path, "keys that are texts")
            elif name in seen:
                first = f"first given at {seen[name]}"
                self.problems.append(problem(key.origin, (*path, name), None, "given twice", first))
            else:
                seen[name] = key.origin
                found.append((name, key, value))
        return found

    def _wrong(self, entry: Entry, path: Path, expected: str, hint: str = "") -> None:
        value = entry.value if entry.value is not None else Plain("null")
        self.problems.append(problem(entry.origin, path, value, f"expected {expected}", hint))

    def _unknown(self, key: Entry, path: Path, section: Section) -> None:
        hint = nearest(path[-1], tuple(section)) or _elsewhere(path[-1])
        hint = hint or f"known here: {_names(section)}"
        self.problems.append(problem(key.origin, path, None, "unknown key", hint))


def _raw(entry: Entry) -> Any:
    if isinstance(entry.value, list) and not isinstance(entry.value, Pairs):
        return [_raw(item) for item in entry.value]
    return entry.value


def _elsewhere(name: str) -> str:
    homes = [found.name for path, found in settings().items() if path[-1] == name]
    return f"did you mean {' or '.join(homes)}?" if homes else ""


def _names(section: Section) -> str:
    return ", ".join(section)
