"""Tracers: they decide a span's place in its trace and whether it is recorded."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace as otel
from opentelemetry.trace import SpanContext, SpanKind

from alexobs.context import RUN_KEY, SPAN_KEY, attach, current_context, detach
from alexobs.context import Context as OtelContext
from alexobs.records import Scope
from alexobs.tracing.failure import message_of
from alexobs.tracing.span import _SCALARS, Span, limited, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from contextvars import Token

    from opentelemetry.context import Context

    from alexobs.context import RunContext
    from alexobs.tracing.runtime import Runtime

_F = TypeVar("_F", bound="Callable[..., Any]")
_INTERNAL = SpanKind.INTERNAL


class Tracer(otel.Tracer):
    """Starts spans; get one from `TracerProvider.get_tracer`."""

    __slots__ = ("_provider", "_scope")

    def __init__(self, provider: TracerProvider, scope: Scope) -> None:
        self._provider = provider
        self._scope = scope

    def start_span(  # noqa: PLR0915, PLR0917 - field by field; OpenTelemetry's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[otel.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        *,
        run: RunContext | None = None,
    ) -> Span:
        """Return a started span that is not current.

        Args:
            name: the operation.
            context: where to look for the parent; default: the current context.
            kind: OpenTelemetry's span kind.
            attributes: initial attributes.
            links: other spans this one has to do with.
            start_time: Unix nanoseconds; default: now.
            record_exception: as in OpenTelemetry; an exception that leaves the span is recorded.
            set_status_on_exception: as in OpenTelemetry.
            run: the session run; default: the context's.
        """
        runtime = self._provider.runtime
        found = current_context() if context is None else context
        parent: Any = found.get(SPAN_KEY)
        if run is None:
            run = found.get(RUN_KEY)  # type: ignore[assignment]
        if parent.__class__ is Span:
            trace_id = parent.trace_id
            parent_span_id = parent.span_id
            sampled = parent.sampled
            flags = parent.flags
            trace_state = parent.trace_state
            local_root = not trace_id
        elif parent is None and runtime.enabled and self._provider.home is None:
            trace_id = runtime.new_trace_id() or 1
            parent_span_id = 0
            sampled = (trace_id & 0xFFFFFFFFFFFFFFFF) < runtime.bound
            flags = 1 if sampled or runtime.deferred else 0
            trace_state = None
            local_root = True
        else:
            parent, run = self._provider.around(parent, run)
            trace_id, parent_span_id, sampled, flags, trace_state = _place(runtime, parent)
            local_root = parent.__class__ is not Span
        span_id = runtime.new_span_id() or 1
        if not runtime.enabled:
            sampled, span_id = False, parent_span_id
        recording = sampled or (runtime.deferred and runtime.enabled)
        span = Span()
        span._runtime = runtime  # noqa: SLF001
        span.scope = self._scope
        span.name = name
        span.kind = kind
        span.trace_id = trace_id
        span.span_id = span_id
        span.parent_span_id = parent_span_id
        span.local_root = local_root
        span.trace_state = trace_state
        span.run = run
        span.sampled = sampled
        span.recording = recording
        span.flags = flags
        span.own_attributes = (
            {} if attributes is None or not recording else _copied(runtime, attributes)
        )
        span.start_time = start_time if start_time is not None else runtime.now_ns()
        span.end_ns = 0
        if links and recording:
            span.add_links(links)
        if recording:
            runtime.open_spans[span_id] = span
            if runtime.processors and sampled:
                runtime.started(span, found)
        return span

    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0917
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[otel.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> SpanScope:
        """Return a context manager, also a decorator, that starts a span and makes it current."""
        start = (name, context, kind, attributes, links, start_time)
        if record_exception and set_status_on_exception and end_on_exit:
            on = context is not None or self._provider.runtime.enabled
            scope = SpanScope() if on else _IdleScope()
        else:
            scope = _OddScope(record_exception, set_status_on_exception, end_on_exit)
        scope.tracer = self
        scope.start = start
        return scope


_Start = tuple[
    str,
    "Context | None",
    SpanKind,
    "Mapping[str, Any] | None",
    "Sequence[otel.Link] | None",
    "int | None",
]


class SpanScope:
    """A span for the length of a ``with`` block, or of each call of a decorated function.

    Attributes:
        tracer: what starts the span.
        start: the arguments of its `start_span`.
    """

    __slots__ = ("_span", "_token", "start", "tracer")

    tracer: Tracer  # set by it, field by field: an `__init__` costs 0.1 µs a span
    start: _Start

    def __enter__(self) -> Span:
        self._span = span = self.tracer.start_span(*self.start)
        context = self.start[1]
        values = (current_context() if context is None else context).copy()
        values[SPAN_KEY] = span
        self._token: Token[Context] = attach(OtelContext(values))
        return span

    def __exit__(self, exc_type: object, error: BaseException | None, traceback: object) -> None:
        detach(self._token)
        if error is not None:
            self._span.fail(error)
        self._span.end()

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: object, error: BaseException | None, traceback: object
    ) -> None:
        self.__exit__(exc_type, error, traceback)

    def __call__(self, function: _F) -> _F:
        """Decorate a function: sync or async."""
        return each_call(function, self._again)

    def _again(self) -> SpanScope:
        return self.tracer.start_as_current_span(*self.start)


class _IdleScope(SpanScope):
    """A scope while tracing is off: what was current stays so, for other people's spans as well."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self.tracer.start_span(*self.start)

    def __exit__(self, exc_type: object, error: BaseException | None, traceback: object) -> None:
        return None


