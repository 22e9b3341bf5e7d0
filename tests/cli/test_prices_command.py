from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from alexobs.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_a_price_is_shown_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "gpt-4.1", "--provider", "openai", "--at", "2026-11-09"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("genai-prices:openai/gpt-4.1   data of 20")
    assert out[1].split() == ["input", "2", "USD", "per", "million", "tokens"]
    assert "service_tier=priority" in out[-1]


def test_tiers_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "gemini-2.5-pro"]) == 0
    assert "above 200000 input tokens" in capsys.readouterr().out


def test_hours_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "deepseek-flash"]) == 0
    assert "genai-prices:deepseek/deepseek-flash from 01:00 UTC" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("gemini-2.5-flash-image", "output_image 30 USD per million tokens"),
        ("gpt-5-mini", "storage_searches 2.5 USD per thousand"),
        ("tts-1", "input 15 USD per million characters"),
    ],
)
def test_units_of_the_datas_own_are_named(
    capsys: pytest.CaptureFixture[str], model: str, line: str
) -> None:
    assert main(["prices", "show", model]) == 0
    shown = [" ".join(row.split()) for row in capsys.readouterr().out.splitlines()]
    assert line in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "gpt-4o", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prices"][0]["prices"]["input"] == 2.5
    assert found["prices"][0]["price_id"] == "genai-prices:openai/gpt-4o"


def test_an_unknown_model_brings_the_nearest_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "gpt4o-mini", "--provider", "openai"]) == 1
    err = capsys.readouterr().err
    assert "openai/gpt-4o-mini" in err
    assert "prices.yaml" in err


def test_own_prices_are_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".alex").mkdir()
    (home / ".alex" / "prices.yaml").write_text("prices: [{model: mine, free: true}]")
    assert main(["prices", "show", "mine"]) == 0
    assert capsys.readouterr().out.startswith("overrides:any/mine")


def test_a_broken_price_file_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".alex").mkdir()
    (home / ".alex" / "prices.yaml").write_text("prices: [{model: mine, inptu: 1}]")
    assert main(["prices", "show", "mine"]) != 0
    assert "did you mean 'input'?" in capsys.readouterr().err


def test_a_time_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "gpt-4o", "--at", "soon"]) == 2
    assert "expected a time" in capsys.readouterr().err
