"""Which session, iteration and run the current code belongs to.

The ids live in OpenTelemetry's own context, under one key, beside the current span. Whatever
carries that context (asyncio tasks, ``contextvars.copy_context``, OpenTelemetry's threading
instrumentation, our executors) carries them too; there is no second variable to keep in step.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
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

# OpenTelemetry keeps its context in one ContextVar; asking that directly saves 0.2 µs a span. Where
# somebody has set another runtime context, its own methods are used.
_runtime: Any = otel_context._RUNTIME_CONTEXT  # noqa: SLF001
_variable: Any = getattr(_runtime, "_current_context", None)
_direct = type(_runtime) is ContextVarsRuntimeContext and isinstance(_variable, ContextVar)

current_context: Callable[[], Context] = _variable.get if _direct else _runtime.get_current
"""Return OpenTelemetry's current context."""

attach: Callable[[Context], Token[Context]] = _variable.set if _direct else _runtime.attach
"""Make a context current; give the token to `detach`."""

_reset: Callable[[Token[Context]], None] = _variable.reset if _direct else _runtime.detach


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
    return current_context().get(RUN_KEY)  # type: ignore[return-value]


def current_span() -> Span | None:
    """Return the span that is current in OpenTelemetry's context, whoever made it."""
    return current_context().get(SPAN_KEY)  # type: ignore[return-value]


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
    try:  # noqa: SIM105 - contextlib.suppress takes 0.3 µs
        _reset(token)
    except (ValueError, RuntimeError):
        pass
