"""What LLM calls and tool executions have in common: a span, a context, and one true end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from alexobs import semconv
from alexobs.context import SPAN_KEY, Context, attach, current_context, detach
from alexobs.tracing.failure import is_cancellation, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from types import TracebackType

    from alexobs.records import CallFacts

CLOSED = "closed"  # an outcome to be judged by what was seen of the stream

_perf_ns = time.perf_counter_ns


class Instruments(Protocol):
    """What instrumentation is handed; an `Observability` is one."""

    @property
    def active(self) -> bool:
        """False lets every call straight through."""
        ...

    @property
    def content(self) -> str:
        """What is captured of messages, arguments and results."""
        ...

    @property
    def tracer(self) -> Any:
        """An `alexobs.tracing.Tracer`."""
        ...

    def fault(self, where: str, error: BaseException) -> None:
        """Take a fault of ours: it is counted and logged, and never reaches the host."""
        ...


class _SilentSpan:
    """Stands in for a span where an outer call already has one."""

    def fail(self, error: BaseException) -> None:
        """Do nothing: the outer call decides."""

    def add_event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


SILENT = _SilentSpan()


class Observation:
    """One thing that is being done, from its start to its end.

    As a context manager it makes its span current. What comes back (an answer, or a stream that
    has to be consumed first) is handed to `answer`, or ends it by `finish`, `fail` or `close`
    later. The first of these counts, the others do nothing.
    """

    steps: ClassVar[tuple[Callable[[Any], None], ...]]
    """What finds the facts, in order: into `found`; the last is `keep_facts`."""

    __slots__ = (
        "_outcome",
        "_result",
        "_token",
        "busy",
        "chunks",
        "content",
        "error_type",
        "first_ns",
        "found",
        "instruments",
        "known_facts",
        "span",
        "started_ns",
    )

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments
        self.content = instruments.content
        self.busy = False
        self.chunks: list[Any] = []
        self.error_type = ""
        self.span: Any = None
        self.started_ns = 0
        self.first_ns = 0
        self.found: Any = None  # facts, as far as they are read
        self.known_facts: CallFacts | None = None
        self._outcome = ""
        self._result: Any = None

    # -- what the two kinds do differently -----------------------------------------------------

    def start(self) -> Any:
        """Return the span, started."""
        raise NotImplementedError

    def mark(self, values: dict[str, Any]) -> None:
        """Put what others have to know into the context."""
        raise NotImplementedError

    def release(self) -> None:
        """Let go of what the facts were made of."""
        raise NotImplementedError

    # -- on the caller's thread ----------------------------------------------------------------

    def attach(self) -> Token[Context]:
        """Make the span current, starting it the first time; give the token to `detach`."""
        span = self.span
        if span is None:
            span = self.span = self._started()
            self.started_ns = _perf_ns()
        values = current_context().copy()
        if span is not SILENT:
            values[SPAN_KEY] = span
        self.mark(values)
        return attach(Context(values))

    def _started(self) -> Any:
        try:
            return self.start()
        except Exception as fault:
            self.instruments.fault("start_span", fault)
            return SILENT

    def __enter__(self) -> Self:
        self._token: Token[Context] = self.attach()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        detach(self._token)
        if error is not None:
            self.fail(error)

    @property
    def ended(self) -> bool:
        """Whether the outcome is known."""
        return bool(self._outcome)

    def answer(self, result: Any) -> None:
        """Take the whole answer: it has succeeded."""
        if not self._outcome:
            self._result = result
            self._end(semconv.SUCCESS)

    def chunk(self, chunk: Any) -> None:
        """Take one piece of a streamed answer."""
        if self._outcome:
            return
        if not self.first_ns:
            self.first_ns = _perf_ns()
        self.chunks.append(chunk)

    def finish(self) -> None:
        """End a stream that was consumed to its end."""
        if not self._outcome:
            self._end(semconv.SUCCESS)

    def fail(self, error: BaseException) -> None:
        """End with what was raised; a cancellation is not an error."""
        if self._outcome:
            return
        if self.span is not None:
            self.span.fail(error)
        if is_cancellation(error):
            self._end(semconv.CANCELLED)
            return
        self.error_type = type_name(error)
        self._end(semconv.ERROR)

    def refuse(self, error_type: str) -> None:
        """End with an error that was answered and not (yet) raised."""
        if not self._outcome:
            self.error_type = error_type
            self._end(semconv.ERROR)

    def close(self) -> None:
        """End a stream that nobody reads on; what was seen of it decides what it was."""
        if not self._outcome:
            self._end(CLOSED)

    def _end(self, outcome: str) -> None:
        self._outcome = outcome
        try:
            if self.span is not None:
                self.span.end()
        except Exception as fault:
            self.instruments.fault("end_span", fault)

    # -- in the worker -------------------------------------------------------------------------

    def facts(self) -> CallFacts:
        """Return what is known; the references are let go once it has ended."""
        if self.known_facts is None:
            for step in self.steps:
                step(self)
        return self.known_facts or self.found

    def keep_facts(self) -> None:
        """Keep what was found, and let go of what it was made of, when all has ended."""
        if self._outcome:
            self.known_facts = self.found
            self._result = None
            self.chunks = []
            self.release()
