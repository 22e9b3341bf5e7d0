from __future__ import annotations

import sys
import timeit
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alexobs.pricing
from alexobs.pricing import Prices, Unpriced, estimate_cost
from alexobs.pricing.overrides import Overrides
from alexobs.pricing.rates import Table
from alexobs.records import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON_NS = int(datetime(2026, 11, 9, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices()


def table(**known: Any) -> Table:
    return Table(known, price_id="test:a/b", price_date="2026-01-01")


def cost_of(found: Cost | Unpriced) -> Cost:
    assert isinstance(found, Cost), found
    return found


def reason_of(found: Cost | Unpriced) -> str:
    assert isinstance(found, Unpriced), found
    return found.reason


def test_the_buckets_are_disjoint_and_sum_up() -> None:
    usage = Usage(
        input_tokens=1000,
        output_tokens=500,
        cache_read_tokens=600,
        cache_write_tokens=100,
        reasoning_tokens=200,
    )
    cost = cost_of(
        table(input=10, output=40, cache_read=1, cache_write=12.5, reasoning=50).cost(usage)
    )
    assert cost.parts == pytest.approx(
        {
            "uncached_input": 300 * 10e-6,
            "cache_read": 600 * 1e-6,
            "cache_write": 100 * 12.5e-6,
            "output": 300 * 40e-6,
            "reasoning": 200 * 50e-6,
        }
    )
    assert cost.usd == pytest.approx(sum(cost.parts.values()))


def test_a_bucket_without_a_price_pays_like_the_one_it_belongs_to() -> None:
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=600, reasoning_tokens=200)
    cost = cost_of(table(input=10, output=40).cost(usage))
    assert cost.usd == pytest.approx(1000 * 10e-6 + 500 * 40e-6)


def test_the_cache_for_an_hour_costs_more() -> None:
    usage = Usage(input_tokens=1000, cache_write_tokens=800, cache_write_1h_tokens=300)
    cost = cost_of(table(input=1, output=1, cache_write=1.25, cache_write_1h=2).cost(usage))
    assert cost.parts["cache_write"] == pytest.approx(500 * 1.25e-6 + 300 * 2e-6)


def test_audio_costs_what_audio_costs() -> None:
    usage = Usage(
        input_tokens=1000,
        output_tokens=100,
        cache_read_tokens=400,
        input_audio_tokens=500,
        output_audio_tokens=60,
        cache_read_audio_tokens=100,
    )
    cost = cost_of(
        table(
            input=1, output=2, cache_read=0.5, input_audio=10, output_audio=20, cache_read_audio=5
        ).cost(usage)
    )
    assert cost.parts == pytest.approx(
        {
            "uncached_input": 200 * 1e-6 + 400 * 10e-6,
            "cache_read": 300 * 0.5e-6 + 100 * 5e-6,
            "cache_write": 0,
            "output": 40 * 2e-6 + 60 * 20e-6,
            "reasoning": 0,
        }
    )


@pytest.mark.parametrize(
    ("tokens", "usd"), [(0, 0.0), (100, 100e-6), (101, 202e-6), (1000, 2e-3), (1001, 3.003e-3)]
)
def test_a_tier_is_for_all_tokens_above_its_start(tokens: int, usd: float) -> None:
    tiered = table(input=[1, [100, 2], [1000, 3]], output=1)
    assert cost_of(tiered.cost(Usage(input_tokens=tokens))).usd == pytest.approx(usd)


def test_requests_and_searches_are_charged(prices: Prices) -> None:
    perplexity = cost_of(
        prices.cost("perplexity", "sonar", Usage(10, 10, raw={"num_search_queries": 2}))
    )
    assert perplexity.parts["request"] > 0
    raw = {"server_tool_use": {"web_search_requests": 3}}
    anthropic = cost_of(
        prices.cost("anthropic", "claude-3-7-sonnet-latest", Usage(10, 10, raw=raw))
    )
    assert anthropic.parts["web_search"] == pytest.approx(0.03)
    assert anthropic.usd == pytest.approx(sum(anthropic.parts.values()))


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=-1),
        Usage(input_tokens=5, cache_read_tokens=6),
        Usage(input_tokens=5, cache_read_tokens=3, cache_write_tokens=3),
        Usage(output_tokens=5, reasoning_tokens=6),
        Usage(input_tokens=5, cache_read_tokens=-6),
        Usage(input_tokens=5, cache_write_tokens=2, cache_write_1h_tokens=3),
        Usage(input_tokens=5, input_audio_tokens=6),
        Usage(input_tokens=5, input_audio_tokens=1, cache_read_audio_tokens=2),
        Usage(output_tokens=5, output_audio_tokens=6),
    ],
)
def test_a_usage_that_contradicts_itself_has_no_price(prices: Prices, usage: Usage) -> None:
    assert "contradicts itself" in reason_of(prices.cost("openai", "gpt-4o", usage))


