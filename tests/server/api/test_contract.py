"""Answers have the shapes that the description gives them, errors one shape."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from alexobs.cli import COMMANDS
from alexobs.cli.tools import TOOLS
from alexobs.server.api.endpoints import ENDPOINTS
from alexobs.server.api.openapi import document, examples

if TYPE_CHECKING:
    from api_kit import Api, Traffic


def check(shape: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document()["components"]}
    errors = [
        f"{list(error.instance_path)}: {error.message[:200]}"
        for error in jsonschema_rs.validator_for(schema).iter_errors(value)
    ]
    assert not errors


@pytest.mark.parametrize("shape", sorted(examples()))
def test_examples_have_the_shapes_that_they_are_examples_of(shape: str) -> None:
    check(shape, examples()[shape])


def test_every_answer_has_its_shape(api: Api, traffic: Traffic, whole: dict[str, int]) -> None:
    fact = next(span for span in traffic.spans if span.is_llm)
    names = {"trace_id": fact.trace_id, "span_id": fact.span_id, "session_id": fact.session}
    for endpoint in ENDPOINTS:
        if (
            endpoint.answer[0].isupper()
            and endpoint.method == "GET"
            and "{name}" not in endpoint.path
        ):
            path = endpoint.path.removeprefix("/api/").format(**names)
            windowed = any(one.name == "from" for one in endpoint.parameters)
            check(endpoint.answer, api.get(path, **(whole if windowed else {})))


def test_the_description_is_served(api: Api) -> None:
    assert api.get("openapi.json") == json.loads(json.dumps(document()))


def test_the_reference_page_is_made_from_the_table() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, root / "scripts" / "api_reference.py", "--check"], check=False
    )
    assert done.returncode == 0, "run scripts/api_reference.py"


def test_the_guide_names_commands_that_there_are() -> None:
    text = (Path(__file__).parents[3] / "docs/guides/local-server.md").read_text("utf-8")
    named = set(re.findall(r"`?alexobs ([a-z]+)", text))
    assert named <= COMMANDS.keys()
    assert named >= {"tail", "traces", "trace", "sessions", "logs", "cost", "sql", "export", "mcp"}


def test_every_column_of_the_views_is_in_the_reference(api: Api) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/sql.md").read_text("utf-8")
    for view in ("spans", "logs", "metric_points", "sessions", "messages"):
        section = page.partition(f"\n## `{view}`\n")[2].partition("\n## ")[0]
        named = {
            name
            for line in section.splitlines()
            if line.startswith("| `")
            for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])
        }
        assert named == set(api.sql(f"SELECT * FROM {view} LIMIT 0").json["columns"])


def test_the_queries_of_the_reference_run(api: Api) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/sql.md").read_text("utf-8")
    queries = re.findall(r'alexobs sql "([^"]+)"', page)
    assert len(queries) == 2
    for query in queries:
        assert api.sql(query).json["rows"], query


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_and_argument_for_coding_agents_is_in_the_reference(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/mcp.md").read_text("utf-8")
    section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    described = TOOLS[name].described()
    assert described["description"] in section
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", section, re.MULTILINE)
    properties = described["inputSchema"]["properties"]
    assert {(one, kind) for one, kind, _ in listed} == {
        (one, field["type"]) for one, field in properties.items()
    }
    required = {one for one, _, text in listed if text.endswith("(required)")}
    assert required == set(described["inputSchema"]["required"])


def test_the_reference_shows_every_page_in_both_themes() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "reference" / "page.md").read_text("utf-8")
    shown = set(re.findall(r"\.\./pictures/([\w-]+\.png)", page))
    assert shown == {path.name for path in (docs / "pictures").glob("*.png")}
    assert len(shown) == 2 * 9


def test_the_queries_of_the_guide_run(api: Api) -> None:
    text = (Path(__file__).parents[3] / "docs/guides/local-server.md").read_text("utf-8")
    queries = [one for one in re.findall(r'alexobs sql "([^"]+)"', text) if "…" not in one]
    assert len(queries) == 3
    for query in queries:
        assert api.sql(query).status == 200, query
