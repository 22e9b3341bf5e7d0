"""Tokens of kinds that some models price apart, out of the providers' own usage objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.pricing.rates import Rates
    from alexobs.records import Usage


class Kind(NamedTuple):
    """One kind of token.

    Attributes:
        bucket: in which the tokens are counted, at the price of the plain ones.
        plain: the rate of the plain ones.
        modality: of Google's lists; documents are read as images.
        lists: the keys of Google's lists, of generated content and of interactions.
        minus: the lists of those of them that were cached.
        total: the key of a plain count.
    """

    bucket: str
    plain: str
    modality: str = ""
    lists: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    total: str = ""


_SENT: Final = (
    "promptTokensDetails",
    "toolUsePromptTokensDetails",
    "input_tokens_by_modality",
    "tool_use_tokens_by_modality",
)
_MADE: Final = ("candidatesTokensDetails", "output_tokens_by_modality")
_CACHED: Final = ("cacheTokensDetails", "cached_tokens_by_modality")

KINDS: Final[Mapping[str, Kind]] = {
    "input_image_mtok": Kind("uncached_input", "input", "image", _SENT, _CACHED),
    "input_video_mtok": Kind("uncached_input", "input", "video", _SENT, _CACHED),
    "output_image_mtok": Kind("output", "output", "image", _MADE),
    "output_video_mtok": Kind("output", "output", "video", _MADE),
    "output_citation_mtok": Kind("output", "output", total="citation_tokens"),
}


def adjust(
    parts: dict[str, float], usage: Usage, rates: Rates, prices: Mapping[str, float]
) -> bool:
    """Put right the parts in which tokens have other prices; False when the counts cannot be."""
    raw = usage.raw or {}
    sent = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    left = {"uncached_input": sent, "output": usage.output_tokens - usage.reasoning_tokens}
    for unit, price in prices.items():
        kind = KINDS[unit]
        tokens = _count(raw, kind)
        left[kind.bucket] -= tokens
        parts[kind.bucket] += tokens * (price - (getattr(rates, kind.plain) or 0.0)) / 1e6
    return min(left.values()) >= 0


def _count(raw: Mapping[str, Any], kind: Kind) -> int:
    calls = raw.get("calls")  # several requests that were one call
    if isinstance(calls, list):
        return sum(_count(one, kind) for one in calls if isinstance(one, dict))
    if kind.total:
        found = raw.get(kind.total)
        return found if isinstance(found, int) else 0
    found = sum(_listed(raw.get(key), kind.modality) for key in kind.lists)
    return max(0, found - sum(_listed(raw.get(key), kind.modality) for key in kind.minus))


def _listed(counts: Any, modality: str) -> int:
    total = 0
    for one in counts if isinstance(counts, list) else ():
        name = str(one.get("modality")).lower()
        if name == modality or (name == "document" and modality == "image"):
            found = one.get("tokenCount", one.get("tokens"))
            total += found if isinstance(found, int) else 0
    return total
