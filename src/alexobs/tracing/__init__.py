"""Tracing behind the OpenTelemetry Trace API."""

from __future__ import annotations

from alexobs.tracing.failure import Failure, is_cancellation
from alexobs.tracing.runtime import Ids, Runtime
from alexobs.tracing.span import Span
from alexobs.tracing.tracer import SpanScope, Tracer, TracerProvider

__all__ = [
    "Failure",
    "Ids",
    "Runtime",
    "Span",
    "SpanScope",
    "Tracer",
    "TracerProvider",
    "is_cancellation",
]
