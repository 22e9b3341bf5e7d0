"""From tokens to money: one model's prices at one moment, and what a call costs by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alexobs.pricing.modalities import KINDS, adjust
from alexobs.records import Cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alexobs.records import Usage

# A bucket without a price of its own pays the next one's: cached tokens are input, and so on.
_PAYS_LIKE: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "input_audio": "input",
    "reasoning": "output",
    "output_audio": "output",
}
TOKEN_KEYS: Final = ("input", "output", *_PAYS_LIKE, "cache_read_audio")
# Units that no usage tells in tokens. A model that has them beside token prices charges them for
# audio, so that audio tokens alone do not say what a call costs.
_HOURS: Final = frozenset({"audio_hours", "input_audio_hours", "output_audio_hours"})


class Unpriced(NamedTuple):
    """Why a call's cost is unknown, in words for a person."""

    reason: str


class Rates(NamedTuple):
    """USD per million tokens of each kind; None where there is no price.

    ``per_token`` is what the hot path needs: USD per token of uncached input, cache read, cache
    write, output and reasoning, with 0 where there is no price.
    """

    input: float | None
    cache_read: float | None
    cache_write: float | None
    cache_write_1h: float | None
    output: float | None
    reasoning: float | None
    input_audio: float | None
    cache_read_audio: float | None
    output_audio: float | None
    per_token: tuple[float, ...]

    @classmethod
    def resolve(cls, prices: Mapping[str, Any], input_tokens: int) -> Rates:
        """Return the rates that hold for a call with so many input tokens."""
        known: dict[str, float | None] = {
            key: _at(prices[key], input_tokens) for key in TOKEN_KEYS if key in prices
        }
        for key, instead in _PAYS_LIKE.items():
            known.setdefault(key, known.get(instead))
        if "cache_read_audio" not in known:
            cached_apart = "cache_read" in prices
            known["cache_read_audio"] = known["cache_read" if cached_apart else "input_audio"]
        found = cls(**{key: known.get(key) for key in TOKEN_KEYS}, per_token=())
        plain = (found.input, found.cache_read, found.cache_write, found.output, found.reasoning)
        return found._replace(per_token=tuple((rate or 0.0) / 1e6 for rate in plain))


def _at(price: float | Sequence[Any], input_tokens: int) -> float:
    """Return the price of the highest tier that the input is above; it is for all tokens."""
    if isinstance(price, (int, float)):
        return float(price)
    base, *tiers = price
    found = float(base)
    for start, tier_price in tiers:
        if input_tokens > start:
            found = float(tier_price)
    return found


def _times(price: Any, factor: float) -> Any:
    if isinstance(price, (int, float)):
        return price * factor
    base, *tiers = price
    return [base * factor, *([start, tier * factor] for start, tier in tiers)]


def tier_starts(prices: Mapping[str, Any]) -> list[int]:
    """Return the numbers of input tokens above which other prices hold."""
    tiered = [price[1:] for price in prices.values() if not isinstance(price, (int, float))]
    return sorted({start for tiers in tiered for start, _ in tiers})


