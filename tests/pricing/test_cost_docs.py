"""The reference page on cost: its example file loads, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

from alexobs.pricing import Prices, overrides
from alexobs.records import Cost, Usage

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cost.md").read_text(encoding="utf-8")


def test_the_example_price_file_works(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    file = tmp_path / "prices.yaml"
    file.write_text(found[1])
    prices = Prices.load(file)
    for provider, model in (("openai", "my-finetune"), ("", "my-deployment"), ("ollama", "llama3")):
        assert isinstance(prices.cost(provider, model, Usage(10, 10)), Cost)


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", PAGE))
    assert set(overrides._KEYS) <= documented
