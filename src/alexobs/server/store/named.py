"""Named queries: files with parameters, loaded when first asked for.

Planning a statement costs more than running it when it finds a page of a list, so what is not
asked for is left out of its text. Lines between ``-- if NAME`` and ``-- end`` are there only when
that parameter is given, neither NULL nor false; ``-- if a and not b`` asks for more than one.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = Path(__file__).parent / "queries"
_BLOCK: Final = re.compile(r"^ *-- if ([a-z_ ]+)\n(.*?)^ *-- end\n", re.MULTILINE | re.DOTALL)
_PARAMETER: Final = re.compile(r"\$([a-z_]+)")


def text_of(name: str, given: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """Return a query's text for the parameters that are given, and the names of those it has.

    Raises:
        KeyError: there is no such query.
    """
    asked = _source(name).conditions
    return _variant(name, frozenset(one for one in asked if _is_given(given.get(one))))


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


class _Source(NamedTuple):
    """A file's pieces of text, each with what has to be given and what must not be."""

    pieces: list[tuple[frozenset[str], frozenset[str], str]]
    conditions: frozenset[str]


@cache
def _source(name: str) -> _Source:
    path = _FOLDER / f"{name}.sql"
    if not re.fullmatch(r"[a-z0-9_]+", name) or not path.exists():
        raise KeyError(f"no query is called {name!r}")
    nothing: frozenset[str] = frozenset()
    pieces = []
    # Three parts at a time: what is always there, a condition, what it decides on.
    parts = _BLOCK.split(path.read_text(encoding="utf-8"))
    for index, part in enumerate(parts):
        if index % 3 == 0:
            pieces.append((nothing, nothing, part))
        elif index % 3 == 1:
            terms = part.split(" and ")
            unwanted = {term.removeprefix("not ") for term in terms if term.startswith("not ")}
            wanted = {term for term in terms if not term.startswith("not ")}
            pieces.append((frozenset(wanted), frozenset(unwanted), parts[index + 1]))
    conditions = nothing.union(*(wanted | unwanted for wanted, unwanted, _ in pieces))
    return _Source(pieces, conditions)


@cache
def _variant(name: str, given: frozenset[str]) -> tuple[str, frozenset[str]]:
    text = "".join(
        text
        for wanted, unwanted, text in _source(name).pieces
        if wanted <= given and not unwanted & given
    )
    text = re.sub(r"--[^\n]*", "", text).strip().rstrip(";")
    return text, frozenset(_PARAMETER.findall(text))


def names() -> list[str]:
    """Return the names of all queries."""
    return sorted(path.stem for path in _FOLDER.glob("*.sql"))


def bound(wanted: frozenset[str], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the parameters in `wanted`; ids become numbers, absent ones NULL."""
    values = dict(given)
    trace_id = values.pop("trace_id", None)
    if trace_id is not None:
        number = id_number(trace_id, 32)
        values["trace_hi"], values["trace_lo"] = number >> 64, number & (2**64 - 1)
    if isinstance(values.get("span_id"), str):
        values["span_id"] = id_number(values["span_id"], 16)
    return {name: values.get(name) for name in wanted}


def id_number(text: str, digits: int) -> int:
    """Return an id as a number; 0, which is no id, for what is none."""
    return int(text, 16) if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text) else 0
