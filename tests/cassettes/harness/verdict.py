"""Holds what was observed of a call against what the provider said and what the caller saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs import semconv
from harness.oracle import Tokens, cost, truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alexobs.records import SpanData
    from harness.replay import Played

CALL_KINDS = ("llm", "embedding")
COST_TOLERANCE_USD = 1e-12
BUCKETS = (
    semconv.ALEX_TOKENS_UNCACHED_INPUT,
    semconv.ALEX_TOKENS_CACHE_READ,
    semconv.ALEX_TOKENS_CACHE_WRITE,
    semconv.ALEX_TOKENS_OUTPUT,
    semconv.ALEX_TOKENS_REASONING,
)


def call_spans(spans: Sequence[SpanData]) -> list[SpanData]:
    """Return the spans of LLM and embedding calls."""
    return [span for span in spans if span.attributes.get(semconv.ALEX_KIND) in CALL_KINDS]


def mismatches(
    bare: Sequence[Played], seen: Sequence[Played], spans: Sequence[SpanData]
) -> list[str]:
    """Return all that is wrong, as sentences; empty when nothing is."""
    wrong = []
    for before, after in zip(bare, seen, strict=True):
        if before.outcome != after.outcome:
            wrong.append(f"{after.way}: instrumented {after.outcome} != bare {before.outcome}")
    calls = call_spans(spans)
    if len(calls) != len(seen):
        wrong.append(f"{len(seen)} calls gave {len(calls)} spans")
        return wrong
    for played, span in zip(seen, calls, strict=True):
        wrong += [f"{played.asked.number}. {played.way}: {what}" for what in _one(played, span)]
    return wrong


def _one(played: Played, span: SpanData) -> Iterator[str]:
    own = span.attributes
    error = played.outcome.error
    if played.answered is None:
        yield "was not answered from the recording"
        return
    found = truth(played.answered)
    status = semconv.ERROR if error is not None or found.failed else semconv.SUCCESS
    if own.get(semconv.ALEX_STATUS) != status:
        yield f"status {own.get(semconv.ALEX_STATUS)}, expected {status}"
    kind = str(own.get(semconv.ERROR_TYPE)).rpartition(".")[2]
    if error is not None and kind not in (error[0], str(error[2])):
        yield f"error.type {own.get(semconv.ERROR_TYPE)}, raised {error[0]}"
    tokens = _tokens(span)
    if tokens != found.tokens:
        yield f"tokens {tokens}, the provider said {found.tokens}"
    if tokens is not None and _in_buckets(span) != tokens.input + tokens.output:
        yield f"buckets hold {_in_buckets(span)} tokens of {tokens.input + tokens.output}"
    answered = found.response.get("model") or found.response.get("modelVersion")
    if own.get(semconv.GEN_AI_RESPONSE_MODEL) != answered:
        yield f"response model {own.get(semconv.GEN_AI_RESPONSE_MODEL)}, answered {answered}"
    expected = cost(found)
    observed = own.get(semconv.ALEX_COST)
    if (expected is None) != (observed is None):
        yield f"cost {observed} ({own.get(semconv.ALEX_COST_UNPRICED)}), expected {expected}"
    elif (
        expected is not None
        and observed is not None
        and abs(observed - float(expected)) > COST_TOLERANCE_USD
    ):
        yield f"cost {observed}, expected {expected}"


def _tokens(span: SpanData) -> Tokens | None:
    own = span.attributes
    if semconv.GEN_AI_USAGE_INPUT_TOKENS not in own:
        return None
    return Tokens(
        own[semconv.GEN_AI_USAGE_INPUT_TOKENS],
        own.get(semconv.GEN_AI_USAGE_OUTPUT_TOKENS, 0),
        own.get(semconv.GEN_AI_USAGE_CACHE_READ, 0),
        own.get(semconv.GEN_AI_USAGE_CACHE_WRITE, 0),
        own.get(semconv.GEN_AI_USAGE_REASONING, 0),
    )


def _in_buckets(span: SpanData) -> int:
    return sum(span.attributes.get(name, 0) for name in BUCKETS)
