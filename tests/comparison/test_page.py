"""The page on OpenTelemetry's own instrumentations explains all that it shows."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "comparison"


@pytest.fixture(scope="module")
def script() -> Any:
    file = ROOT / "scripts" / "compare_instrumentors.py"
    spec = importlib.util.spec_from_file_location("compare_instrumentors", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows() -> list[tuple[str, str, str, str]]:
    """Return provider, attribute, how it differs, and why, of every row."""
    found = []
    provider = ""
    for line in (FOLDER / "instrumentors.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (\w+): \d+ calls$", line):
            provider = heading[1]
        elif provider and line.startswith("| `"):
            cells = re.split(r"(?<!\\)\|", line)
            found.append((provider, cells[1].strip(" `"), cells[2].strip(), cells[-2].strip()))
    return found


def test_every_difference_is_explained_and_no_explanation_is_left_over() -> None:
    explained = json.loads((FOLDER / "explanations.json").read_text(encoding="utf-8"))
    used = set()
    for provider, attribute, how, why in rows():
        name = f"{attribute}, {how}"
        used.add(f"{provider} {name}" if f"{provider} {name}" in explained else name)
        assert why in explained.values(), (provider, name)
    assert used == set(explained)


def test_all_providers_are_compared() -> None:
    assert {provider for provider, *_ in rows()} == {"anthropic", "google", "openai"}


def test_differences_are_found(script: Any) -> None:
    ours = {
        "openai a#1": [{"same": 1, "mine": 2, "other": [1], "alex.cost": 1, "server.port": 1}],
        "openai a#2": [],
    }
    theirs = {
        "openai a#1": [{"same": 1, "theirs": 3, "other": (2,), "server.port": 2}],
        "openai a#2": [{}],
    }
    found = {(key.attribute, key.how) for key in script.differences(ours, theirs)}
    assert found == {
        ("mine", "only ours"),
        ("theirs", "only theirs"),
        ("other", "differs"),
        ("(spans)", "differs"),
    }


def test_content_is_compared_as_data(script: Any) -> None:
    name = "gen_ai.input.messages"
    ours = {"openai a": [{name: '[{"role": "user", "parts": []}]'}]}
    theirs = {"openai a": [{name: '[{"parts":[],"role":"user","name":null}]'}]}
    assert script.differences(ours, theirs) == {}


def test_what_nobody_has_explained_is_reported(script: Any) -> None:
    spans = {"openai a": [{"a.new.one": 1}]}
    text, unexplained = script.page(spans, {"openai a": [{}]}, {})
    assert [key.attribute for key in unexplained] == ["a.new.one"]
    assert "**unexplained**" in text
