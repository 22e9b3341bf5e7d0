from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from alexobs.config.model import Config, TailConfig, TracingConfig
from alexobs.context import RunContext
from alexobs.records import Resource
from alexobs.tracing import Ids, Runtime, Span, Tracer, TracerProvider


class Recorder:
    def __init__(self, tracing: TracingConfig | None = None, processors: Any = ()) -> None:
        self.ended: list[Span] = []
        self.faults: list[str] = []
        self.runtime = Runtime(
            Config(tracing=tracing or TracingConfig()),
            resource=Resource({"service.name": "test"}),
            finish=self.ended.append,
            describe=lambda span: dict(span.own_attributes),
            fault=lambda where, _: self.faults.append(where),
            ids=Ids(),
            processors=processors,
        )
        self.tracer: Tracer = TracerProvider(self.runtime).get_tracer("test", "1.0")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_child_shares_the_trace_and_names_its_parent(recorder: Recorder) -> None:
    with (
        recorder.tracer.start_as_current_span("parent") as parent,
        recorder.tracer.start_as_current_span("child") as child,
    ):
        assert otel.get_current_span() is child
    assert otel.get_current_span() is otel.INVALID_SPAN
    assert child.trace_id == parent.trace_id
    assert child.parent_span_id == parent.span_id
    assert child.parent == parent.get_span_context()
    assert (parent.local_root, child.local_root) == (True, False)
    assert recorder.ended == [child, parent]


def test_a_remote_parent_is_continued_with_its_decision(recorder: Recorder) -> None:
    for flag in (0, 1):
        remote = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(flag))
        context = otel.set_span_in_context(NonRecordingSpan(remote))
        span = recorder.tracer.start_span("op", context)
        assert (span.trace_id, span.parent_span_id) == (7, 9)
        assert span.is_recording() is bool(flag)
        assert span.local_root
        assert span.get_span_context().trace_flags == flag
        span.end()
    assert len(recorder.ended) == 1
    assert recorder.runtime.unsampled_count == 1


def test_a_rate_of_zero_keeps_none_and_one_keeps_all() -> None:
    for rate, kept in ((0.0, 0), (1.0, 200)):
        recorder = Recorder(TracingConfig(sample_rate=rate))
        for _ in range(200):
            recorder.tracer.start_span("op").end()
        assert len(recorder.ended) == kept
        assert recorder.runtime.unsampled_count == 200 - kept


def test_an_unsampled_span_with_a_call_still_reaches_the_meter() -> None:
    recorder = Recorder(TracingConfig(sample_rate=0.0))
    span = recorder.tracer.start_span("llm")
    span.call = object()  # type: ignore[assignment]
    span.end()
    assert recorder.ended == [span]
    assert recorder.runtime.unsampled_count == 0


def test_the_decision_waits_when_a_tail_rule_is_set() -> None:
    recorder = Recorder(TracingConfig(sample_rate=0.0, tail=TailConfig(keep_errors=True)))
    span = recorder.tracer.start_span("op", attributes={"a": 1})
    assert span.is_recording()
    assert not span.sampled
    assert span.get_span_context().trace_flags.sampled


def test_a_disabled_tracer_passes_the_incoming_context_on() -> None:
    recorder = Recorder(TracingConfig(enabled=False))
    remote = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(1))
    span = recorder.tracer.start_span("op", otel.set_span_in_context(NonRecordingSpan(remote)))
    assert (span.get_span_context().trace_id, span.get_span_context().span_id) == (7, 9)
    assert not span.is_recording()
    root = recorder.tracer.start_span("op")
    assert not root.get_span_context().is_valid
    root.end()
    assert recorder.ended == []
    assert recorder.runtime.unsampled_count == 0


