from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context, trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def in_span() -> Callable[..., AbstractContextManager[None]]:
    """Return a context manager that makes a span of the given ids current."""

    @contextmanager
    def use(trace_id: int, span_id: int, *, sampled: bool = True) -> Iterator[None]:
        flags = trace.TraceFlags(int(sampled))
        span = trace.NonRecordingSpan(trace.SpanContext(trace_id, span_id, False, flags))
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield
        finally:
            context.detach(token)

    return use
