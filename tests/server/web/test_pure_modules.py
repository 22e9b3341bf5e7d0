"""Modules of the page that compute and do not draw, under node's own test runner."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WEB = Path(__file__).parents[3] / "src" / "alexobs" / "server" / "web"
OWN = sorted(path for path in WEB.rglob("*.js") if "vendor" not in path.parts)


@pytest.mark.skipif(shutil.which("node") is None, reason="not tested: node is not installed")
def test_pure_modules_under_node(tmp_path: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    for path in HERE.glob("*.test.js"):
        shutil.copy(path, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    ran = subprocess.run(
        ["node", "--test"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout[-5000:]
    passed = re.search(r"^# pass (\d+)", ran.stdout, re.MULTILINE) or re.search(
        r"pass (\d+)", ran.stdout
    )
    assert passed is not None
    assert int(passed[1]) >= 20


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = json.loads((WEB / "vendor" / "MANIFEST.json").read_text())
    listed = {file["file"]: file["sha256"] for entry in manifest for file in entry["files"]}
    present = {path.name for path in (WEB / "vendor").iterdir()} - {"MANIFEST.json"}
    assert present == set(listed)
    for name, expected in listed.items():
        found = hashlib.sha256((WEB / "vendor" / name).read_bytes()).hexdigest()
        assert found == expected, name
    assert {entry["licence"] for entry in manifest} <= {"MIT", "Apache-2.0", "OFL-1.1"}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_modules_are_short_and_make_no_markup_of_telemetry(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert risky not in text
    assert "new Function" not in text


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    text = (WEB / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=", text) == []
    for path in (WEB / "index.html", *WEB.glob("*.css"), *OWN):
        addresses = re.findall(r"""["'(]https?://(?!\$\{location)[^"')]*""", path.read_text())
        assert addresses == [], path.name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(theme: str) -> None:
    tokens = (WEB / "tokens.css").read_text()
    colours = {
        name: (light, dark)[theme == "dark"]
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", tokens)
    }
    for text in ("text", "text-2", "text-3", "accent", "error", "warn", "ok"):
        for ground in ("bg", "surface", "raised", "hover", "selected"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text, ground in (("error", "error-soft"), ("warn", "warn-soft"), ("ok", "ok-soft")):
        assert contrast(colours[text], colours[ground]) >= 4.5, text
    for name, colour in colours.items():  # what is not text: bars, dots, lines of charts
        if name.startswith(("kind-", "series-")):
            assert contrast(colour, colours["surface"]) >= 3, name


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
