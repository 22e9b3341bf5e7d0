"""What LLM calls cost, with where each price comes from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alexobs.pricing.prices import Prices
from alexobs.pricing.rates import Unpriced

if TYPE_CHECKING:
    from datetime import datetime

    from alexobs.records import Cost

__all__ = ["Prices", "Unpriced", "default_prices", "estimate_cost"]


@cache
def default_prices() -> Prices:
    """Return the bundled prices with those of ``~/.alex/prices.yaml``, read once.

    Raises:
        PriceError: that file cannot be used.
    """
    return Prices.load(Path("~/.alex/prices.yaml"))


def estimate_cost(
    model: str,
    *,
    provider: str | None = None,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
    reasoning_tokens: int = 0,
    input_audio_tokens: int = 0,
    output_audio_tokens: int = 0,
    when: datetime | None = None,
) -> Cost | None:
    """Return what a call would cost in USD, or None when that is unknown.

    ``input_tokens`` includes the cached ones and ``output_tokens`` the reasoning, as in the
    GenAI conventions. Without `provider` the model's name decides whose price it is.

    Raises:
        PriceError: ``~/.alex/prices.yaml`` cannot be used.
    """
    return default_prices().estimate(
        model,
        provider=provider,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
        input_audio_tokens=input_audio_tokens,
        output_audio_tokens=output_audio_tokens,
        when=when,
    )
