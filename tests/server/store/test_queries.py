"""Each named query, on a small fixed data set, finds what its golden file says.

``golden/NAME.json`` holds cases: parameters, and the columns and rows that they lead to. After a
change that is meant, and for a new case (write its parameters alone), renew them and read the
difference before it is committed::

    RENEW_GOLDEN=1 python -m pytest tests/server/store/test_queries.py
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from golden_data import filled

from alexobs.server.store import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api_kit import Api

GOLDEN = Path(__file__).parent / "golden"
RENEW = bool(os.environ.get("RENEW_GOLDEN"))
DIGITS = 12  # a sum of floats depends on its order in the last ones


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    yield from filled(tmp_path_factory.mktemp("golden"))


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, (str, int)) else str(value)


def found(api: Api, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    result = api.server.store.query(name, **parameters)
    rows = [plain(row) for row in result.rows]
    text, _ = named.text_of(name, parameters)
    if "ORDER BY" not in text.rpartition(")")[2]:
        rows.sort(key=json.dumps)
    return {"parameters": parameters, "columns": result.columns, "rows": rows}


@pytest.mark.parametrize("name", named.names())
def test_a_query_finds_what_its_golden_file_says(api: Api, name: str) -> None:
    path = GOLDEN / f"{name}.json"
    cases = json.loads(path.read_text(encoding="utf-8"))
    now = [found(api, name, case["parameters"]) for case in cases]
    if RENEW:
        path.write_text(as_text(now), encoding="utf-8")
    assert now == json.loads(path.read_text(encoding="utf-8"))


def as_text(cases: list[dict[str, Any]]) -> str:
    """JSON with a line for each row."""
    blocks = []
    for case in cases:
        rows = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in case["rows"])
        blocks.append(
            f'{{"parameters": {json.dumps(case["parameters"])},\n'
            f' "columns": {json.dumps(case["columns"])},\n "rows": [\n{rows}]}}'
        )
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def test_the_golden_files_find_something() -> None:
    for path in GOLDEN.glob("*.json"):
        cases = json.loads(path.read_text(encoding="utf-8"))
        assert any(case.get("rows") for case in cases), path.name


def test_there_is_no_golden_file_without_its_query() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(named.names())


def test_every_condition_in_a_query_is_understood() -> None:
    """One that is not would be a comment, and what it is for always there."""
    for name in named.names():
        lines = (named._FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
        marks = [line.split()[1] for line in lines if line.strip().startswith(("-- if", "-- end"))]
        assert marks == ["if", "end"] * (len(marks) // 2), name
        understood = [wanted | unwanted for wanted, unwanted, _ in named._source(name).pieces]
        assert sum(map(bool, understood)) == len(marks) // 2, name


def test_what_is_not_asked_for_is_left_out() -> None:
    text, wanted = named.text_of("api_traces", {"q": None, "from_ns": 0, "filtered": False})
    assert "message_rows" not in text
    assert "matching" not in text
    assert "from_ns" in wanted
    text, wanted = named.text_of("api_traces", {"q": "x", "filtered": True, "his": [1]})
    assert "message_rows" in text
    assert {"his", "los"} <= wanted
    assert not {"to_ns"} & wanted