def test_a_disabled_tracer_leaves_what_is_current_as_it_is() -> None:
    recorder = Recorder(TracingConfig(enabled=False))
    foreign = NonRecordingSpan(SpanContext(7, 9, is_remote=False, trace_flags=TraceFlags(1)))
    with otel.use_span(foreign), recorder.tracer.start_as_current_span("op") as span:
        assert otel.get_current_span() is foreign
        span.set_attribute("a", 1)
        assert span.get_span_context().trace_id == 7
    assert recorder.ended == []
    remote = otel.set_span_in_context(foreign)
    with recorder.tracer.start_as_current_span("op", remote):  # what came in is passed on
        assert otel.get_current_span().get_span_context().span_id == 9


def test_a_function_decorated_while_tracing_was_off_is_traced_once_it_is_on() -> None:
    off, on = Recorder(TracingConfig(enabled=False)), Recorder()
    provider = TracerProvider(off.runtime)

    @provider.get_tracer("test").start_as_current_span("op")
    def work() -> None:
        """Do nothing."""

    work()
    provider.runtime = on.runtime
    work()
    provider.runtime = off.runtime
    work()
    assert [span.name for span in on.ended] == ["op"]
    assert off.ended == []


def test_a_span_that_finds_none_around_it_goes_home(recorder: Recorder) -> None:
    provider = TracerProvider(recorder.runtime)
    tracer = provider.get_tracer("test")
    run = RunContext("s", "r")
    provider.home = home = tracer.start_span("home", run=run)
    with tracer.start_as_current_span("top") as top:
        below = tracer.start_span("below")
    assert (top.trace_id, top.parent_span_id, top.run) == (home.trace_id, home.span_id, run)
    assert (top.local_root, below.parent_span_id) == (False, top.span_id)
    remote = otel.set_span_in_context(
        NonRecordingSpan(SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(1)))
    )
    assert tracer.start_span("op", remote).trace_id == 7
    provider.home = None
    assert tracer.start_span("op").parent_span_id == 0


def test_an_exception_becomes_event_status_and_type(recorder: Recorder) -> None:
    def fail() -> None:
        try:
            raise KeyError("k")
        except KeyError as error:
            raise ValueError("boom") from error

    with (
        pytest.raises(ValueError, match="boom"),
        recorder.tracer.start_as_current_span("op") as span,
    ):
        fail()
    assert (span.status_code, span.status_message) == (2, "boom")
    assert span.attributes["error.type"] == "ValueError"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    stacktrace = event.attributes["exception.stacktrace"]
    assert "KeyError: 'k'" in stacktrace
    assert "direct cause" in stacktrace
    assert 'raise ValueError("boom") from error' in stacktrace


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()])
def test_a_cancellation_is_not_an_error(recorder: Recorder, error: BaseException) -> None:
    with pytest.raises(type(error)), recorder.tracer.start_as_current_span("op") as span:
        raise error
    assert span.status_code == 0
    assert span.events == []
    assert span.failure is not None
    assert span.failure.cancelled


def test_the_status_rules_of_the_specification(recorder: Recorder) -> None:
    span = recorder.tracer.start_span("op")
    span.set_status(StatusCode.ERROR, "first")
    span.set_status(StatusCode.UNSET)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "first")
    span.set_status(Status(StatusCode.OK))
    span.set_status(StatusCode.ERROR, "late")
    assert span.status.status_code is StatusCode.OK
    assert span.status.description is None


def test_nothing_changes_after_the_end(recorder: Recorder) -> None:
    span = recorder.tracer.start_span("op", start_time=5)
    span.end(10)
    span.end(20)
    span.set_attribute("a", 1)
    span.add_event("e")
    span.update_name("other")
    span.set_status(StatusCode.ERROR)
    span.fail(ValueError())
    assert (span.name, span.end_time, dict(span.attributes), span.events) == ("op", 10, {}, [])
    assert span.status_code == 0
    assert len(recorder.ended) == 1


