"""Every price of the bundled data against genai-prices' own calculation, as an oracle."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from typing import Any

import pytest

from alexobs.pricing import Prices, Unpriced
from alexobs.records import Cost, Usage

genai_prices = pytest.importorskip(
    "genai_prices", reason="the oracle, a development dependency, is not installed"
)
from genai_prices import types  # noqa: E402 - after the check that it is there
from genai_prices.data_snapshot import get_snapshot  # noqa: E402

SNAPSHOT = get_snapshot()
PRICES = Prices()

USAGES = {
    "small": Usage(input_tokens=1234, output_tokens=567),
    "cached": Usage(
        input_tokens=90_001, output_tokens=4_321, cache_read_tokens=80_000, cache_write_tokens=777
    ),
    "hour": Usage(
        input_tokens=300_000,
        output_tokens=9,
        cache_read_tokens=100_000,
        cache_write_tokens=50_000,
        cache_write_1h_tokens=20_000,
        reasoning_tokens=3,
    ),
    "audio": Usage(
        input_tokens=10_000,
        output_tokens=5_000,
        cache_read_tokens=4_000,
        input_audio_tokens=6_000,
        output_audio_tokens=2_500,
        cache_read_audio_tokens=1_000,
    ),
    "threshold": Usage(input_tokens=200_000, output_tokens=1),
    "million": Usage(input_tokens=1_000_001, output_tokens=70_000, cache_read_tokens=900_000),
    "input only": Usage(input_tokens=512),
}
MOMENTS = (
    datetime(2024, 1, 1, 0, 29, 59, tzinfo=UTC),
    datetime(2026, 9, 10, 2, 0, 0, tzinfo=UTC),
    datetime(2026, 11, 9, 16, 30, 0, tzinfo=UTC),
    datetime(2027, 6, 1, 8, 59, 59, 999_999, tzinfo=UTC),
)


def as_oracle_usage(usage: Usage) -> types.Usage:
    return types.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        cache_audio_read_tokens=usage.cache_read_audio_tokens,
    )


def oracle(
    model: types.ModelInfo,
    provider: types.Provider,
    usage: Usage,
    when: datetime,
    context: dict[str, str] | None = None,
) -> float:
    calculated = model.calc_price(
        as_oracle_usage(usage), provider, genai_request_timestamp=when, price_context=context
    )
    return float(calculated.total_price)


def explanation(
    model: types.ModelInfo, usage: Usage, when: datetime, context: dict[str, str] | None = None
) -> str:
    """Return why we say that a cost is unknown where the oracle gives a number."""
    keys = {key for key, value in model.get_prices(when, context).__dict__.items() if value}
    zero = {key for key, value in model.get_prices(when, context).__dict__.items() if value == 0}
    tokens = {key for key in keys | zero if key.endswith("_mtok")}
    if not keys | zero:
        return "no price at all, and nobody says that it is free"
    if not tokens & {"input_mtok", "output_mtok", "input_audio_mtok"}:
        return "priced by another unit than tokens"
    if "output_mtok" not in tokens and usage.output_tokens:
        return "output tokens have no price"
    if usage.input_audio_tokens and "input_audio_mtok" not in tokens and keys & {"audio_hours"}:
        return "audio is priced by the hour"
    return ""


def ours(
    provider: str, model: str, usage: Usage, when: datetime, tier: str = ""
) -> Cost | Unpriced:
    when_ns = int(when.timestamp() * 1e6) * 1000
    return PRICES.cost(provider, model, usage, when_ns=when_ns, service_tier=tier)


def test_the_bundled_data_is_that_of_the_installed_package() -> None:
    assert PRICES.catalog.version == version("genai-prices"), "run scripts/update_prices.py"


@pytest.mark.slow
def test_every_price_equals_the_oracle_or_is_explained() -> None:
    compared, unknown = 0, Counter[str]()
    listed = [(provider, model) for provider in SNAPSHOT.providers for model in provider.models]
    for index, (provider, model) in enumerate(listed):
        name = a_name_of(model)
        found = provider.find_model(name, all_providers=SNAPSHOT.providers)
        # All moments, with the usages in turns, so that all pairs occur hundreds of times.
        for offset, when in enumerate(MOMENTS):
            usage = list(USAGES.values())[(index + offset) % len(USAGES)]
            cost = ours(provider.id, name, usage, when)
            where = (provider.id, name, usage, when)
            if found is None:
                assert isinstance(cost, Unpriced), where
                unknown["the data's own rules do not find it"] += 1
            elif isinstance(cost, Unpriced):
                why = explanation(found, usage, when)
                assert why, (*where, cost.reason)
                unknown[why] += 1
            else:
                expected = oracle(found, provider, usage, when)
                assert math.isclose(cost.usd, expected, rel_tol=1e-12, abs_tol=1e-15), where
                assert math.isclose(cost.usd, sum(cost.parts.values()), rel_tol=1e-12), where
                compared += 1
    assert compared > 8_000
    assert unknown.total() < compared / 15, unknown


def a_name_of(model: types.ModelInfo) -> str:
    """Return a name by which the model can be found."""
    clauses = [model.match]
    while clauses:
        clause = clauses.pop(0)
        for value in vars(clause).values():
            if isinstance(value, str) and model.is_match(value):
                return value
            if isinstance(value, list):
                clauses += value
    return model.id


def priced_variants() -> list[tuple[types.Provider, types.ModelInfo, dict[str, str]]]:
    return [
        (provider, model, variant.when)
        for provider in SNAPSHOT.providers
        for model in provider.models
        for variant in model.price_variants or ()
        if set(variant.when) <= {"processing", "service_tier", "speed"}
    ]


def test_every_tier_equals_the_oracle() -> None:
    compared = 0
    for (provider, model, context), when in product(priced_variants(), MOMENTS):
        if provider.find_model(model.id) is not model:
            continue
        tier = "batch" if "processing" in context else context.get("service_tier", "")
        for name in ("cached", "audio", "hour"):
            usage = USAGES[name]._replace(raw={"speed": context.get("speed")})
            cost = ours(provider.id, model.id, usage, when, tier)
            if isinstance(cost, Unpriced):
                assert_no_variant_holds(model, context, when, usage)
                continue
            expected = oracle(model, provider, usage, when, context)
            assert math.isclose(cost.usd, expected, rel_tol=1e-12), (model.id, context, when)
            compared += 1
    assert compared > 1000


def assert_no_variant_holds(
    model: types.ModelInfo, context: dict[str, str], when: datetime, usage: Usage
) -> None:
    active = [
        variant
        for variant in model.price_variants or ()
        if variant.when == context
        and (variant.constraint is None or variant.constraint.active(when))
    ]
    assert not active or explanation(model, usage, when, context), (model.id, context)


NAMES = [
    ("openai", "gpt-4o"),
    ("openai", "GPT-4o-2024-05-13"),
    ("openai", "gpt-4o-20240513"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:org::id"),
    ("openai", "ft:gpt-4o-mini:org::id"),
    ("anthropic", "claude-sonnet-4-20250514"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("gcp.vertex_ai", "claude-sonnet-4@20250514"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    ("aws.bedrock", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-x"),
    ("groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek-chat"),
    ("mistral", "mistral-large-latest"),
    ("cohere", "command-r-plus"),
    ("openrouter", "anthropic/claude-sonnet-4"),
    ("litellm", "openai/gpt-4o"),
    ("", "gpt-4o"),
    ("", "claude-3-5-haiku-latest"),
    ("", "gemini-2.5-pro"),
    ("ollama", "llama3"),
    ("openai", "no-such-model"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model"), NAMES)
def test_names_are_understood_as_the_oracle_does(provider: str, model: str) -> None:
    cost: Any = ours(provider, model, USAGES["small"], MOMENTS[2])
    try:
        seller, found = SNAPSHOT.find_provider_model(model, None, provider or None, None)
    except LookupError:
        assert isinstance(cost, Unpriced)
        return
    assert cost.usd == pytest.approx(oracle(found, seller, USAGES["small"], MOMENTS[2]), rel=1e-12)
