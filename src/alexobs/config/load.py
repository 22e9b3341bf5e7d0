"""Loading: file, environment and arguments into one checked configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any, NamedTuple, get_type_hints

from alexobs.config import arguments, document, environment
from alexobs.config.layer import ROOT, Checker, Found, Layer, Origin, entry_of, problem
from alexobs.config.model import Config
from alexobs.config.schema import Path, settings
from alexobs.errors import ConfigError, Problem

DEFAULT_FILE = "~/.alex/config.yaml"

Source = str | os.PathLike[str] | Mapping[str, Any] | Config | None


class Loaded(NamedTuple):
    """A configuration with where its values came from.

    ``origins`` has one entry per setting that is not a default, by key path; the items of a table
    have one each. ``file`` is None when the source was no file; ``section`` says whether the file
    exists and has the key `observability`.
    """

    config: Config
    origins: Mapping[Path, Origin]
    file: FilePath | None
    section: bool


def config_file(environ: Mapping[str, str] | None = None) -> FilePath:
    """Return the path of the file that is read when none is named."""
    environ = os.environ if environ is None else environ
    return FilePath(environ.get(environment.FILE_VARIABLE) or DEFAULT_FILE).expanduser()


def load(
    source: Source = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Return the configuration: file, then environment, then arguments, each over the last.

    Args:
        source: a path; a mapping, which takes the file's place; a `Config`, which takes the place
            of file and environment; or None for the file that `ALEX_CONFIG` names, else
            `~/.alex/config.yaml`; only then may the file be absent.
        overrides: keyword arguments of `init()`: sections by name, or the short names of
            `alexobs.config.arguments.SHORT`.
        environ: the environment; default: the process's.

    Raises:
        ConfigError: with every problem found.
    """
    return load_with_origins(source, overrides=overrides, environ=environ).config


def load_with_origins(
    source: Source = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Return what `load` returns, with where each value came from.

    Raises:
        ConfigError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    if isinstance(source, (Mapping, Config)):
        environ = {} if isinstance(source, Config) else environ
        return _merged(_from_value(source), None, environ, overrides)
    path = config_file(environ) if source is None else _path(source)
    content = document.read_bytes(path)
    if content is None and source is not None:
        raise document.failure(path, "no such file", hint="alexobs config init writes one")
    return load_content(path, content, overrides=overrides, environ=environ)


def _path(source: str | os.PathLike[str]) -> FilePath:
    if isinstance(source, (str, os.PathLike)):
        return FilePath(source).expanduser()
    found = f"found a value of type {type(source).__name__}"
    expected = "expected a path, a mapping or a Config"
    raise ConfigError([problem(Origin("argument", "config"), (), None, expected, found)])


def load_content(
    path: FilePath,
    content: bytes | None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Return what `load_with_origins` returns for a file with this content; None: absent.

    Raises:
        ConfigError: with every problem found.
    """
    environ = os.environ if environ is None else environ
    parsed = Parsed({}, [], section=False) if content is None else parse(path, content)
    return _merged(parsed, path, environ, overrides)


class Parsed(NamedTuple):
    """What one source sets, what is wrong in it, and whether it has the key `observability`."""

    layer: Layer
    problems: list[Problem]
    section: bool


def _merged(
    first: Parsed,
    file: FilePath | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None,
) -> Loaded:
    layers = [
        (first.layer, first.problems),
        environment.layer(environ),
        arguments.layer(overrides or {}),
    ]
    if problems := [found for _, wrong in layers for found in wrong]:
        raise ConfigError(problems)
    merged = {path: found for layer, _ in layers for path, found in layer.items()}
    origins = {path: found.origin for path, found in merged.items()}
    return Loaded(assemble(merged), origins, file, first.section)


def assemble(layer: Mapping[Path, Found]) -> Config:
    """Return the configuration that has the values of `layer`, and defaults else."""
    values: dict[Path, Any] = {}
    for path, found in layer.items():
        if path in settings():
            values[path] = found.value
        else:
            values.setdefault(path[:-1], {})[path[-1]] = found.value
    config = _build(Config, (), values)
    assert isinstance(config, Config)  # noqa: S101 - tells the type checker
    return config


def _build(section: type, path: Path, values: Mapping[Path, Any]) -> Any:
    given: dict[str, Any] = {}
    for name, below in _parts(section):
        here = (*path, name)
        if below is not None:
            given[name] = _build(below, here, values)
        elif here in values:
            given[name] = values[here]
    return section(**given)


@cache
def _parts(section: type) -> tuple[tuple[str, type | None], ...]:
    """Return the names in a section, each with its class when it is a section itself."""
    types = get_type_hints(section)
    names = (f.name for f in fields(section))
    return tuple((name, types[name] if is_dataclass(types[name]) else None) for name in names)


def _from_value(source: Mapping[str, Any] | Config) -> Parsed:
    section = isinstance(source, Mapping) and ROOT in source
    content = source[ROOT] if isinstance(source, Mapping) and section else source
    checker = Checker()
    checker.section(entry_of(content, Origin("argument", "config")))
    return Parsed(checker.layer, checker.problems, section)


def parse(path: FilePath, content: bytes) -> Parsed:
    """Return what the content of a file sets and what is wrong in it.

    Raises:
        ConfigError: it cannot be parsed at all.
    """
    text, _ = document.decode(path, content)
    top = document.compose(path, text)
    if top is None:
        return Parsed({}, [], section=False)
    reader = document.Reader(path)
    entry = reader.observability(top)
    checker = Checker()
    if entry is not None:
        checker.section(entry)
    problems = sorted(reader.problems + checker.problems, key=lambda found: found.line)
    return Parsed(checker.layer, problems, entry is not None)
