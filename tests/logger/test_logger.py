from __future__ import annotations

import asyncio
import copy
import io
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from alexobs.context import RunContext, attach_span, detach
from alexobs.logger import Logger
from alexobs.logs.sink import LogSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TRACE_ID, SPAN_ID = 0xABC, 0xDEF


class Desk:
    """A logger that writes into a string, drained by every call."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.sink = LogSink(lambda: self.stream)
        self.log = Logger(self.sink, **options)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def line(self) -> dict[str, Any]:
        [line] = self.lines()
        return line


@pytest.fixture
def desk() -> Desk:
    return Desk(level="debug")


def span(trace_id: int = TRACE_ID, span_id: int = SPAN_ID) -> trace.Span:
    return NonRecordingSpan(
        SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(1))
    )


@pytest.fixture
def in_session() -> Iterator[None]:
    token = attach_span(
        span(), RunContext("session-1", "run-1", parent_run_id="run-0", iteration=3)
    )
    yield
    detach(token)


def test_a_line_has_the_documented_keys_in_their_order(desk: Desk, in_session: None) -> None:
    desk.log.info("Operation completed", duration=1.5, status="success")
    line = desk.line()
    assert list(line) == [
        "timestamp",
        "level",
        "logger",
        "trace_id",
        "span_id",
        "session_id",
        "run_id",
        "parent_run_id",
        "iteration",
        "event",
        "duration",
        "status",
    ]
    assert line["trace_id"] == f"{TRACE_ID:032x}"
    assert line["span_id"] == f"{SPAN_ID:016x}"
    assert (line["session_id"], line["run_id"], line["iteration"]) == ("session-1", "run-1", 3)
    assert (line["event"], line["level"]) == ("Operation completed", "info")
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-01-01T00:00:00.000000Z")


def test_times_are_written_in_utc_with_microseconds() -> None:
    times = iter(
        [0, 999_999_999, 1_000_000_000, 1_767_225_599_999_999_999, 1, 4_102_444_800_000_001_000]
    )
    stream = io.StringIO()
    log = Logger(LogSink(lambda: stream, now_ns=lambda: next(times)))
    for _ in range(6):
        log.info("x")
    assert [json.loads(line)["timestamp"] for line in stream.getvalue().splitlines()] == [
        "1970-01-01T00:00:00.000000Z",
        "1970-01-01T00:00:00.999999Z",
        "1970-01-01T00:00:01.000000Z",
        "2025-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "2100-01-01T00:00:00.000001Z",
    ]


def test_outside_a_span_no_ids_are_written(desk: Desk) -> None:
    desk.log.info("x")
    assert list(desk.line()) == ["timestamp", "level", "logger", "event"]


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("debug", "debug"),
        ("info", "info"),
        ("warn", "warn"),
        ("warning", "warn"),
        ("error", "error"),
        ("critical", "critical"),
    ],
)
def test_each_method_writes_its_level(desk: Desk, method: str, level: str) -> None:
    getattr(desk.log, method)("x")
    assert desk.line()["level"] == level


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warn", "error", "critical"]),
        ("INFO", ["info", "warn", "error", "critical"]),
        ("warning", ["warn", "error", "critical"]),
        (40, ["error", "critical"]),
        ("off", []),
    ],
)
def test_levels_below_the_threshold_are_not_written(level: str | int, written: list[str]) -> None:
    desk = Desk(level=level)
    for name in ("debug", "info", "warn", "error", "critical"):
        getattr(desk.log, name)("x")
        assert desk.log.isEnabledFor(name) is (name in written)
    assert [line["level"] for line in desk.lines()] == written


def test_a_level_change_reaches_every_logger_bound_from_the_same_root() -> None:
    desk, other = Desk(level="error"), Desk(level="error")
    bound = desk.log.bind(task="t")
    method = type(desk.log).info
    bound.info("before")
    desk.log.set_level("debug")
    assert type(desk.log).info is not method
    bound.debug("after")
    assert bound.level == "debug"
    bound.set_level("warn")
    desk.log.info("again filtered")
    assert desk.line()["event"] == "after"
    assert other.log.level == "error"


def test_an_unknown_level_is_named_with_what_is_allowed(desk: Desk) -> None:
    with pytest.raises(ValueError, match=r"'loud': expected debug, info, warn, error"):
        desk.log.set_level("loud")
    assert desk.log.level == "debug"


def test_bound_fields_come_on_every_line_and_can_be_taken_off(desk: Desk) -> None:
    log = desk.log.bind(task="t", user="u")
    log.info("one", user="other")
    log.unbind("user", "absent").info("two")
    one, two = desk.lines()
    assert (one["task"], one["user"]) == ("t", "other")
    assert two["task"] == "t"
    assert "user" not in two


def test_a_named_logger_keeps_fields_and_level(desk: Desk) -> None:
    desk.log.bind(a=1).named("agent.planner").debug("x")
    line = desk.line()
    assert (line["logger"], line["a"]) == ("agent.planner", 1)


def test_fields_with_reserved_names_get_a_prefix(desk: Desk) -> None:
    desk.log.info("x", level="mine", trace_id=7, event="e", exception="z", self=1)
    line = desk.line()
    assert (line["level"], line["field.level"], line["field.trace_id"]) == ("info", "mine", 7)
    assert (line["event"], line["field.event"], line["field.exception"]) == ("x", "e", "z")
    assert line["self"] == 1
    assert "trace_id" not in line


@pytest.mark.parametrize(
    ("event", "args", "text"),
    [
        ("%s of %d", ("3", 7), "3 of 7"),
        ("%(a)s", ({"a": 1},), "1"),
        ("%d apples", ("no",), "%d apples ('no',)"),
        ("100 %", (), "100 %"),
        (42, (), "42"),
        (ValueError("boom"), (), "boom"),
    ],
)
def test_positional_arguments_are_interpolated(
    desk: Desk, event: Any, args: tuple[Any, ...], text: str
) -> None:
    desk.log.info(event, *args)
    assert desk.line()["event"] == text


def test_a_value_changed_after_the_call_does_not_change_the_line(tmp_path: Path) -> None:
    wakes: list[None] = []
    with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
        sink = LogSink(lambda: stream, wake=lambda: wakes.append(None))
        log = Logger(sink)
        items: list[Any] = [1, {"a": 2}]
        bound = log.bind(items=items)
        log.info("x", items=items)
        bound.info("y")
        items[1]["a"] = 3
        items.clear()
        assert (sink.waiting, len(wakes)) == (2, 1)
        assert sink.drain() == 2
        stream.seek(0)
        assert [json.loads(line)["items"] for line in stream] == [[1, {"a": 2}]] * 2


def test_exceptions_are_written_with_type_message_and_trace(desk: Desk) -> None:
    def fail() -> None:
        raise KeyError("missing")

    try:
        fail()
    except KeyError as error:
        desk.log.exception("one")
        desk.log.warning("two", exc_info=True)
        caught = error
    desk.log.info("three", exc_info=caught)
    desk.log.info("four", exc_info=None)
    *with_exception, without = desk.lines()
    assert "exception" not in without
    for line in with_exception:
        assert line["exception"]["type"] == "KeyError"
        assert line["exception"]["message"] == "'missing'"
        assert "in fail" in line["exception"]["stacktrace"]
        assert "exc_info" not in line


def test_exception_outside_a_handler_is_a_plain_error_line(desk: Desk) -> None:
    desk.log.exception("x")  # noqa: LOG004 - what happens then is the question
    line = desk.line()
    assert line["level"] == "error"
    assert "exception" not in line


def test_loggers_survive_copying(desk: Desk) -> None:
    assert copy.copy(desk.log) is desk.log
    assert copy.deepcopy({"log": desk.log})["log"] is desk.log
    assert "level=debug" in repr(desk.log)


def test_ids_follow_threads_tasks_and_async_generators() -> None:
    desk = Desk()

    async def numbers(session: str) -> AsyncIterator[int]:
        for number in range(3):
            desk.log.info("in generator", session=session)
            yield number

    async def work(number: int) -> None:
        session = f"s{number}"
        token = attach_span(span(number + 1, number + 1), RunContext(session, "r"))
        async for _ in numbers(session):
            await asyncio.sleep(0)
            desk.log.info("in task", session=session)
        await asyncio.to_thread(desk.log.info, "in thread", session=session)
        detach(token)

    async def everything() -> None:
        await asyncio.gather(*(work(number) for number in range(20)))

    asyncio.run(everything())
    lines = desk.lines()
    assert len(lines) == 20 * 7
    for line in lines:
        assert line["session_id"] == line["session"]
        assert line["trace_id"] == f"{int(line['session'][1:]) + 1:032x}"


def test_threads_write_each_line_once_and_in_their_own_order() -> None:
    desk = Desk()
    context = otel_context.get_current()

    def work(number: int) -> None:
        otel_context.attach(context)
        for count in range(200):
            desk.log.info("x", thread=number, count=count)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.sink.flush(5)
    lines = desk.lines()
    for number in range(6):
        counts = [line["count"] for line in lines if line["thread"] == number]
        assert counts == list(range(200))


def test_the_level_may_be_known_only_at_run_time(desk: Desk) -> None:
    desk.log.set_level("info")
    desk.log.log("debug", "low")
    desk.log.log("warning", "%s", "named", a=1)
    desk.log.log(40, "numbered")
    assert [(line["level"], line["event"]) for line in desk.lines()] == [
        ("warn", "named"),
        ("error", "numbered"),
    ]


def test_a_fault_within_a_call_reaches_the_boundary_and_not_the_caller() -> None:
    faults: list[str] = []

    def broken_clock() -> int:
        raise RuntimeError("no time")

    stream = io.StringIO()
    sink = LogSink(lambda: stream, now_ns=broken_clock, on_fault=lambda w, _: faults.append(w))
    Logger(sink).info("x")
    assert faults == ["logging"]