@pytest.mark.parametrize(
    "usage",
    [None, Usage(input_tokens="7"), Usage(input_tokens=None), Usage(raw=[1])],  # type: ignore[arg-type]
)
def test_nonsense_is_unknown_and_never_raised(prices: Prices, usage: Usage | None) -> None:
    reason_of(prices.cost("openai", "gpt-4o", usage))


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("openai", "gpt-99", "no price for 'gpt-99' of openai"),
        ("ollama", "llama3", "no prices for provider 'ollama'"),
        ("", "my-model", "no price for 'my-model'"),
        ("", "", "no price for no model"),
        ("openai", "whisper-1", "not by token"),
        ("openai", "text-embedding-3-small", "no price for output tokens"),
        ("cerebras", "qwen-3-coder-480b", "has no price"),
    ],
)
def test_unknown_is_unknown_and_never_nothing(
    prices: Prices, provider: str, model: str, reason: str
) -> None:
    assert reason in reason_of(prices.cost(provider, model, Usage(10, 10)))


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openrouter", "deepseek/deepseek-r1:free"), ("openai", "omni-moderation-latest")],
)
def test_what_is_known_to_be_free_costs_nothing(prices: Prices, provider: str, model: str) -> None:
    assert cost_of(prices.cost(provider, model, Usage(10, 10))).usd == 0


