"""`alexobs config`: write, show, check and compare configurations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.config import environment
from alexobs.config.change import diff, display, get
from alexobs.config.display import printable
from alexobs.config.document import display_path
from alexobs.config.load import Loaded, config_file, load, load_with_origins
from alexobs.config.model import Config
from alexobs.config.save import write_section
from alexobs.config.schema import settings
from alexobs.config.template import template
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from alexobs.config.schema import Path as KeyPath
    from alexobs.errors import Problem

OK, DIFFERENT, REFUSED, UNUSABLE = 0, 1, 1, 2

_FILE = "the file; default: the one that ALEX_CONFIG names, else ~/.alex/config.yaml"


def register(subparsers: Any) -> None:
    """Add `config` and what can follow it."""
    parser = subparsers.add_parser(
        "config",
        help="write, show, check and compare configurations",
        description="Write, show, check and compare configurations.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _register_init(actions)
    _register_show(actions)
    _register_check(actions)
    _register_diff(actions)


def run(args: argparse.Namespace) -> int:
    """Run `args.action` and return the exit code."""
    return {"init": _init, "show": _show, "check": _check, "diff": _diff}[args.action](args)


def _register_init(actions: Any) -> None:
    text = "write a commented file with the defaults"
    parser = actions.add_parser(
        "init",
        help=text,
        description=f"{text.capitalize()}. Other top-level keys of the file stay as they are.",
        epilog="Exit codes: 0 written, 1 there are settings already, 2 the file is unusable.",
    )
    parser.add_argument("file", nargs="?", type=Path, help=_FILE)
    parser.add_argument("--force", action="store_true", help="replace the settings in the file")


def _register_show(actions: Any) -> None:
    text = "print the effective settings and where each comes from"
    parser = actions.add_parser(
        "show",
        help=text,
        description=f"{text.capitalize()}: file, environment, or default. Secrets are hidden.",
        epilog="Exit codes: 0 shown, 2 the configuration is unusable.",
    )
    parser.add_argument("file", nargs="?", type=Path, help=_FILE)
    parser.add_argument("--changed", action="store_true", help="leave out defaults")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _register_check(actions: Any) -> None:
    text = "say whether the configuration can be used, and what is wrong"
    parser = actions.add_parser(
        "check",
        help=text,
        description=f"{text.capitalize()}: file and environment, every problem at once.",
        epilog="Exit codes: 0 ok, 2 the configuration is unusable.",
    )
    parser.add_argument("file", nargs="?", type=Path, help=_FILE)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _register_diff(actions: Any) -> None:
    text = "show what differs from the defaults, or between two files"
    parser = actions.add_parser(
        "diff",
        help=text,
        description=f"{text.capitalize()}. The environment is left out. Secrets are hidden.",
        epilog="Exit codes: 0 no difference, 1 differences, 2 a file is unusable.",
    )
    parser.add_argument("file", nargs="?", type=Path, help=_FILE)
    parser.add_argument("other", nargs="?", type=Path, help="compare with this file")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _init(args: argparse.Namespace) -> int:
    path = (args.file or config_file()).expanduser()
    if not args.force and _has_settings(path):
        print(f"{display_path(path)} has settings already; --force replaces them")
        return REFUSED
    write_section(path, template(), Config())
    print(f"Wrote the defaults to {display_path(path)}")
    return OK


def _has_settings(path: Path) -> bool:
    try:
        return path.exists() and load_with_origins(path, environ={}).section
    except ConfigError:
        return True


def _show(args: argparse.Namespace) -> int:
    loaded = load_with_origins(args.file)
    rows = [row for row in _rows(loaded) if not (args.changed and row[2] == "default")]
    if args.json:
        print(json.dumps({key: {"value": v, "origin": o} for key, v, o in rows}, indent=2))
        return OK
    print(f"# {_what(loaded)}")
    for key, value, origin in _aligned(rows):
        print(f"{key}  {value}  {origin}".rstrip())
    return OK


def _rows(loaded: Loaded) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for path, setting in settings().items():
        if setting.shape.item is None:
            paths: list[KeyPath] = [path]
        else:
            paths = [(*path, name) for name in get(loaded.config, path)] or [path]
        for here in paths:
            value = display(here, _value(loaded.config, here))
            origin = loaded.origins.get(here)
            found.append((printable(".".join(here)), value, str(origin) if origin else "default"))
    return found


def _value(config: Config, path: KeyPath) -> Any:
    return get(config, path) if path in settings() else get(config, path[:-1])[path[-1]]


def _aligned(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    key_width = max((len(key) for key, _, _ in rows), default=0)
    value_width = min(max((len(value) for _, value, _ in rows), default=0), 40)
    return [(key.ljust(key_width), value.ljust(value_width), origin) for key, value, origin in rows]


def _what(loaded: Loaded) -> str:
    file = loaded.file or config_file()
    if loaded.section:
        return display_path(file)
    lack = "has no key `observability`" if file.exists() else "does not exist"
    return f"{display_path(file)} {lack}"


def _check(args: argparse.Namespace) -> int:
    strangers = environment.unknown(os.environ)
    try:
        loaded = load_with_origins(args.file)
    except ConfigError as error:
        return _print_problems(error.problems, args.json)
    if args.json:
        print(json.dumps({"ok": True, "problems": [], "unknown_variables": strangers}, indent=2))
        return OK
    print(f"ok: {_what(loaded)}")
    for name, hint in strangers.items():
        print(f"note: {name} is no setting of alexobs. {hint}".rstrip())
    return OK


def _print_problems(problems: tuple[Problem, ...], as_json: bool) -> int:
    if as_json:
        found = [problem._asdict() for problem in problems]
        print(json.dumps({"ok": False, "problems": found}, indent=2))
    else:
        print("\n".join(map(str, problems)))
        count = len(problems)
        print(f"{count} {'problem' if count == 1 else 'problems'}")
    return UNUSABLE


def _diff(args: argparse.Namespace) -> int:
    path = args.file or config_file()
    absent = args.file is None and not path.exists()
    first = Config() if absent else load(path, environ={})
    old, new = (first, load(args.other, environ={})) if args.other else (Config(), first)
    changes = diff(old, new)
    if args.json:
        print(json.dumps([change._asdict() for change in changes], indent=2))
    else:
        print("\n".join(map(str, changes)) or "no difference")
    return DIFFERENT if changes else OK