class Table:
    """The prices of one model at one moment, ready to multiply.

    Args:
        prices: by key (``TOKEN_KEYS``, ``request_k``, ``web_search_k``, or another unit's name):
            USD per million tokens, per thousand requests or searches; a number, or a list of the
            base price and ``[start, price]`` tiers.
        price_id: where the price comes from.
        price_date: ISO date of the price data.
        search_paths: where a provider's usage object tells the number of billed web searches.
        free: whether having no prices means that the model costs nothing.
    """

    __slots__ = (
        "_base",
        "_complete",
        "_extras",
        "_kinds",
        "_search_paths",
        "_tiers",
        "price_date",
        "price_id",
        "prices",
    )

    def __init__(
        self,
        prices: Mapping[str, Any],
        *,
        price_id: str,
        price_date: str,
        search_paths: Sequence[Sequence[str]] = (),
        free: bool = False,
    ) -> None:
        if free and not prices:
            prices = {"input": 0.0, "output": 0.0}
        self.price_id = price_id
        self.price_date = price_date
        self.prices = prices
        self._search_paths = search_paths
        self._extras = "request_k" in prices or ("web_search_k" in prices and bool(search_paths))
        self._kinds = sorted(KINDS.keys() & prices.keys())
        self._complete = "input" in prices and "output" in prices and not _HOURS & prices.keys()
        self._base = Rates.resolve(prices, 0)
        self._tiers = [(start, Rates.resolve(prices, start + 1)) for start in tier_starts(prices)]

    def cost(self, usage: Usage) -> Cost | Unpriced:
        """Return what a call with this usage costs, or why that is unknown."""
        input_, output, read, write, reasoning, hour, audio_in, audio_out, audio_read, _ = usage
        uncached = input_ - read - write
        answer = output - reasoning
        special = hour | audio_in | audio_out | audio_read
        # The sign bit of the union is set when any of them is negative.
        if (uncached | answer | read | write | reasoning | special) < 0:
            return Unpriced(_inconsistency(usage))
        rates = self._base
        if self._tiers:
            for start, tier in self._tiers:
                if input_ > start:
                    rates = tier
        if not self._complete:
            gap = self._gap(usage, rates)
            if gap:
                return Unpriced(gap)
        per_uncached, per_read, per_write, per_answer, per_reasoning = rates.per_token
        parts = {
            "uncached_input": uncached * per_uncached,
            "cache_read": read * per_read,
            "cache_write": write * per_write,
            "output": answer * per_answer,
            "reasoning": reasoning * per_reasoning,
        }
        if special:
            problem = _adjust(parts, usage, rates)
            if problem:
                return Unpriced(problem)
        if self._kinds and usage.raw:
            own = {unit: _at(self.prices[unit], input_) for unit in self._kinds}
            if not adjust(parts, usage, rates, own):
                return Unpriced(_inconsistency(usage))
        if self._extras:
            self._add_extras(parts, usage)
        return Cost(sum(parts.values()), self.price_id, self.price_date, parts)

    def scaled(self, factor: float, price_id: str) -> Table:
        """Return the same prices times a factor, under another name."""
        prices = {key: _times(price, factor) for key, price in self.prices.items()}
        return Table(
            prices, price_id=price_id, price_date=self.price_date, search_paths=self._search_paths
        )

    def _gap(self, usage: Usage, rates: Rates) -> str:
        """Return what has no price although it was used, or an empty text."""
        units = sorted(key for key in self.prices if key not in TOKEN_KEYS)
        if rates.input is None and rates.output is None and rates.input_audio is None:
            by = f"is priced by {', '.join(units)}, not by token" if units else "has no price"
            return f"{self.price_id} {by}"
        if usage.input_audio_tokens and _HOURS & set(units) and "input_audio" not in self.prices:
            return f"{self.price_id} charges audio by the hour, which usage does not tell"
        used = {
            "input": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
            "cache_read": usage.cache_read_tokens,
            "cache_write": usage.cache_write_tokens,
            "output": usage.output_tokens - usage.reasoning_tokens,
            "reasoning": usage.reasoning_tokens,
        }
        for key, tokens in used.items():
            if tokens and getattr(rates, key) is None:
                return f"{self.price_id} has no price for {key} tokens"
        return ""

    def _add_extras(self, parts: dict[str, float], usage: Usage) -> None:
        if "request_k" in self.prices:
            parts["request"] = _at(self.prices["request_k"], usage.input_tokens) / 1e3
        if "web_search_k" in self.prices and usage.raw:
            searches = _searches(usage.raw, self._search_paths)
            if searches:
                price = _at(self.prices["web_search_k"], usage.input_tokens)
                parts["web_search"] = searches * price / 1e3


def _adjust(parts: dict[str, float], usage: Usage, rates: Rates) -> str:
    """Put right the parts in which tokens have prices of their own: audio, one-hour cache."""
    hour, audio_in, audio_out, audio_cached = usage[5:9]
    if hour > usage.cache_write_tokens or audio_cached > min(audio_in, usage.cache_read_tokens):
        return _inconsistency(usage)
    uncached = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    if audio_in - audio_cached > uncached or audio_out > usage.output_tokens:
        return _inconsistency(usage)
    for bucket, tokens, own, instead in (
        ("cache_write", hour, rates.cache_write_1h, rates.cache_write),
        ("uncached_input", audio_in - audio_cached, rates.input_audio, rates.input),
        ("cache_read", audio_cached, rates.cache_read_audio, rates.cache_read),
        ("output", audio_out, rates.output_audio, rates.output),
    ):
        parts[bucket] += tokens * ((own or 0.0) - (instead or 0.0)) / 1e6
    return ""


def _inconsistency(usage: Usage) -> str:
    counts = ", ".join(
        f"{name} {count}" for name, count in zip(usage._fields[:9], usage[:9], strict=True) if count
    )
    return f"the usage contradicts itself: {counts}"


def _searches(raw: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> int:
    for path in paths:
        found: Any = raw
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, int):
            return found
    return 0
