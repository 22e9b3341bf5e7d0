from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from alexobs.errors import PriceError
from alexobs.pricing import Prices, Unpriced
from alexobs.pricing.overrides import Overrides, load_overrides
from alexobs.records import Cost, Usage

if TYPE_CHECKING:
    from pathlib import Path

MILLION = Usage(1_000_000, 1_000_000)
NOON_NS = int(datetime(2026, 11, 9, 12, tzinfo=UTC).timestamp()) * 10**9


def load(tmp_path: Path, text: str) -> Prices:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    os.utime(file, (1_790_000_000, 1_790_000_000))
    return Prices.load(file)


def usd(
    prices: Prices, provider: str, model: str, usage: Usage = MILLION, when_ns: int = NOON_NS
) -> float:
    cost = prices.cost(provider, model, usage, when_ns=when_ns)
    assert isinstance(cost, Cost), cost
    return cost.usd


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(PriceError) as raised:
        load(tmp_path, text)
    return str(raised.value).replace(f"{tmp_path}{os.sep}", "").split("\n")


def test_a_file_that_does_not_exist_is_no_file(tmp_path: Path) -> None:
    assert load_overrides(tmp_path / "absent.yaml") == Overrides()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "prices:\n", "prices: []\n"])
def test_an_empty_file_is_no_file(tmp_path: Path, text: str) -> None:
    assert usd(load(tmp_path, text), "openai", "gpt-4o") == pytest.approx(12.5)


def test_own_prices_come_first(tmp_path: Path) -> None:
    prices = load(tmp_path, "prices:\n  - {model: gpt-4o, provider: openai, input: 1, output: 2}\n")
    assert usd(prices, "openai", "gpt-4o") == 3.0
    assert usd(prices, "azure.ai.openai", "gpt-4o") == pytest.approx(12.5)
    cost = prices.cost("openai", "gpt-4o", MILLION)
    assert isinstance(cost, Cost)
    assert (cost.price_id, cost.price_date) == ("overrides:openai/gpt-4o", "2026-09-21")


def test_patterns_and_case(tmp_path: Path) -> None:
    prices = load(tmp_path, "prices:\n  - {model: 'Llama3*', provider: Ollama, free: true}\n")
    assert usd(prices, "ollama", "llama3.1:70B") == 0.0
    assert isinstance(prices.cost("ollama", "mistral", MILLION), Unpriced)


def test_the_last_entry_that_has_begun_holds(tmp_path: Path) -> None:
    prices = load(
        tmp_path,
        """
        prices:
          - {model: m, input: 1, output: 0}
          - {model: m, input: 2, output: 0, from: 2026-11-01}
          - {model: m, input: 3, output: 0, from: 2027-01-01}
        """,
    )
    assert usd(prices, "", "m") == 2.0
    assert usd(prices, "", "m", when_ns=1_700_000_000 * 10**9) == 1.0
    assert usd(prices, "", "m", when_ns=1_900_000_000 * 10**9) == 3.0


def test_every_kind_of_price(tmp_path: Path) -> None:
    prices = load(
        tmp_path,
        """
        prices:
          - model: m
            input: 1
            output: 2
            cache_read: 0.1
            cache_write: 1.25
            cache_write_1h: 2
            reasoning: 3
            input_audio: 10
            output_audio: 20
            cache_read_audio: 5
            request: 0.005
        """,
    )
    usage = Usage(1000, 1000, 300, 200, 500, 100, 400, 50, 100)
    expected = (
        (200 * 1 + 300 * 10)  # uncached: text, audio
        + (200 * 0.1 + 100 * 5)  # read from the cache
        + (100 * 1.25 + 100 * 2)  # written to it, for five minutes and for an hour
        + (450 * 2 + 50 * 20)
        + 500 * 3
    ) / 1e6 + 0.005
    assert usd(prices, "any", "m", usage) == pytest.approx(expected)


def test_tiers(tmp_path: Path) -> None:
    prices = load(
        tmp_path,
        """
        prices:
          - model: m
            input: 1
            output: 1
            tiers:
              - {above: 500, input: 3}
              - {above: 100, input: 2, output: 4}
        """,
    )
    assert [
        usd(prices, "", "m", Usage(tokens, 10)) * 1e6 for tokens in (100, 101, 501)
    ] == pytest.approx([110, 242, 1543])


