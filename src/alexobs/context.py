"""Which session, iteration and run the current code belongs to.

The ids live in OpenTelemetry's own context, under one key, beside the current span. Whatever
carries that context (asyncio tasks, ``contextvars.copy_context``, OpenTelemetry's threading
instrumentation, our executors) carries them too; there is no second variable to keep in step.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY as SPAN_KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.trace import Span

__all__ = [
    "RUN_KEY",
    "SPAN_KEY",
    "Context",
    "RunContext",
    "attach",
    "attach_span",
    "current_context",
    "current_run",
    "current_span",
    "detach",
    "run_of",
]

RUN_KEY = "alexobs-run"

_runtime: Any = otel_context._RUNTIME_CONTEXT  # noqa: SLF001 - 0.3 µs less per look-up

current_context: Callable[[], Context] = _runtime.get_current
"""Return OpenTelemetry's current context."""

attach: Callable[[Context], Token[Context]] = _runtime.attach
"""Make a context current; give the token to `detach`."""


class RunContext:
    """Ids of the run that the current code belongs to. Immutable by convention.

    ``run_id`` is new for every session; a session started inside another (a sub-agent) keeps the
    outer one's as ``parent_run_id``. ``iteration`` is 0 outside an iteration.
    """

    __slots__ = ("agent", "iteration", "parent_run_id", "run_id", "session_id", "user_id")

    def __init__(
        self,
        session_id: str,
        run_id: str,
        *,
        parent_run_id: str = "",
        iteration: int = 0,
        user_id: str = "",
        agent: str = "",
    ) -> None:
        self.session_id = session_id
        self.run_id = run_id
        self.parent_run_id = parent_run_id
        self.iteration = iteration
        self.user_id = user_id
        self.agent = agent

    def with_iteration(self, number: int) -> RunContext:
        """Return the same run at iteration `number`."""
        return RunContext(
            self.session_id,
            self.run_id,
            parent_run_id=self.parent_run_id,
            iteration=number,
            user_id=self.user_id,
            agent=self.agent,
        )


def current_run() -> RunContext | None:
    """Return the run that the calling code belongs to, or None outside a session."""
    return _runtime.get_current().get(RUN_KEY)  # type: ignore[no-any-return]


def current_span() -> Span | None:
    """Return the span that is current in OpenTelemetry's context, whoever made it."""
    return _runtime.get_current().get(SPAN_KEY)  # type: ignore[no-any-return]


def run_of(context: Context) -> RunContext | None:
    """Return the run in `context`, or None outside a session."""
    return context.get(RUN_KEY)  # type: ignore[return-value]


def attach_span(span: Span, run: RunContext | None = None) -> Token[Context]:
    """Make `span` (and `run`, when given) current; give the token to `detach`."""
    values = current_context().copy()
    values[SPAN_KEY] = span
    if run is not None:
        values[RUN_KEY] = run
    return attach(Context(values))


def detach(token: Token[Context]) -> None:
    """Restore the context from before `attach`.

    Does nothing in another execution context than the one that attached: there the context never
    changed. This is how an async generator ends that is closed by another task, or collected.
    """
    with contextlib.suppress(ValueError, RuntimeError):
        _runtime.detach(token)
