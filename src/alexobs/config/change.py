"""Configurations as plain data, merged and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from alexobs.config.display import shown
from alexobs.config.layer import Checker, Layer, Origin, entry_of
from alexobs.config.load import assemble
from alexobs.config.model import Config
from alexobs.config.schema import Path, Section, Setting, setting_of, settings, tree
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Change(NamedTuple):
    """One setting that differs; ``old`` and ``new`` are for display, secrets hidden."""

    key: str
    old: str
    new: str
    restart_only: bool

    def __str__(self) -> str:
        restart = " (needs a restart)" if self.restart_only else ""
        return f"{self.key}: {self.old} → {self.new}{restart}"


def get(config: Config, path: Path) -> Any:
    """Return the value at a setting's key path."""
    value: Any = config
    for name in path:
        value = getattr(value, name)
    return value


def to_mapping(config: Config, *, changed_only: bool = False) -> dict[str, Any]:
    """Return the configuration as nested dicts and lists, secrets included, ready for YAML.

    Args:
        config: what to return.
        changed_only: leave out what equals the default.
    """
    return _mapping(config, tree(), changed_only)


def _mapping(config: Config, section: Section, changed_only: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, child in section.items():
        if isinstance(child, Setting):
            value = get(config, child.path)
            if not changed_only or value != child.default:
                found[name] = _plain(value)
        elif below := _mapping(config, child, changed_only):
            found[name] = below
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def merge(base: Config, over: Config | Mapping[str, Any]) -> Config:
    """Return `base` with what `over` sets, item by item in tables; lists are replaced.

    Of a `Config`, what differs from the defaults counts as set.

    Raises:
        ConfigError: one of the two cannot be used; with every problem found.
    """
    layers = [checked(to_mapping(base, changed_only=True))]
    mapping = to_mapping(over, changed_only=True) if isinstance(over, Config) else over
    layers.append(checked(mapping))
    return assemble({path: found for layer in layers for path, found in layer.items()})


def checked(mapping: Mapping[str, Any]) -> Layer:
    """Return the layer of a mapping.

    Raises:
        ConfigError: it cannot be used; with every problem found.
    """
    checker = Checker()
    checker.section(entry_of(mapping, Origin("argument")))
    if checker.problems:
        raise ConfigError(checker.problems)
    return checker.layer


def diff(old: Config, new: Config) -> tuple[Change, ...]:
    """Return what differs, in the model's order; tables item by item."""
    found: list[Change] = []
    for path, setting in settings().items():
        before, after = get(old, path), get(new, path)
        if before == after:
            continue
        if setting.shape.item is None:
            found.append(_change(path, before, after))
        else:
            names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            found += [_change((*path, n), before.get(n), after.get(n)) for n in names]
    return tuple(found)


def restart_only(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes that a running process cannot make."""
    return tuple(change for change in changes if change.restart_only)


def pinned(wanted: Config, running: Config) -> Config:
    """Return `wanted` with those settings of `running` that only a restart can change."""
    for path, setting in settings().items():
        if setting.restart_only:
            wanted = _with(wanted, path, get(running, path))
    return wanted


def _with(section: Any, path: Path, value: Any) -> Any:
    name, *below = path
    inner = _with(getattr(section, name), tuple(below), value) if below else value
    return replace(section, **{name: inner})


def _change(path: Path, old: Any, new: Any) -> Change:
    setting = setting_of(path)
    return Change(
        ".".join(path),
        display(path, old),
        display(path, new),
        bool(setting and setting.restart_only),
    )


def display(path: Path, value: Any) -> str:
    """Return the value at `path` as text for people, secrets hidden."""
    table_item = path not in settings()
    if table_item and value is None:
        return "(absent)"
    name = " ".join(path[-2:]) if table_item else path[-1]
    return shown(name, value)