def test_a_clock_that_goes_back_makes_no_negative_duration(recorder: Recorder) -> None:
    span = recorder.tracer.start_span("op", start_time=10)
    span.end(5)
    assert span.end_time == 10


def test_limits_drop_and_count() -> None:
    recorder = Recorder(TracingConfig(max_attributes=2, max_events=1, max_links=1))
    span = recorder.tracer.start_span("op", attributes={"a": 1})
    span.set_attributes({"b": 2, "c": 3, "a": 4})
    for _ in range(3):
        span.add_event("e")
        span.add_link(SpanContext(1, 2, is_remote=True))
    assert dict(span.attributes) == {"a": 4, "b": 2}
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (1, 2, 2)


def test_values_are_kept_as_they_were_when_set(recorder: Recorder) -> None:
    items: list[Any] = [1, {"x": [2]}]
    span = recorder.tracer.start_span("op", attributes={"a": items})
    span.set_attribute("b", items)
    items[1]["x"].append(3)
    items.append(4)
    assert span.attributes["a"] == span.attributes["b"] == [1, {"x": [2]}]


def test_hostile_values_never_raise(recorder: Recorder) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    span = recorder.tracer.start_span("op", attributes={"cycle": cycle})
    span.set_attribute("cycle", cycle)
    span.set_attribute([], "unhashable key")  # type: ignore[arg-type]
    span.add_event("e", {"cycle": cycle})
    span.add_event("e", 5)  # type: ignore[arg-type]
    recorder.tracer.start_span("op", attributes=7)  # type: ignore[arg-type]
    assert recorder.faults == ["set_attribute", "start_span"]


async def test_a_decorated_function_has_a_span_per_call(recorder: Recorder) -> None:
    @recorder.tracer.start_as_current_span("sync")
    def sync(x: int) -> int:
        return x + 1

    @recorder.tracer.start_as_current_span("async")
    async def coroutine(x: int) -> int:
        await asyncio.sleep(0)
        return sync(x)

    assert await asyncio.gather(*(coroutine(i) for i in range(5))) == [1, 2, 3, 4, 5]
    assert sync.__name__ == "sync"
    parents = {span.span_id: span for span in recorder.ended if span.name == "async"}
    children = [span for span in recorder.ended if span.name == "sync"]
    assert sorted(parents) == sorted(span.parent_span_id for span in children)


def test_threads_keep_apart(recorder: Recorder) -> None:
    def work() -> None:
        for _ in range(200):
            with recorder.tracer.start_as_current_span("outer") as outer:
                with recorder.tracer.start_as_current_span("inner") as inner:
                    assert inner.parent_span_id == outer.span_id
                assert outer.local_root

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorder.ended) == 1600
    assert len({span.span_id for span in recorder.ended}) == 1600


def test_a_users_own_processor_sees_a_readable_span() -> None:
    seen: list[tuple[str, str]] = []

    class Processor:
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(("start", span.name))

        def on_end(self, span: Any) -> None:
            assert span.instrumentation_scope.name == "test"
            assert span.resource.attributes["service.name"] == "test"
            assert span.kind is SpanKind.CLIENT
            assert span.links[0].context.trace_id == 1
            seen.append(("end", span.name))
            raise RuntimeError("a processor's fault stays its own")

    recorder = Recorder(processors=[Processor()])
    link = otel.Link(SpanContext(1, 2, is_remote=True))
    recorder.tracer.start_span("op", kind=SpanKind.CLIENT, links=[link]).end()
    assert seen == [("start", "op"), ("end", "op")]
    assert recorder.faults == ["SpanProcessor.on_end"]
    assert len(recorder.ended) == 1


def test_the_applications_own_seed_does_not_repeat_ids(recorder: Recorder) -> None:
    import random  # noqa: PLC0415 - the point of the test

    ids = set()
    for _ in range(3):
        random.seed(42)
        ids.add(recorder.tracer.start_span("op").trace_id)
    assert len(ids) == 3