@pytest.mark.parametrize(
    ("provider", "model", "price_id"),
    [
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("azure.ai.openai", "o3-mini", "azure/o3-mini"),
        ("azure.ai.openai", "gpt-4o", "openai/gpt-4o"),
        ("gcp.gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("openai", "openai/gpt-4o", "openai/gpt-4o"),
        ("", "openai/gpt-4o", "openai/gpt-4o"),
        ("", "anthropic/claude-3-5-haiku-latest", "anthropic/claude-3-5-haiku-latest"),
        ("litellm", "groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("x_ai", "grok-3", "x-ai/grok-3"),
        ("mistral_ai", "mistral-large-latest", "mistral/mistral-large"),
        ("anthropic", "Claude-3-5-Haiku-20241022", "anthropic/claude-3-5-haiku-latest"),
    ],
)
def test_names_of_providers_and_models(
    prices: Prices, provider: str, model: str, price_id: str
) -> None:
    cost = cost_of(prices.cost(provider, model, Usage(10, 10)))
    assert cost.price_id == f"genai-prices:{price_id}"
    assert cost.price_date == prices.catalog.date


def test_another_providers_prefix_is_not_believed(prices: Prices) -> None:
    reason_of(prices.cost("openai", "anthropic/claude-3-5-haiku-latest", Usage(10, 10)))


def test_the_answered_model_decides_and_the_asked_one_helps(prices: Prices) -> None:
    dated = cost_of(
        prices.cost("openai", "gpt-4o", Usage(10, 10), response_model="gpt-4o-2024-05-13")
    )
    assert dated.price_id.endswith("/gpt-4o-2024-05-13")
    deployed = cost_of(
        prices.cost("azure.ai.openai", "my-deployment", Usage(10, 10), response_model="gpt-4o")
    )
    assert deployed.price_id.endswith("/gpt-4o")
    unknown = cost_of(prices.cost("openai", "gpt-4o", Usage(10, 10), response_model="whatever"))
    assert unknown.price_id.endswith("/gpt-4o")


def test_prices_have_dates(prices: Prices) -> None:
    before, after = (
        cost_of(
            prices.cost(
                "openai",
                "o3",
                Usage(1_000_000),
                when_ns=int(datetime(*day, tzinfo=UTC).timestamp()) * 10**9,
            )
        ).usd
        for day in ((2025, 6, 1), (2025, 7, 1))
    )
    assert (before, after) == (10.0, 2.0)


def test_prices_have_hours(prices: Prices) -> None:
    midnight_ns = NOON_NS - 12 * 3600 * 10**9

    def at(hours: float) -> float:
        when_ns = midnight_ns + int(hours * 3600) * 10**9
        return cost_of(prices.cost("deepseek", "deepseek-flash", Usage(10**6), when_ns=when_ns)).usd

    assert [at(hours) for hours in (0, 1, 3.99, 4, 5, 6, 9.99, 10, 23)] == [
        0.15, 0.3, 0.3, 0.15, 0.15, 0.3, 0.3, 0.15, 0.15
    ]  # fmt: skip


def test_tiers_of_service(prices: Prices) -> None:
    usage = Usage(1_000_000, 1_000_000)

    def at(tier: str, provider: str = "openai", model: str = "gpt-4.1") -> Cost | Unpriced:
        return prices.cost(provider, model, usage, service_tier=tier, when_ns=NOON_NS)

    standard = cost_of(at(""))
    for tier in ("default", "auto", "standard", "ON_DEMAND"):
        assert at(tier) == standard
    priority, batch = cost_of(at("priority")), cost_of(at("batch"))
    assert priority.usd > standard.usd > batch.usd
    assert priority.price_id == "genai-prices:openai/gpt-4.1;service_tier=priority"
    assert batch.price_id == "genai-prices:openai/gpt-4.1;processing=batch"
    assert "no price" in reason_of(at("scale"))
    assert "no price" in reason_of(at("priority", "azure.ai.openai", "o3-pro"))
    assert cost_of(at("flex", "groq", "llama-3.3-70b-versatile")).usd > 0


def test_anthropics_fast_mode_is_seen_in_the_usage(prices: Prices) -> None:
    fast = [
        model.data["id"]
        for model in prices.catalog.providers["anthropic"].models
        if any(when.get("speed") == "fast" for when, *_ in model.data.get("variants", ()))
    ]
    usage = Usage(1000, 1000)
    slow = cost_of(prices.cost("anthropic", fast[0], usage, when_ns=NOON_NS))
    usage = usage._replace(raw={"speed": "fast"})
    quick = cost_of(prices.cost("anthropic", fast[0], usage, when_ns=NOON_NS))
    assert quick.usd > slow.usd
    assert quick.price_id.endswith(";speed=fast")


@given(
    provider=st.text(max_size=20),
    model=st.text(max_size=40),
    usage=st.builds(Usage, *[st.integers(-5, 10**7)] * 9, st.none()),
    when_ns=st.integers(0, 4 * 10**18),
    tier=st.text(max_size=10),
)
def test_nothing_is_ever_raised(
    provider: str, model: str, usage: Usage, when_ns: int, tier: str
) -> None:
    shared = _SHARED
    for name in (model, "gpt-4o"):
        found = shared.cost(provider, name, usage, when_ns=when_ns, service_tier=tier)
        assert isinstance(found, Unpriced) or found.usd >= 0


_SHARED = Prices()


def test_made_up_names_do_not_fill_the_memory() -> None:
    prices = Prices(Overrides())
    for i in range(5000):
        prices.cost("nobody", f"model-{i}", Usage(1, 1), when_ns=NOON_NS)
    assert len(prices._cache) <= 4096


@pytest.fixture
def no_own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(alexobs.pricing, "_in_use", None)
    alexobs.pricing._configured.cache_clear()
    yield tmp_path
    alexobs.pricing._configured.cache_clear()


def test_estimate_cost(no_own_prices: Path) -> None:
    cost = estimate_cost("gpt-4o", input_tokens=1000, output_tokens=100, cache_read_tokens=400)
    assert cost is not None
    assert cost.usd == pytest.approx(600 * 2.5e-6 + 400 * 1.25e-6 + 100 * 10e-6)
    assert estimate_cost("gpt-4o", input_tokens=1, cache_read_tokens=2) is None
    assert estimate_cost("no-such-model", input_tokens=1) is None
    assert estimate_cost("gpt-4o", provider="groq", input_tokens=1) is None
    old = estimate_cost(
        "o3", provider="openai", input_tokens=10**6, when=datetime(2025, 6, 1, tzinfo=UTC)
    )
    assert old is not None
    assert old.usd == 10.0


def test_estimate_cost_knows_the_users_own_prices(no_own_prices: Path) -> None:
    (no_own_prices / ".alex").mkdir()
    (no_own_prices / ".alex" / "prices.yaml").write_text(
        "prices: [{model: my-model, input: 3, output: 4}]"
    )
    cost = estimate_cost("my-model", input_tokens=1_000_000, output_tokens=1_000_000)
    assert cost is not None
    assert cost.usd == 7.0
    assert cost.price_id == "overrides:any/my-model"


def test_estimate_cost_reads_the_file_that_the_configuration_names(
    no_own_prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = no_own_prices / "negotiated.yaml"
    file.write_text("prices: [{model: my-model, input: 5, output: 6}]")
    monkeypatch.setenv("ALEX_PRICING_OVERRIDES", str(file))
    cost = estimate_cost("my-model", input_tokens=1_000_000)
    assert cost is not None
    assert cost.usd == 5.0


def test_nothing_is_read_before_the_first_call() -> None:
    prices = Prices()
    assert "catalog" not in prices.__dict__
    prices.cost("openai", "gpt-4o", Usage(1, 1))
    parsed = [one.id for one in prices.catalog.providers.values() if one._models is not None]
    assert parsed == ["openai"]


def test_nearest_names(prices: Prices) -> None:
    assert "openai/gpt-4o-mini" in prices.nearest("openai", "gpt4o-mini")
    assert prices.nearest("", "zzzzzzzzzzzz") == []


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes everything slow")
def test_a_priced_call_costs_little_more_than_its_result(prices: Prices) -> None:
    usage = Usage(1000, 100, 600, 0, 50, raw={"prompt_tokens": 1000})

    def price() -> None:
        prices.cost("openai", "gpt-4o", usage, when_ns=NOON_NS, response_model="gpt-4o")

    def make_result() -> None:
        Cost(1.0, "", "", {})

    priced_s, made_s = (
        min(timeit.repeat(what, number=500, repeat=20)) for what in (price, make_result)
    )
    # Measured: 9 times, which is 3 µs where making a result takes 0.35 µs.
    assert priced_s < 20 * made_s
