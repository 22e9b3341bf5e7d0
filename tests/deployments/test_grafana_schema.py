"""The dashboards fit the schema that Grafana's authors publish as classes, value by value."""

from __future__ import annotations

import enum
import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parents[2] / "deployments/observability/grafana/dashboards"
PACKAGE = "grafana_foundation_sdk"
BOARDS = sorted(path.stem for path in FOLDER.glob("*.json"))

# Grafana reads these, and its schema does not name them: what an export requires, the id that it
# gives itself, and how a variable's query is shown to its editor.
BEYOND_THE_SCHEMA = {"__requires", "id", "definition"}


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def decoded(board: Any) -> Any:
    plugins = pytest.importorskip(f"{PACKAGE}.cog.plugins", reason=f"needs the package {PACKAGE}")
    models = pytest.importorskip(f"{PACKAGE}.models.dashboard")
    plugins.register_default_plugins()
    return models.Dashboard.from_json(board)


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield what the schema's classes did not take; what they add are defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            else:
                yield from lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{at}]")
    elif before != after:
        yield path


def misfits(value: Any, kind: Any, path: str) -> Iterator[str]:
    """Yield where a value is not of the kind that its class declares."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Union:
            if all(any(misfits(value, one, path)) for one in arguments):
                yield from next(all_ for one in arguments if (all_ := [*misfits(value, one, path)]))
        case typing.Literal:
            yield from () if value in arguments else (f"{path}: {value!r} is none of {arguments}",)
        case origin if origin is list and isinstance(value, list):
            for at, one in enumerate(value):
                yield from misfits(one, arguments[0], f"{path}[{at}]")
        case _:
            yield from _misfits_of_class(value, typing.get_origin(kind) or kind, path)


def _misfits_of_class(value: Any, kind: type, path: str) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        fits = value in [one.value for one in kind]
    elif kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        yield f"{path}: {value!r} is no {kind.__name__}"
    elif type(value).__module__.startswith(PACKAGE) and not isinstance(value, enum.Enum):
        for name, declared in typing.get_type_hints(type(value)).items():
            yield from misfits(getattr(value, name), declared, f"{path}.{name}")


@pytest.mark.parametrize("name", BOARDS)
def test_every_field_is_one_that_grafana_knows(name: str) -> None:
    encoder = pytest.importorskip(f"{PACKAGE}.cog.encoder").JSONEncoder
    board = read(name)
    again = json.loads(json.dumps(decoded(board), cls=encoder))
    assert {path.rsplit(".", 1)[1] for path in lost(board, again)} <= BEYOND_THE_SCHEMA


@pytest.mark.parametrize("name", BOARDS)
def test_every_value_is_of_the_kind_that_grafana_expects(name: str) -> None:
    board = decoded(read(name))
    assert list(misfits(board, type(board), name)) == []
    for panel in board.panels:
        own = f"{PACKAGE}.models.{panel.type_val}"
        assert type(panel.options).__module__ == own, "its options are those of its own kind"
        for target in panel.targets:
            assert type(target).__module__.startswith(f"{PACKAGE}.models.")


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("graphTooltip",), 7),
        (("panels", 0, "fieldConfig", "defaults", "custom", "drawStyle"), "dotted"),
        (("panels", 0, "options", "legend", "placement"), "left"),
        (("panels", 0, "gridPos", "w"), "wide"),
        (("templating", "list", 1, "type"), "queries"),
    ],
    ids=lambda one: str(one[-1]) if isinstance(one, tuple) else "",
)
def test_a_wrong_value_would_be_seen(place: tuple[Any, ...], wrong: Any) -> None:
    board = read("alex-dashboard")
    at = board
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = wrong
    broken = decoded(board)
    assert any(misfits(broken, type(broken), "board"))
