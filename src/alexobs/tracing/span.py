"""One span: what it costs to record is a few assignments (decision record 0002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from opentelemetry import trace as otel
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from alexobs import semconv
from alexobs.records import Scope, SpanEvent, SpanLink
from alexobs.tracing.failure import Failure
from alexobs.tracing.readable import ReadableEvent, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from alexobs.context import RunContext
    from alexobs.records import Call
    from alexobs.tracing.runtime import Runtime

_SCALARS = frozenset((str, int, float, bool))
_UNSET, _OK, _ERROR = 0, 1, 2
MAX_DEPTH = 32  # of nested lists and dicts; what is deeper is named, not kept
TOO_DEEP = "[too deep]"


class Span(otel.Span):
    """An OpenTelemetry span, mutable until it ends.

    It offers what the SDK's ``ReadableSpan`` offers, so that a user's own ``SpanProcessor`` works
    with it. Attribute values are kept as given and made plain by the worker.

    Attributes:
        call: what instrumentation knows of the LLM or tool call that this span stands for.
        run: the session run that it belongs to.
        enriched: what the pipeline has found out about the call; None until then.
        recording: False when nothing but its timing matters (it was not sampled).
    """

    # What every span sets is in slots; what few set has its default in the class, which saves
    # 0.15 µs a span (the base class gives instances a dict anyway, made when first needed).
    __slots__ = (
        "_runtime",
        "end_ns",
        "flags",
        "kind",
        "local_root",
        "name",
        "own_attributes",
        "parent_span_id",
        "recording",
        "run",
        "sampled",
        "scope",
        "span_id",
        "start_time",
        "trace_id",
        "trace_state",
    )

    _runtime: Runtime
    scope: Scope
    name: str
    kind: SpanKind
    trace_id: int
    span_id: int
    parent_span_id: int
    local_root: bool
    trace_state: TraceState | None
    run: RunContext | None
    sampled: bool
    recording: bool
    flags: int
    own_attributes: dict[str, Any]
    start_time: int
    end_ns: int

    call: Call | None = None
    failure: Failure | None = None
    enriched: Any = None
    status_code = _UNSET
    status_message = ""
    dropped_attributes = 0
    dropped_events = 0
    dropped_links = 0
    own_events: list[SpanEvent] | None = None
    own_links: list[SpanLink] | None = None

    # -- OpenTelemetry's Span ----------------------------------------------------------------

    def get_span_context(self) -> SpanContext:
        """Return the ids and flags that travel to other processes."""
        return self._context_of(self.span_id, is_remote=False)

    def is_recording(self) -> bool:
        """Tell whether attributes and events are still taken."""
        return self.recording and not self.end_ns

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; the last value for a key counts."""
        if self.end_ns or not self.recording:
            return
        attributes = self.own_attributes
        try:
            if len(attributes) >= self._runtime.max_attributes and key not in attributes:
                self.dropped_attributes += 1
                return
            attributes[key] = value if value.__class__ in _SCALARS else snapshot(value)
        except Exception as fault:
            self._runtime.fault("set_attribute", fault)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        try:
            for key, value in attributes.items():
                self.set_attribute(key, value)
        except Exception as fault:  # it is no mapping
            self._runtime.fault("set_attributes", fault)

    def add_event(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Record that something happened at a moment (``timestamp``: Unix ns, default now)."""
        if self.end_ns or not self.recording:
            return
        events = self.own_events
        if events is None:
            events = self.own_events = []
        if len(events) >= self._runtime.max_events:
            self.dropped_events += 1
            return
        copied, dropped = limited(attributes, self._runtime.max_attributes)
        given = timestamp if isinstance(timestamp, int) else 0
        moment = given or self._runtime.now_ns()
        events.append(SpanEvent(name, moment, copied, dropped))

    def _add_failure(
        self, failure: Failure, attributes: Mapping[str, Any] | None, timestamp: int | None
    ) -> None:
        self.add_event(
            semconv.EXCEPTION_EVENT,
            {
                semconv.EXCEPTION_TYPE: failure.type_name,
                semconv.EXCEPTION_MESSAGE: failure.message,
                semconv.EXCEPTION_STACKTRACE: failure,
                **(attributes or {}),
            },
            timestamp,
        )

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link another span to this one."""
        if self.end_ns or not self.recording:
            return
        links = self.own_links
        if links is None:
            links = self.own_links = []
        if len(links) >= self._runtime.max_links:
            self.dropped_links += 1
            return
        copied, _ = limited(attributes, self._runtime.max_attributes)
        links.append(link_to(context, copied))

    def add_links(self, links: Sequence[otel.Link]) -> None:
        """Link several other spans to this one."""
        for link in links:
            self.add_link(link.context, link.attributes)

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if not self.end_ns:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status by the specification's rules: OK is final, UNSET changes nothing."""
        if isinstance(status, Status):
            description = status.description
            status = status.status_code
        if not isinstance(status, StatusCode):
            self._runtime.fault("set_status", TypeError("expected a Status or a StatusCode"))
            return
        code = status.value
        message = description if isinstance(description, str) else ""
        if self.end_ns or self.status_code == _OK or code == _UNSET:
            return
        self.status_code = code
        self.status_message = message if code == _ERROR else ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Record an exception as an event; the status stays as it is."""
        if self.end_ns or not self.recording:
            return
        try:
            escape = {semconv.EXCEPTION_ESCAPED: "True"} if escaped else {}
            self._add_failure(Failure(exception), {**(attributes or {}), **escape}, timestamp)
        except Exception as fault:  # it is no exception
            self._runtime.fault("record_exception", fault)

    def end(self, end_time: int | None = None) -> None:
        """End the span (``end_time``: Unix ns, default now). Later calls do nothing."""
        if self.end_ns:
            return
        runtime = self._runtime
        now = end_time if end_time is not None else runtime.now_ns()
        # A wall clock that was set back must not make a negative duration.
        start = self.start_time
        self.end_ns = now if now > start else start  # noqa: FURB136 - `max` costs 0.2 µs a span
        if self.recording:
            runtime.open_spans.pop(self.span_id, None)
            runtime.finish(self)
        elif self.call is not None:
            runtime.finish(self)
        elif runtime.enabled:
            runtime.count_unsampled()

    # -- ours ----------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Close the span without recording it: somebody else, a fork's parent, does that."""
        self.end_ns = self.end_ns or self.start_time or 1

    def fail(self, error: BaseException) -> None:
        """Record that `error` ended the work: event, status and ``error.type``.

        A cancellation is not an error: it is kept as ``alex.status = cancelled``, without event.
        """
        if self.end_ns or self.failure is not None:
            return
        failure = self.failure = Failure(error)
        if failure.cancelled:
            return
        self._add_failure(failure, None, None)
        self.set_attribute(semconv.ERROR_TYPE, failure.type_name)
        self.set_status(StatusCode.ERROR, failure.message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            self.fail(exc_val)
        self.end()

    # -- what the SDK's ReadableSpan offers ----------------------------------------------------

    @property
    def context(self) -> SpanContext:
        """The same as `get_span_context()`."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's context, or None for a root."""
        if not self.parent_span_id:
            return None
        return self._context_of(self.parent_span_id, is_remote=self.local_root)

    @property
    def end_time(self) -> int | None:
        """Unix nanoseconds, or None while the span runs."""
        return self.end_ns or None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """All attributes, those of the run and of the call included, not yet redacted."""
        return self._runtime.describe(self)

    @property
    def events(self) -> Sequence[Any]:
        """Events with ``name``, ``timestamp`` and ``attributes``."""
        return [ReadableEvent(event) for event in self.own_events or ()]

    @property
    def links(self) -> Sequence[otel.Link]:
        """OpenTelemetry links."""
        return [
            otel.Link(
                SpanContext(
                    link.trace_id, link.span_id, is_remote=True, trace_flags=TraceFlags(link.flags)
                ),
                link.attributes,
            )
            for link in self.own_links or ()
        ]

    @property
    def status(self) -> Status:
        """OpenTelemetry's status."""
        return Status(StatusCode(self.status_code), self.status_message or None)

    @property
    def resource(self) -> Any:
        """The process's resource: an object with ``attributes``."""
        return self._runtime.resource

    @property
    def instrumentation_scope(self) -> Scope:
        """Who made the span: an object with ``name``, ``version`` and ``schema_url``."""
        return self.scope

    def to_json(self, indent: int | None = 4) -> str:
        """Return the span as text, in the form of the SDK's ``ReadableSpan.to_json``."""
        return to_json(self, indent)

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return bool(self.end_ns)

    def _context_of(self, span_id: int, *, is_remote: bool) -> SpanContext:
        return SpanContext(
            self.trace_id,
            span_id,
            is_remote=is_remote,
            trace_flags=TraceFlags(self.flags),
            trace_state=self.trace_state,
        )


def snapshot(value: Any, depth: int = 0) -> Any:
    """Return `value` so that a later change of the caller's list or dict does not show."""
    if depth > MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, (list, tuple)):
        return [i if i.__class__ in _SCALARS else snapshot(i, depth + 1) for i in value]
    if isinstance(value, dict):
        return {
            k: v if v.__class__ in _SCALARS else snapshot(v, depth + 1) for k, v in value.items()
        }
    return value


def limited(attributes: Mapping[str, Any] | None, limit: int) -> tuple[dict[str, Any], int]:
    """Return a copy with at most `limit` attributes, and how many were left out."""
    try:
        if not attributes:
            return {}, 0
        copied = {
            key: value if value.__class__ in _SCALARS else snapshot(value)
            for key, value in attributes.items()
        }
    except Exception:
        return {}, 1
    if len(copied) <= limit:
        return copied, 0
    return dict(list(copied.items())[:limit]), len(copied) - limit


def link_to(context: SpanContext, attributes: dict[str, Any]) -> SpanLink:
    """Return a link to the span of `context`."""
    return SpanLink(
        context.trace_id,
        context.span_id,
        context.trace_state.to_header(),
        attributes,
        int(context.trace_flags),
    )
