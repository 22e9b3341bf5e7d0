"""What a call used and cost, from the recorded response alone: no code of alexobs takes part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import genai_prices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from harness.recording import Interaction


class Tokens(NamedTuple):
    """Tokens by the conventions' arithmetic."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    """The provider's own account of one call; None where it gives none.

    ``response`` has the shape of a plain response: model and usage. ``model`` is the one that
    was asked for when the response names none.
    """

    model: str
    tokens: Tokens | None
    response: Mapping[str, Any]
    flavor: str
    provider: str
    billed: bool
    failed: bool  # a stream that ends in an error event, which not every package raises


def truth(item: Interaction) -> Truth:
    """Return what a recorded response says of its call."""
    path = item.path.rpartition("?")[0] or item.path
    if path.endswith("/chat/completions"):
        return _told(item, "openai", "chat", _chat)
    if path.endswith("/embeddings"):
        return _told(item, "openai", "embeddings", _embeddings)
    if "/responses" in path:
        return _told(item, "openai", "responses", _responses)
    if path.endswith("/messages"):
        return _told(item, "anthropic", "default", _messages)
    if "/interactions" in path:
        return _told(item, "google", "interactions", _interactions)
    return _told(item, "google", "default", _gemini)


def cost(found: Truth) -> Decimal | None:
    """Return the price of a call by genai-prices, or None when it knows none."""
    if found.tokens is None or not found.billed:
        return None
    try:
        if found.flavor == "interactions":  # not among its extractors
            return genai_prices.calc_price(
                genai_prices.Usage(
                    input_tokens=found.tokens.input,
                    output_tokens=found.tokens.output,
                    cache_read_tokens=found.tokens.cache_read,
                ),
                found.model,
                provider_id="google",
            ).total_price
        extracted = genai_prices.extract_usage(
            found.response, provider_id=found.provider, api_flavor=found.flavor
        )
        return genai_prices.calc_price(
            extracted.usage,
            found.model,
            provider_id=found.provider,
            price_context=_context(found),
        ).total_price
    except LookupError:
        return None


def _context(found: Truth) -> dict[str, str]:
    usage = found.response.get("usage")
    tier = found.response.get("service_tier")
    if tier is None and isinstance(usage, dict):
        tier = usage.get("service_tier")
    return {"service_tier": tier} if tier else {}


def _told(item: Interaction, provider: str, flavor: str, read: Any) -> Truth:
    payloads = item.events if item.is_event_stream else [item.answered]
    response = {}
    if item.status < 400:
        response = read([payload for payload in payloads if isinstance(payload, dict)])
    usage = response.get("usage") or response.get("usageMetadata")
    tokens = COUNTS[flavor if provider != "anthropic" else "messages"](usage) if usage else None
    in_path = re.search(r"/models/([^/:]+):", item.path)
    asked = item.asked.get("model") or (in_path[1] if in_path else "")
    model = response.get("model") or response.get("modelVersion") or asked
    failed = item.is_event_stream and any(map(_is_error_event, payloads))
    return Truth(model, tokens, response, flavor, provider, item.method == "POST", failed)


def _is_error_event(payload: Any) -> bool:
    kind = payload.get("type") or payload.get("event_type") if isinstance(payload, dict) else ""
    return kind == "error"


# -- one response out of a stream -----------------------------------------------------------------
def _chat(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for payload in payloads:
        merged |= {
            name: payload[name]
            for name in ("model", "usage", "service_tier")
            if payload.get(name) is not None
        }
    return merged


def _embeddings(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    return _chat(payloads)


def _responses(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    return _chat([payload.get("response", payload) for payload in payloads])


def _messages(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    for payload in payloads:
        message = payload.get("message", payload)
        if message.get("model"):
            merged["model"] = message["model"]
        # message_delta repeats the counts that have changed; they are totals, not increments.
        counts = message.get("usage") or {}
        usage |= {name: count for name, count in counts.items() if count is not None}
    if usage:
        merged["usage"] = usage
    return merged


def _gemini(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for payload in payloads:
        merged |= {
            name: payload[name] for name in ("modelVersion", "usageMetadata") if payload.get(name)
        }
    return merged


def _interactions(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    return _chat([payload.get("interaction", payload) for payload in payloads])


# -- the providers' arithmetics -------------------------------------------------------------------
def _chat_tokens(usage: Mapping[str, Any]) -> Tokens:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Tokens(
        usage["prompt_tokens"],
        usage.get("completion_tokens") or 0,
        prompt.get("cached_tokens") or 0,
        prompt.get("cache_write_tokens") or 0,
        completion.get("reasoning_tokens") or 0,
    )


def _responses_tokens(usage: Mapping[str, Any]) -> Tokens:
    prompt = usage.get("input_tokens_details") or {}
    output = usage.get("output_tokens_details") or {}
    return Tokens(
        usage["input_tokens"],
        usage["output_tokens"],
        prompt.get("cached_tokens") or 0,
        prompt.get("cache_write_tokens") or 0,
        output.get("reasoning_tokens") or 0,
    )


def _messages_tokens(usage: Mapping[str, Any]) -> Tokens:
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Tokens(
        usage["input_tokens"] + read + written, usage["output_tokens"], read, written, thinking
    )


def _gemini_tokens(usage: Mapping[str, Any]) -> Tokens:
    thoughts = usage.get("thoughtsTokenCount") or 0
    return Tokens(
        (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
        (usage.get("candidatesTokenCount") or 0) + thoughts,
        usage.get("cachedContentTokenCount") or 0,
        reasoning=thoughts,
    )


def _interactions_tokens(usage: Mapping[str, Any]) -> Tokens:
    thoughts = usage.get("total_thought_tokens") or 0
    return Tokens(
        (usage.get("total_input_tokens") or 0) + (usage.get("total_tool_use_tokens") or 0),
        (usage.get("total_output_tokens") or 0) + thoughts,
        usage.get("total_cached_tokens") or 0,
        reasoning=thoughts,
    )


COUNTS: dict[str, Any] = {
    "chat": _chat_tokens,
    "embeddings": _chat_tokens,
    "responses": _responses_tokens,
    "messages": _messages_tokens,
    "default": _gemini_tokens,
    "interactions": _interactions_tokens,
}
