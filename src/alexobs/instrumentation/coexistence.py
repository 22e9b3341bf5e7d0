"""How we and OpenTelemetry's own GenAI instrumentations agree on who has the span.

They put an object under one context key for as long as a call runs, and leave calls alone that
find an object of that class there. The class lives in ``opentelemetry-util-genai``; when that is
not loaded nobody looks, and a plain mark does.
"""

from __future__ import annotations

import sys
from typing import Any

from alexobs.tracing import Tracer

_INFERENCE_MODULE = "opentelemetry.util.genai._inference_invocation"


def marker() -> Any:
    """Return what to put under `semconv.INFERENCE_CONTEXT_KEY` while a call of ours runs."""
    module = sys.modules.get(_INFERENCE_MODULE)
    if module is None:
        return True
    try:
        return module.InferenceData()
    except Exception:
        return True


def is_ours(tracer: Any) -> bool:
    """Tell whether an SDK's own tracing (Anthropic's has some) ends up in our tracer.

    In somebody else's provider those spans belong: it sees none of ours.
    """
    return isinstance(tracer, Tracer) or isinstance(getattr(tracer, "_tracer", None), Tracer)