def test_same_as_with_a_discount(tmp_path: Path) -> None:
    prices = load(
        tmp_path,
        """
        prices:
          - {model: my-deployment, same_as: openai/gpt-4o, multiply_by: 0.8}
          - {model: night, same_as: deepseek/deepseek-flash, multiply_by: 2}
          - {model: lost, same_as: openai/gpt-99}
        """,
    )
    assert usd(prices, "azure.ai.openai", "my-deployment") == pytest.approx(10.0)
    cost = prices.cost("azure.ai.openai", "my-deployment", MILLION)
    assert isinstance(cost, Cost)
    assert cost.price_id == (
        "overrides:azure.ai.openai/my-deployment=genai-prices:openai/gpt-4o*0.8"
    )
    assert usd(prices, "", "night", Usage(10**6)) == pytest.approx(0.3)
    lost = prices.cost("", "lost", MILLION)
    assert isinstance(lost, Unpriced)
    assert "openai/gpt-99" in lost.reason


def test_all_problems_are_told_at_once_with_file_line_and_key(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """\
pricse: []
prices:
  - model: a
    input: cheap
    outptu: 2
  - provider: openai
    input: -1
  - 7
  - model: b
    input: 1
    from: soon
    tiers:
      - {above: many, input: 2}
      - {above: 5, output: 2}
  - {model: c, free: maybe}
  - {model: d, free: true, input: 1}
  - {model: e, input: 1, multiply_by: 2}
  - {model: f, input: .nan}
""",
    ) == [
        "prices.yaml:1: pricse: unknown key; did you mean 'prices'?",
        "prices.yaml:5: prices[0].outptu: unknown key; did you mean 'output'?",
        "prices.yaml:4: prices[0].input: expected a number of at least 0, found 'cheap'",
        "prices.yaml:3: prices[0]: expected prices, or 'same_as', or 'free: true': one of them",
        "prices.yaml:6: prices[1].model: expected a name, found nothing",
        "prices.yaml:7: prices[1].input: expected a number of at least 0, found -1",
        "prices.yaml:6: prices[1]: expected prices, or 'same_as', or 'free: true': one of them",
        "prices.yaml:8: prices[2]: expected an entry with 'model' and prices, found 7",
        "prices.yaml:13: prices[3].tiers[0].above: expected a number of tokens, found 'many'",
        "prices.yaml:14: prices[3].tiers[1].output: needs a price for output below it",
        "prices.yaml:11: prices[3].from: expected a date such as 2026-10-01, found 'soon'",
        "prices.yaml:15: prices[4].free: expected true or false, found 'maybe'",
        "prices.yaml:15: prices[4]: expected prices, or 'same_as', or 'free: true': one of them",
        "prices.yaml:16: prices[5]: expected prices, or 'same_as', or 'free: true': one of them",
        "prices.yaml:17: prices[6].multiply_by: needs 'same_as' beside it",
        "prices.yaml:18: prices[7].input: expected a number of at least 0, found nan",
        "prices.yaml:18: prices[7]: expected prices, or 'same_as', or 'free: true': one of them",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n- b\n", "expected the key 'prices', found a list"),
        ("prices: yes\n", "prices: expected a list, found true or false"),
        ("prices: [\n", "is not YAML"),
        ("prices: {a: 1}\n", "prices: expected a list, found a mapping"),
        ("prices:\n  - {model: m, input: 1, tiers: 7}\n", "tiers: expected a list, found 7"),
        ("prices:\n  - {model: m, input: 1, tiers: [7]}\n", "expected 'above' and prices, found 7"),
        (
            "prices:\n  - {model: m, input: 1, tiers: [{above: 1, x: 2}]}\n",
            "prices[0].tiers[0].x: unknown key",
        ),
        ("prices:\n  - {model: m, from: 2026-99-99, input: 1}\n", "is not YAML"),
        ("a: &x [*x]\nprices: []\n", "refers to itself"),
        ("\x00", "is not YAML"),
    ],
)
def test_files_of_any_shape(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in "\n".join(problems(tmp_path, text))


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PriceError, match="cannot be read"):
        Prices.load(tmp_path / "prices.yaml")
