"""How we and OpenTelemetry's own GenAI instrumentations agree on who has the span.

They put an object under a context key, one per kind of request, for as long as a call runs, and
leave calls alone that find an object of that class there. The classes live in
``opentelemetry-util-genai``; when that is not loaded nobody looks, and a plain mark does.
"""

from __future__ import annotations

import sys
from typing import Any

from alexobs import semconv
from alexobs.tracing import Tracer

_PACKAGE = "opentelemetry.util.genai"
_INFERENCE = (semconv.INFERENCE_CONTEXT_KEY, "_inference_invocation", "InferenceData")
# `gen_ai.operation.name` to context key, module and class; all others are inferences.
_KINDS = {
    "embeddings": (
        "opentelemetry.genai.client.embedding.context",
        "_embedding_invocation",
        "EmbeddingData",
    ),
    "fetch_response": (
        "opentelemetry.genai.client.fetch_response.context",
        "_fetch_response_invocation",
        "FetchResponseData",
    ),
}


def key_of(operation: str) -> str:
    """Return the context key for a kind of request."""
    return _KINDS.get(operation, _INFERENCE)[0]


def mark(values: dict[str, Any], operation: str) -> None:
    """Put into a context that a call of ours has the span."""
    key, module, name = _KINDS.get(operation, _INFERENCE)
    loaded = sys.modules.get(f"{_PACKAGE}.{module}") if _PACKAGE in sys.modules else None
    try:
        values[key] = True if loaded is None else getattr(loaded, name)()
    except Exception:  # another version of theirs
        values[key] = True


def is_ours(client: Any) -> bool:
    """Tell whether an SDK's own tracing (Anthropic's has some) ends up in our tracer.

    In somebody else's provider those spans belong: it sees none of ours.
    """
    tracer = getattr(client, "_tracer", None)
    return isinstance(tracer, Tracer) or isinstance(getattr(tracer, "_tracer", None), Tracer)
