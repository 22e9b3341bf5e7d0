"""Brings spans of another OpenTelemetry SDK in, when the user asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.context import current_run, run_of
from alexobs.records import Scope, SpanEvent
from alexobs.tracing.span import limited, link_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from alexobs.context import RunContext
    from alexobs.records import SpanLink

MAX_OPEN_SPANS = 10_000  # whose run is remembered; spans that nobody ends push each other out


class ForeignSpan:
    """A finished span of another SDK in the form that the pipeline takes."""

    call = None
    failure = None
    enriched = None
    recording = True

    def __init__(self, span: Any, run: RunContext | None, max_attributes: int) -> None:
        context = span.get_span_context()
        parent = span.parent
        self.trace_id = context.trace_id
        self.span_id = context.span_id
        self.flags = int(context.trace_flags)
        self.sampled = bool(self.flags & 1)
        self.trace_state = context.trace_state
        self.parent_span_id = parent.span_id if parent is not None else 0
        self.local_root = parent is None or parent.is_remote
        self.run = run
        self.name = span.name
        self.kind = span.kind
        self.start_time = span.start_time
        self.end_time = span.end_time
        self.own_attributes, self.dropped_attributes = limited(span.attributes, max_attributes)
        self.own_events = [
            SpanEvent(event.name, event.timestamp, *limited(event.attributes, max_attributes))
            for event in span.events
        ]
        self.own_links: list[SpanLink] = [
            link_to(link.context, limited(link.attributes, max_attributes)[0])
            for link in span.links
        ]
        self.status_code = span.status.status_code.value
        self.status_message = span.status.description or ""
        self.dropped_events = 0
        self.dropped_links = 0
        scope = span.instrumentation_scope
        self.scope = Scope(scope.name, scope.version or "", scope.schema_url or "")


class BridgeProcessor:
    """A span processor for another SDK's TracerProvider.

    Add it with ``provider.add_span_processor(obs.span_processor())``; the provider's sampled
    spans then go our way as well, with the ids of the session that they ran in.
    """

    def __init__(
        self,
        put: Callable[[Any], None],
        fault: Callable[[str, BaseException], None],
        max_attributes: int,
        flush: Callable[[float], bool],
    ) -> None:
        self._put = put
        self._fault = fault
        self._max_attributes = max_attributes
        self._flush = flush
        # The SDK ends a span with a copy of it: what is hung on the span itself is not there.
        self._runs: dict[int, RunContext] = {}

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Remember which run the span belongs to."""
        run = current_run() if parent_context is None else run_of(parent_context)
        if run is None:
            return
        try:
            self._runs[span.get_span_context().span_id] = run
            if len(self._runs) > MAX_OPEN_SPANS:
                del self._runs[next(iter(self._runs))]
        except Exception as fault:
            self._fault("BridgeProcessor", fault)

    def _on_ending(self, span: Any) -> None:
        """Do nothing: the span can still change."""

    def on_end(self, span: Any) -> None:
        """Take a finished span."""
        try:
            context = span.get_span_context()
            run = self._runs.pop(context.span_id, None)
            if context.trace_flags.sampled:
                self._put(ForeignSpan(span, run, self._max_attributes))
        except Exception as fault:
            self._fault("BridgeProcessor", fault)

    def shutdown(self) -> None:
        """Do nothing: the pipeline ends with its `Observability`."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what waits."""
        return self._flush(timeout_millis / 1000)
