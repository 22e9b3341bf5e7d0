"""What all tracers of one `Observability` share; replaced as a whole when the config changes."""

from __future__ import annotations

import functools
import itertools
import os
import random
import time
import weakref
from typing import TYPE_CHECKING, Any

from alexobs.sampling import TailPolicy, bound_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexobs.config.model import Config
    from alexobs.records import Resource
    from alexobs.tracing.span import Span


class Ids:
    """Random trace and span ids, from a generator of our own.

    The ``random`` module's generator is not used: an application that seeds it would make the
    same trace ids in every process. A forked child draws from a new seed.
    """

    trace_id: Callable[[], int]
    """Returns 128 random bits."""
    span_id: Callable[[], int]
    """Returns 64 random bits."""

    def __init__(self) -> None:
        generator = random.Random(os.urandom(32))  # noqa: S311 - ids are no secrets
        self.trace_id = functools.partial(generator.getrandbits, 128)
        self.span_id = functools.partial(generator.getrandbits, 64)
        _reseed_after_fork(generator)


def _reseed_after_fork(generator: random.Random) -> None:
    reference = weakref.ref(generator)

    def reseed() -> None:
        living = reference()
        if living is not None:
            living.seed(os.urandom(32))

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reseed)


class Runtime:
    """An immutable snapshot of how spans are made.

    Attributes:
        enabled: False makes every span a mere carrier of the context that came in.
        bound: see `alexobs.sampling.bound_of`.
        deferred: whether the decision waits for the end of the trace (tail sampling).
        finish: takes a span that has ended.
        describe: gives all attributes of a span to a user's own processor.
        fault: takes a fault of ours: where, and the exception.
    """

    def __init__(
        self,
        config: Config,
        *,
        resource: Resource,
        finish: Callable[[Span], None],
        describe: Callable[[Span], dict[str, Any]],
        fault: Callable[[str, BaseException], None],
        ids: Ids,
        now_ns: Callable[[], int] = time.time_ns,
        processors: Sequence[Any] = (),
        unsampled: itertools.count[int] | None = None,
        open_spans: dict[int, Span] | None = None,
    ) -> None:
        tracing = config.tracing
        self.enabled = config.enabled and tracing.enabled
        self.bound = bound_of(tracing.sample_rate)
        self.deferred = TailPolicy(tracing.tail).active
        self.max_attributes = tracing.max_attributes
        self.max_events = tracing.max_events
        self.max_links = tracing.max_links
        self.resource = resource
        self.describe = describe
        self.fault = fault
        self.new_trace_id = ids.trace_id
        self.new_span_id = ids.span_id
        self.now_ns = now_ns
        self.processors = tuple(processors)
        # Spans that end unsampled and unseen are only counted: `next` is atomic, and 30 ns.
        self.unsampled = unsampled if unsampled is not None else itertools.count()
        self.count_unsampled = self.unsampled.__next__
        self.open_spans: dict[int, Span] = open_spans if open_spans is not None else {}
        self.finish = self._finish_with_processors if self.processors else finish
        self._finish = finish

    def after_fork_in_child(self) -> None:
        """Leave the parent's spans to the parent: the child's `end` of one does nothing."""
        for span in list(self.open_spans.values()):
            span.abandon()
        self.unsampled = itertools.count()
        self.count_unsampled = self.unsampled.__next__
        self.open_spans.clear()

    @property
    def unsampled_count(self) -> int:
        """Spans that ended unsampled without ever reaching the queue."""
        return int(self.unsampled.__reduce__()[1][0])

    def started(self, span: Span, context: Any) -> None:
        """Tell the user's own processors that a span has started."""
        for processor in self.processors:
            try:
                processor.on_start(span, context)
            except Exception as fault:
                self.fault("SpanProcessor.on_start", fault)

    def _finish_with_processors(self, span: Span) -> None:
        for processor in self.processors:
            if not span.sampled:
                break
            try:
                processor.on_end(span)
            except Exception as fault:
                self.fault("SpanProcessor.on_end", fault)
        self._finish(span)
