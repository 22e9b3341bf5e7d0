"""Tokens of chat completions, embeddings and completions, in the dialects of many providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.instrumentation.plain import as_mapping, counts_any, integer
from alexobs.records import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping


def usage(raw: Mapping[str, Any] | None, output: str = "completion_tokens") -> Usage | None:
    """Return the tokens of an answer; input includes cached ones already.

    Args:
        raw: the provider's own object.
        output: under which name it counts what was generated; empty when nothing is.
    """
    if raw is None or not counts_any(raw, "prompt_tokens", output or "total_tokens"):
        return None
    sent, made = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    reasoning = integer(made, "reasoning_tokens")
    if "citation_tokens" in raw:  # Perplexity counts these beside the output
        reasoning = integer(raw, "reasoning_tokens")
    return Usage(
        # Voyage has nothing but the total of an embedding
        input_tokens=integer(raw, "prompt_tokens" if output else _input_of(raw)),
        output_tokens=integer(raw, output) + _outside(raw, reasoning),
        # DeepSeek and Moonshot name the cached ones at the top level
        cache_read_tokens=integer(sent, "cached_tokens")
        or integer(raw, "prompt_cache_hit_tokens")
        or integer(raw, "cached_tokens"),
        cache_write_tokens=integer(sent, "cache_write_tokens"),
        reasoning_tokens=reasoning,
        input_audio_tokens=integer(sent, "audio_tokens"),
        output_audio_tokens=integer(made, "audio_tokens"),
        raw=raw,
    )


def _input_of(raw: Mapping[str, Any]) -> str:
    return "prompt_tokens" if counts_any(raw, "prompt_tokens") else "total_tokens"


def _outside(raw: Mapping[str, Any], reasoning: int) -> int:
    """Return what was generated and counted beside the output.

    That is Perplexity's reasoning and citations, and xAI's reasoning, by its total.
    """
    if "citation_tokens" in raw:
        return reasoning + integer(raw, "citation_tokens")
    counted = integer(raw, "prompt_tokens") + integer(raw, "completion_tokens")
    return reasoning if integer(raw, "total_tokens") == counted + reasoning else 0


def streamed_usage(event: Mapping[str, Any]) -> Any:
    """Return the usage in a chunk: its own, Groq's, or Moonshot's in the choice."""
    found = event.get("usage") or as_mapping(event.get("x_groq")).get("usage")
    if found:
        return found
    return next((one["usage"] for one in event.get("choices") or () if one.get("usage")), None)
