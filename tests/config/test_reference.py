from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml

from alexobs.config.environment import variables
from alexobs.config.load import load
from alexobs.config.schema import documentation, settings

ROOT = Path(__file__).parents[2]


def reference() -> str:
    spec = importlib.util.spec_from_file_location("_", ROOT / "scripts" / "config_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.reference()
    return text


def test_the_page_is_current() -> None:
    page = ROOT / "docs" / "reference" / "configuration.md"
    current = page.read_text(encoding="utf-8")
    assert current == reference(), "run: python scripts/config_reference.py"


def test_every_setting_and_variable_is_on_the_page() -> None:
    text = reference()
    for path in settings():
        assert f"| `{'.'.join(path[1:] or path)}` |" in text
    for variable in variables():
        assert f"| `{variable.name}` |" in text


def test_every_setting_says_what_it_is_for() -> None:
    documented = documentation()
    for path in settings():
        assert documented[path].endswith(".")


def test_the_files_on_the_page_load() -> None:
    blocks = [part.split("```")[0] for part in reference().split("```yaml\n")[1:]]
    assert len(blocks) == 2
    rates = [load(yaml.safe_load(block), environ={}).tracing.sample_rate for block in blocks]
    assert rates == [1.0, 0.1]
