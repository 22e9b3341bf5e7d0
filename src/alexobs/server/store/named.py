"""Named queries: files with parameters, loaded when first asked for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent / "queries"
_PARAMETER: Final = re.compile(r"\$([a-z_]+)")


@cache
def text_of(name: str) -> tuple[str, frozenset[str]]:
    """Return a query's text and the names of its parameters.

    Raises:
        KeyError: there is no such query.
    """
    path = _FOLDER / f"{name}.sql"
    if not re.fullmatch(r"[a-z0-9_]+", name) or not path.exists():
        raise KeyError(f"no query is called {name!r}")
    text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")).strip().rstrip(";")
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
