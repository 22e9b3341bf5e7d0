"""The settings as data, read from the model's annotations: what exists, and what each may be."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from alexobs.config import model
from alexobs.config.model import Config
from alexobs.config.rules import RESTART_ONLY, Rule

Path = tuple[str, ...]
Kind = Literal["bool", "int", "float", "text", "choice", "texts", "numbers", "table"]

_NOUNS: dict[Kind, str] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": "a text",
    "texts": "a list of texts",
    "numbers": "a list of numbers",
    "table": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What one value may be. ``item`` is the shape of a table's values."""

    kind: Kind
    optional: bool = False
    choices: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    item: Shape | None = None

    @property
    def expected(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            words = f"one of {', '.join(self.choices)}"
        elif self.kind == "table":
            words = f"a mapping of names to {self.item.expected if self.item else 'values'}"
        elif self.kind == "texts" and self.rules:
            words = "a list of texts that are not empty"
        else:
            words = self.rules[0].expected if self.rules else _NOUNS[self.kind]
        return f"{words}, or null" if self.optional else words

    def allows_name(self, name: str) -> bool:
        """Return whether a value of this shape may stand in a table under `name`."""
        return all(re.fullmatch(rule.names, name, re.DOTALL) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the model."""

    path: Path
    shape: Shape
    default: Any
    restart_only: bool

    @property
    def name(self) -> str:
        """The key path, dotted."""
        return ".".join(self.path)


Section = dict[str, "Setting | Section"]


@cache
def tree() -> Section:
    """Return the settings as nested dicts, in the model's order."""
    return _section(Config, ())


@cache
def settings() -> dict[Path, Setting]:
    """Return all settings by key path, in the model's order."""
    return dict(_leaves(tree()))


@cache
def setting_of(path: Path) -> Setting | None:
    """Return the setting at `path`, or the one whose table `path` leads into."""
    return settings().get(path) or settings().get(path[:-1])


@cache
def documentation() -> dict[Path, str]:
    """Return the text that stands under each field of the model, by key path."""
    parsed = ast.parse(inspect.getsource(model))
    classes = {node.name: node for node in parsed.body if isinstance(node, ast.ClassDef)}
    return dict(_texts(classes, Config, ()))


def _texts(classes: dict[str, ast.ClassDef], section: type, path: Path) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    types = get_type_hints(section)
    body = classes[section.__name__].body
    for node, after in pairwise(body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        name = node.target.id
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found.append(((*path, name), " ".join(str(after.value.value).split())))
        if is_dataclass(types[name]):
            found += _texts(classes, types[name], (*path, name))
    return found


def _leaves(section: Section) -> list[tuple[Path, Setting]]:
    found: list[tuple[Path, Setting]] = []
    for child in section.values():
        found += [(child.path, child)] if isinstance(child, Setting) else _leaves(child)
    return found


def _section(section: type, path: Path) -> Section:
    types = get_type_hints(section, include_extras=True)
    defaults = section()
    found: Section = {}
    for name in (f.name for f in fields(section)):
        here = (*path, name)
        if is_dataclass(types[name]):
            found[name] = _section(types[name], here)
        else:
            marks = _marks(types[name])
            shape = _shape(types[name])
            found[name] = Setting(here, shape, getattr(defaults, name), RESTART_ONLY in marks)
    return found


def _marks(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _shape(annotation: Any) -> Shape:
    rules = tuple(mark for mark in _marks(annotation) if isinstance(mark, Rule))
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    args = get_args(bare)
    if get_origin(bare) in (Union, UnionType):
        inner = _shape(args[0])
        return Shape(inner.kind, True, inner.choices, rules + inner.rules)
    if get_origin(bare) is Literal:
        return Shape("choice", choices=args)
    if get_origin(bare) is Mapping:
        item = _shape(args[1])
        return Shape("table", item=Shape(item.kind, rules=rules))
    if get_origin(bare) is tuple:
        return Shape("texts" if args[0] is str else "numbers", rules=rules)
    kinds: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "text"}
    return Shape(kinds[bare], rules=rules)
