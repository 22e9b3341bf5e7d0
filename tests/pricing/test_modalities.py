"""Images, video and citations, which some models price apart, against genai-prices as an oracle."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from alexobs.instrumentation.providers import google_content, google_interactions, openai_counts
from alexobs.pricing import Prices, Unpriced
from alexobs.records import Cost, Usage

genai_prices = pytest.importorskip(
    "genai_prices", reason="the oracle, a development dependency, is not installed"
)

PRICES = Prices()
WHEN = datetime(2026, 11, 20, tzinfo=UTC)
WHEN_NS = int(WHEN.timestamp()) * 1_000_000_000


def details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


PICTURE_OUT = {
    "promptTokenCount": 300,
    "candidatesTokenCount": 1390,
    "thoughtsTokenCount": 120,
    "promptTokensDetails": details(TEXT=42, IMAGE=258),
    "candidatesTokensDetails": details(TEXT=100, IMAGE=1290),
}
FILM_IN = {
    "promptTokenCount": 9000,
    "candidatesTokenCount": 10,
    "cachedContentTokenCount": 500,
    "promptTokensDetails": details(TEXT=1000, VIDEO=5000, DOCUMENT=3000),
    "cacheTokensDetails": details(TEXT=500),
}
SOUND_OF_TOOLS = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 10,
    "toolUsePromptTokenCount": 900,
    "promptTokensDetails": details(TEXT=100),
    "toolUsePromptTokensDetails": details(AUDIO=900),
}


@pytest.mark.parametrize("usage", [PICTURE_OUT, FILM_IN, SOUND_OF_TOOLS])
@pytest.mark.parametrize(
    "model",
    [
        "gemini-2.5-flash",
        "gemini-2.5-flash-image",
        "gemini-3-pro-image-preview",
        "gemini-3.1-flash-live-preview",
        "gemini-embedding-2",
        "gemini-live-2.5-flash",
    ],
)
def test_what_a_model_prices_apart_is_priced_apart(model: str, usage: dict[str, Any]) -> None:
    extracted = genai_prices.extract_usage(
        {"modelVersion": model, "usageMetadata": usage}, provider_id="google"
    )
    expected = genai_prices.calc_price(
        extracted.usage, model, provider_id="google", genai_request_timestamp=WHEN
    )
    cost: Any = PRICES.cost("gcp.gemini", model, google_content.usage(usage), when_ns=WHEN_NS)
    if isinstance(cost, Unpriced):  # an embedding has no output
        assert "no price for output tokens" in cost.reason
        return
    assert cost.usd == pytest.approx(float(expected.total_price), rel=1e-12)
    assert math.isclose(cost.usd, sum(cost.parts.values()), rel_tol=1e-12)


def test_interactions_say_it_in_their_own_words() -> None:
    raw = {
        "total_input_tokens": 300,
        "total_output_tokens": 1390,
        "total_thought_tokens": 120,
        "input_tokens_by_modality": [{"modality": "image", "tokens": 258}],
        "output_tokens_by_modality": [{"modality": "image", "tokens": 1290}],
    }
    usages = (google_interactions.usage(raw), google_content.usage(PICTURE_OUT))
    one, other = (PRICES.cost("google", "gemini-3-pro-image-preview", usage) for usage in usages)
    assert isinstance(one, Cost)
    assert isinstance(other, Cost)
    assert one.usd == pytest.approx(other.usd)


def test_several_requests_that_were_one_call_are_added_up() -> None:
    one = google_content.usage(PICTURE_OUT)
    assert one is not None
    both = Usage(
        input_tokens=one.input_tokens * 2,
        output_tokens=one.output_tokens * 2,
        reasoning_tokens=one.reasoning_tokens * 2,
        raw={"calls": [PICTURE_OUT, PICTURE_OUT]},
    )
    single, double = (PRICES.cost("google", "gemini-2.5-flash-image", one_) for one_ in (one, both))
    assert isinstance(single, Cost)
    assert isinstance(double, Cost)
    assert double.usd == pytest.approx(2 * single.usd)


def test_counts_that_cannot_be_have_no_price() -> None:
    raw = {**PICTURE_OUT, "candidatesTokensDetails": details(IMAGE=5000)}
    cost = PRICES.cost("google", "gemini-2.5-flash-image", google_content.usage(raw))
    assert isinstance(cost, Unpriced)
    assert "contradicts itself" in cost.reason


def test_citations_are_priced_as_such() -> None:
    raw = {
        "prompt_tokens": 33,
        "completion_tokens": 7163,
        "total_tokens": 7196,
        "citation_tokens": 20016,
        "num_search_queries": 18,
        "reasoning_tokens": 73997,
    }
    response = {"model": "sonar-deep-research", "usage": raw}
    extracted = genai_prices.extract_usage(response, provider_id="perplexity")
    expected = genai_prices.calc_price(
        extracted.usage, "sonar-deep-research", provider_id="perplexity"
    )
    cost: Any = PRICES.cost("perplexity", "sonar-deep-research", openai_counts.usage(raw))
    assert cost.usd == pytest.approx(float(expected.total_price), rel=1e-12)
