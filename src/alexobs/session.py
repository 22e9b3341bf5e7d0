"""Sessions and iterations: the spans at the top of an agent's run, and the ids below them."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from opentelemetry.trace import SpanKind

from alexobs import semconv
from alexobs.context import RunContext, attach_span, current_run, detach
from alexobs.tracing.tracer import each_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context

    from alexobs.tracing import Span, Tracer

    _F = TypeVar("_F", bound=Callable[..., Any])


class Host(Protocol):
    """What a session needs of the `Observability` it belongs to."""

    @property
    def tracer(self) -> Tracer: ...  # noqa: D102
    @property
    def content(self) -> str: ...  # noqa: D102

    def session_started(self, session: Session) -> None: ...  # noqa: D102
    def session_ended(self, session: Session, duration_s: float, error_type: str) -> None: ...  # noqa: D102


class _Scope:
    """A span that is current, with its run, from enter to exit; sync and async."""

    def __init__(self) -> None:
        self._token: Token[Context] | None = None
        self.span: Span | None = None

    def _start(self) -> tuple[Span, RunContext | None]:
        raise NotImplementedError

    def _ended(self, span: Span, error: BaseException | None) -> None:
        """Do what follows the end of the span."""

    def __enter__(self) -> Self:
        span, run = self._start()
        self.span = span
        self._token = attach_span(span, run)
        return self

    def __exit__(self, exc_type: object, error: BaseException | None, traceback: object) -> None:
        token, self._token = self._token, None
        span = self.span
        if token is not None:
            detach(token)
        if span is None or span.ended:
            return
        if error is not None:
            span.fail(error)
        span.end()
        self._ended(span, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: object, error: BaseException | None, traceback: object
    ) -> None:
        self.__exit__(exc_type, error, traceback)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute of the span."""
        if self.span is not None:
            self.span.set_attribute(key, value)

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed by `error`, for code that handles the exception itself."""
        if self.span is not None:
            self.span.fail(error)


class Session(_Scope):
    """One run of an agent on one task: span ``alex.session.solve_task``.

    Use it as a context manager, ``with`` or ``async with``, or as a decorator. Everything that
    happens inside carries its ids.

    Attributes:
        session_id: as given, or new.
        run_id: new for every run; a session inside a session keeps the outer one's as parent.
    """

    def __init__(
        self,
        host: Host,
        task: str = "",
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        agent: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._host = host
        self.task = _id(task)
        self._given_id = _id(session_id)
        self._user_id = _id(user_id)
        self._agent = _id(agent)
        self._attributes = attributes or {}
        self._iterations = 0
        self.session_id = self._given_id
        self.run_id = ""

    def _start(self) -> tuple[Span, RunContext]:
        outer = current_run()
        self.session_id = self._given_id or (outer.session_id if outer else uuid.uuid4().hex)
        self.run_id = uuid.uuid4().hex
        run = SessionRun(
            self.session_id,
            self.run_id,
            parent_run_id=outer.run_id if outer else "",
            user_id=self._user_id or (outer.user_id if outer else ""),
            agent=self._agent or "",
        )
        run.session = self
        span = self._host.tracer.start_span(
            semconv.SPAN_SESSION,
            kind=SpanKind.INTERNAL,
            attributes=self._span_attributes(),
            run=run,
        )
        self._started_s = time.perf_counter()
        self._host.session_started(self)
        return span, run

    def _span_attributes(self) -> dict[str, Any]:
        attributes = {semconv.GEN_AI_OPERATION_NAME: "invoke_agent", **self._attributes}
        if self._agent:
            attributes[semconv.GEN_AI_AGENT_NAME] = self._agent
        if self._given_id:
            attributes[semconv.GEN_AI_CONVERSATION_ID] = self._given_id
        if self.task and self._host.content == "full":
            attributes[semconv.ALEX_TASK] = self.task
        return attributes

    def _ended(self, span: Span, error: BaseException | None) -> None:
        failure = span.failure
        error_type = "" if failure is None or failure.cancelled else failure.type_name
        self._host.session_ended(self, time.perf_counter() - self._started_s, error_type)

    @property
    def agent(self) -> str:
        """The agent's name, or an empty text."""
        return self._agent or ""

    @property
    def status(self) -> str:
        """``success``, ``error`` or ``cancelled``; ``success`` while nothing has failed."""
        failure = self.span.failure if self.span is not None else None
        if failure is None:
            failed = self.span is not None and self.span.status_code == 2
            return semconv.ERROR if failed else semconv.SUCCESS
        return semconv.CANCELLED if failure.cancelled else semconv.ERROR

    def next_iteration(self) -> int:
        """Return the number of the next iteration that is not given one."""
        return self._iterations + 1

    def count_iteration(self, number: int) -> None:
        """Remember that iteration `number` has started."""
        self._iterations = number

    def __call__(self, function: _F) -> _F:
        """Decorate a function, sync or async: every call is a session of its own."""
        return each_call(function, self._copy)

    def _copy(self) -> Session:
        return Session(
            self._host,
            self.task,
            session_id=self._given_id,
            user_id=self._user_id,
            agent=self._agent,
            attributes=self._attributes,
        )


def _id(value: object) -> str:
    """Return an id as text, whatever was given: people have numbers and UUIDs."""
    if type(value) is str:
        return value
    try:
        return "" if value is None else str(value)
    except Exception:
        return f"<{type(value).__name__}>"


class SessionRun(RunContext):
    """The run of a session of this process."""

    __slots__ = ("session",)

    session: Session


class Iteration(_Scope):
    """One turn of the agent's loop: span ``alex.react.iteration``.

    Args:
        number: from 1; default: one more than the session's last.
    """

    def __init__(
        self, tracer: Tracer, number: int | None, attributes: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._tracer = tracer
        self._number = number if isinstance(number, int) else None
        self._attributes = attributes
        self.number = self._number or 0

    def _start(self) -> tuple[Span, RunContext | None]:
        run = current_run()
        session = run.session if isinstance(run, SessionRun) else None
        number = self._number
        if number is None:
            number = 1 if session is None else session.next_iteration()
        if session is not None:
            session.count_iteration(number)
        self.number = number
        inner = RunContext("", "", iteration=number) if run is None else run.with_iteration(number)
        if run is None:
            inner = None  # type: ignore[assignment]
        attributes = {semconv.ALEX_ITERATION: number, **(self._attributes or {})}
        span = self._tracer.start_span(semconv.SPAN_ITERATION, attributes=attributes, run=inner)
        return span, inner

    def __call__(self, function: _F) -> _F:
        """Decorate a function, sync or async: every call is an iteration of its own."""
        return each_call(function, lambda: Iteration(self._tracer, self._number, self._attributes))
