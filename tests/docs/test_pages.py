"""What the pages say is so: their examples run, their links lead somewhere, nothing is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from alexobs.cli import COMMANDS
from alexobs.config.load import load
from alexobs.testing.otlp import OTLPSink
from alexobs.testing.provider import ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "index.md",
    ROOT / "docs" / "OBSERVABILITY.md",
    *GUIDES,
]
HOW_TOS = [page for page in GUIDES if page.name != "index.md"]
RUNNABLE = [page for page in PAGES if page.name != "testing.md"]  # that guide's test is its own

# What the reader of a page has at hand.
BEFORE = """
import openai
import alexobs


class MyClient:
    def complete(self, prompt):
        return prompt

"""


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALEX_", "OTEL_", "PYTHON", "COV_"))
    }
    with ScriptedProvider() as provider, OTLPSink() as sink:
        provider.always("ok")
        yield {
            **kept,
            "HOME": str(tmp_path),
            "USERPROFILE": str(tmp_path),
            "OPENAI_API_KEY": "unused",
            "OPENAI_BASE_URL": provider.openai_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
            "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        }


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_the_examples_run(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    examples = blocks(page, "python")
    if not examples:
        assert page.stem in {"index", "local-server", "stack", "zero-code"}
        return
    (tmp_path / "bug.py").write_text("bug = True\n", encoding="utf-8")
    script = tmp_path / "examples.py"
    script.write_text(BEFORE + "\n\n".join(examples), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fault in" not in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_configurations_load(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert load(yaml.safe_load(block), environ={}).enabled


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_a_guide_tells_how_to_check_and_what_may_go_wrong(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[-2:] == ["Verify", "Troubleshooting"]


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_every_guide_is_in_the_list(page: Path) -> None:
    assert page.stem in (ROOT / "docs" / "guides" / "index.md").read_text(encoding="utf-8").split()


def every_page() -> list[Path]:
    return [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deployments").rglob("*.md"),
    ]


def test_links_lead_somewhere() -> None:
    broken = []
    for page in every_page():
        if "_build" in page.parts:
            continue
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            found = (page.parent / path) if path else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_reference(command: str) -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    _, heading, section = page.partition(f"\n## `alexobs {command}`\n")
    assert heading, "run: python scripts/commands_reference.py"
    section = section.partition("\n## ")[0]
    text = script("commands_reference")._help(command)
    for option in set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)):
        assert option in section, f"{option}; run: python scripts/commands_reference.py"


def test_the_demos_output_is_what_it_prints() -> None:
    made = script("demo_output")
    shown = made.PAGE.read_text(encoding="utf-8")
    now = made.demo_output()
    assert made.normalised(now) == made.normalised(shown), "run: python scripts/demo_output.py"


def test_doctors_findings_are_json(environment: dict[str, str]) -> None:
    program = "import sys, alexobs.cli; sys.exit(alexobs.cli.main(['doctor', '--json']))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert {"configuration", "back end", "spool"} <= {
        one["what"] for one in json.loads(done.stdout)
    }