class _OddScope(SpanScope):
    """A scope that leaves something to the caller that others do themselves."""

    __slots__ = ("_end_on_exit", "_record", "_status")

    def __init__(self, record: bool, status: bool, end_on_exit: bool) -> None:
        self._record = record
        self._status = status
        self._end_on_exit = end_on_exit

    def __exit__(self, exc_type: object, error: BaseException | None, traceback: object) -> None:
        detach(self._token)
        span = self._span
        if error is not None:
            if self._record and self._status:
                span.fail(error)
            elif self._record:
                span.record_exception(error)
            elif self._status:
                span.set_status(otel.StatusCode.ERROR, message_of(error))
        if self._end_on_exit:
            span.end()

    def _again(self) -> SpanScope:
        return self.tracer.start_as_current_span(
            *self.start, self._record, self._status, self._end_on_exit
        )


class TracerProvider(otel.TracerProvider):
    """OpenTelemetry's way in: gives tracers that share one `Runtime`.

    Attributes:
        runtime: swapped as a whole when the configuration changes; spans that run keep theirs.
        home: the parent of spans that find none around them, as in threads that nothing was
            carried to; None makes each of them the root of a trace.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.home: Span | None = None

    def around(
        self, parent: otel.Span | None, run: RunContext | None
    ) -> tuple[otel.Span | None, RunContext | None]:
        """Return the parent and run of a span that has found these."""
        home = self.home
        return (parent, run) if parent is not None or home is None else (home, run or home.run)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """Return a tracer whose spans carry this instrumentation scope."""
        return Tracer(
            self,
            Scope(
                instrumenting_module_name or "",
                instrumenting_library_version or "",
                schema_url or "",
            ),
        )


def _place(
    runtime: Runtime, parent: otel.Span | None
) -> tuple[int, int, bool, int, otel.TraceState | None]:
    """Return trace id, parent span id, sampling decision, flags and state below `parent`."""
    if parent is not None:
        context: SpanContext = parent.get_span_context()
        if context is not None and context.trace_id and context.span_id:
            flags = int(context.trace_flags)
            return context.trace_id, context.span_id, bool(flags & 1), flags, context.trace_state
    if not runtime.enabled:
        return 0, 0, False, 0, None
    trace_id = runtime.new_trace_id() or 1
    sampled = (trace_id & 0xFFFFFFFFFFFFFFFF) < runtime.bound
    return trace_id, 0, sampled, 1 if sampled or runtime.deferred else 0, None


def _copied(runtime: Runtime, attributes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        copied = dict(attributes)
        for key, value in copied.items():
            if value.__class__ not in _SCALARS:
                copied[key] = snapshot(value)
    except Exception as fault:
        runtime.fault("start_span", fault)
        return {}
    if len(copied) > runtime.max_attributes:
        return limited(copied, runtime.max_attributes)[0]
    return copied


def each_call(function: _F, scope: Callable[[], AbstractContextManager[Any]]) -> _F:
    """Return `function` so that every call of it, sync or async, runs in a new `scope`."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(
            f"{function.__qualname__} is a generator: a span cannot be current across its yields; "
            "use obs.tool, or open the span inside"
        )
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def observed_coroutine(*args: Any, **kwargs: Any) -> Any:
            with scope():
                return await function(*args, **kwargs)

        return observed_coroutine  # type: ignore[return-value]

    @functools.wraps(function)
    def observed(*args: Any, **kwargs: Any) -> Any:
        with scope():
            return function(*args, **kwargs)

    return observed  # type: ignore[return-value]


__all__ = ["SpanContext", "SpanScope", "Tracer", "TracerProvider"]
