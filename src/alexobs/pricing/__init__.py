"""What LLM calls cost, with where each price comes from."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from alexobs.pricing.book import PriceBook
from alexobs.pricing.prices import Prices
from alexobs.pricing.rates import Unpriced

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alexobs.records import Cost

__all__ = ["PriceBook", "Prices", "Unpriced", "default_prices", "estimate_cost", "use"]


_in_use: Callable[[], PriceBook] | None = None


def use(book: Callable[[], PriceBook] | None) -> None:
    """Estimate with the prices that `book` returns; None: with those the configuration names."""
    global _in_use  # noqa: PLW0603 - the process has one list of prices
    _in_use = book


def default_prices() -> Prices:
    """Return the prices that are in use: the bundled ones and those of the user's own file.

    The file is the one of ``pricing.overrides``, and is read anew when it has changed.

    Raises:
        ConfigError: the configuration, which names it, cannot be used.
        PriceError: the file cannot be used.
    """
    book = _configured() if _in_use is None else _in_use()
    book.poll()
    return book.prices


@cache
def _configured() -> PriceBook:
    from alexobs.config.load import load  # noqa: PLC0415 - after `init` nobody needs it

    return PriceBook(load().pricing.overrides)


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
        ConfigError: the configuration, which names the file of the user's own prices, cannot be
            used.
        PriceError: that file cannot be used.
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
