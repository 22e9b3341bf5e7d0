"""Google's GenAI SDK: Gemini and Vertex AI."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.instrumentation import google, google_clones
from alexobs.instrumentation.call import Operation
from alexobs.instrumentation.plain import as_mapping, integer, listed
from alexobs.instrumentation.providers.google_content import (
    ContentFold,
    read_request,
    read_response,
    usage,
)
from alexobs.instrumentation.providers.google_decisions import DECIDE
from alexobs.instrumentation.providers.google_interactions import INTERACTIONS
from alexobs.instrumentation.wrap import Target
from alexobs.records import CallFacts, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.instrumentation.wrap import Factory


def read_embeddings_request(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read a request for embeddings, in any of its three forms."""
    first = as_mapping((body.get("requests") or [body])[0])
    sizes = (
        first.get("outputDimensionality"),
        as_mapping(first.get("embedContentConfig")).get("outputDimensionality"),
        as_mapping(body.get("parameters")).get("outputDimensionality"),
    )
    size = next(filter(None, sizes), None)
    if size:
        facts.attributes[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] = size


def read_embeddings_response(body: Mapping[str, Any], facts: CallFacts) -> None:
    """Read embeddings."""
    predictions = [as_mapping(one).get("embeddings") for one in body.get("predictions") or ()]
    vectors = body.get("embeddings") or listed(body.get("embedding")) or predictions
    size = len(as_mapping(vectors[0]).get("values") or ()) if vectors else 0
    if size:
        facts.attributes.setdefault(semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, size)
    raw = body.get("usageMetadata")
    if raw:
        facts.usage = usage(raw)
        return
    counts = [as_mapping(as_mapping(one).get("statistics")) for one in vectors]
    total = sum(integer(one, "tokenCount") + integer(one, "token_count") for one in counts)
    if total:
        facts.usage = Usage(input_tokens=total, raw={"statistics": counts})


def _operations(provider: str) -> dict[str, Operation]:
    def named(_: str) -> str:
        return provider

    content = Operation(
        "generate_content", named, read_request, read_response, ContentFold, load=google.load
    )
    embeddings = Operation(
        "embeddings",
        named,
        read_embeddings_request,
        read_embeddings_response,
        kind="embedding",
        load=google.load,
    )
    return {
        "generateContent": content,
        "streamGenerateContent": content,
        "batchEmbedContents": embeddings,
        "embedContent": embeddings,
        "predict": embeddings,
    }


METHODS = google.Methods(_operations("gcp.gemini"), _operations("gcp.vertex_ai"))
API_CLIENT: dict[str, Factory] = {
    "request": functools.partial(google.request, METHODS),
    "request_streamed": functools.partial(google.request_streamed, METHODS),
    "async_request": functools.partial(google.async_request, METHODS),
    "async_request_streamed": functools.partial(google.async_request_streamed, METHODS),
    "_request_once": google.request_once,
    "_async_request_once": google.async_request_once,
}
GENERATED = {**INTERACTIONS, "CreateDecision": DECIDE}  # by the ids of their requests
SYNC_SDK: dict[str, Factory] = {"do_request": functools.partial(google.do_request, GENERATED)}
ASYNC_SDK: dict[str, Factory] = {
    "do_request_async": functools.partial(google.do_request_async, GENERATED)
}
HOOKS: dict[str, Factory] = {"before_request": google.before_request}
ASYNC_HOOKS: dict[str, Factory] = {"before_request": google.async_before_request}
_SDK = "google.genai._gaos"
TARGETS = (
    Target("google.genai._api_client", "BaseApiClient", API_CLIENT),
    Target(f"{_SDK}.basesdk", "BaseSDK", SYNC_SDK),
    Target(f"{_SDK}.basesdk", "AsyncBaseSDK", ASYNC_SDK),
    Target(f"{_SDK}._hooks.sdkhooks", "SDKHooks", HOOKS),
    Target(f"{_SDK}._hooks.asyncsdkhooks", "AsyncSDKHooks", ASYNC_HOOKS),
)
_CLONE = functools.partial(google_clones.clone, API_CLIENT, {**SYNC_SDK, **ASYNC_SDK})
CLIENTS = {
    ("google.genai.client", "Client"): _CLONE,
    ("google.genai.client", "AsyncClient"): _CLONE,
}
