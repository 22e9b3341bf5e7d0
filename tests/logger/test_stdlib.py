from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext

from alexobs.context import RunContext, attach_span, detach
from alexobs.logger import Logger
from alexobs.logs.sink import LogSink
from alexobs.logs.stdlib import StdlibHandler, TraceContextFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Bridge:
    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.sink = LogSink(lambda: self.stream)
        self.handler = StdlibHandler(self.sink)
        self.log = logging.Logger("app.part", logging.DEBUG)  # noqa: LOG001 - outside the tree
        self.handler.install(self.log)

    def line(self) -> dict[str, Any]:
        [line] = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return line  # type: ignore[no-any-return]


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


@pytest.fixture
def in_session() -> Iterator[None]:
    span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False))
    token = attach_span(span, RunContext("session-1", "run-1", iteration=2))
    yield
    detach(token)


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (5, "debug"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warn"),
        (40, "error"),
        (50, "critical"),
    ],
)
def test_levels_are_mapped(bridge: Bridge, number: int, level: str) -> None:
    bridge.log.setLevel(1)
    bridge.log.log(number, "x")
    assert bridge.line()["level"] == level


def test_records_gain_ids_logger_name_and_extra_fields(bridge: Bridge, in_session: None) -> None:
    bridge.log.info("%s of %d", "three", 7, extra={"user": {"a": [1]}, "ok": True})
    line = bridge.line()
    assert (line["event"], line["logger"]) == ("three of 7", "app.part")
    assert (line["trace_id"], line["span_id"]) == (f"{10:032x}", f"{11:016x}")
    assert (line["session_id"], line["run_id"], line["iteration"]) == ("session-1", "run-1", 2)
    assert (line["user"], line["ok"]) == ({"a": [1]}, True)
    assert "thread" not in line


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        ("%(a)s", ({"a": 1},), "1"),
        ("%s", ([1, 2],), "[1, 2]"),
        ("%d", ("no",), "%d ('no',)"),
        ("%d %s", (["no"], "x"), "%d %s (['no'], 'x')"),
        (42, (), "42"),
        ("100 %", (), "100 %"),
    ],
)
def test_messages_are_formatted_as_logging_does(
    bridge: Bridge, message: Any, args: tuple[Any, ...], text: str
) -> None:
    bridge.log.info(message, *args)
    assert bridge.line()["event"] == text


def test_exceptions_and_stacks_come_along(bridge: Bridge) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        bridge.log.exception("failed", stack_info=True)
    line = bridge.line()
    assert line["exception"]["type"] == "ValueError"
    assert "boom" in line["exception"]["stacktrace"]
    assert "test_exceptions_and_stacks" in line["stack"]


def test_what_the_sink_logs_itself_does_not_recurse(bridge: Bridge) -> None:
    class Talkative:
        def __str__(self) -> str:
            bridge.log.info("inner")
            return "outer"

    bridge.log.info(Talkative())
    assert bridge.line()["event"] == "outer"


def test_a_redactor_that_logs_ends(bridge: Bridge) -> None:
    own = Logger(bridge.sink)

    class Talkative:
        def texts(self, texts: list[str], /) -> list[str]:
            bridge.log.info("from the redactor, through logging")
            own.info("from the redactor")
            return texts

        def batch(self, mappings: list[dict[str, Any]], /) -> list[dict[str, Any]]:
            return mappings

    bridge.sink.redactor = Talkative()
    bridge.log.info("x")
    assert bridge.sink.flush(0.05) is False
    bridge.sink.redactor = None
    assert bridge.sink.flush(5)
    events = {json.loads(line)["event"] for line in bridge.stream.getvalue().splitlines()}
    assert events == {"x", "from the redactor", "from the redactor, through logging"}


def test_install_touches_the_root_logger_only_when_asked() -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    handler = StdlibHandler(LogSink(io.StringIO))
    assert root.handlers == handlers
    handler.install()
    handler.install()
    assert root.handlers == [*handlers, handler]
    handler.uninstall()
    handler.uninstall()
    assert (root.handlers, root.level) == (handlers, level)


def test_handlers_own_level_and_filters_hold(bridge: Bridge) -> None:
    bridge.handler.setLevel(logging.WARNING)
    bridge.handler.addFilter(lambda record: "secret" not in record.msg)
    bridge.log.info("low")
    bridge.log.warning("secret")
    bridge.log.warning("kept")
    assert bridge.line()["event"] == "kept"


def test_the_filter_gives_ids_to_formats_of_ones_own(in_session: None) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(TraceContextFilter())
    handler.setFormatter(
        logging.Formatter("%(message)s %(trace_id)s %(span_id)s %(session_id)s %(iteration)s")
    )
    log = logging.Logger("x")  # noqa: LOG001 - outside the tree
    log.addHandler(handler)
    log.warning("hello")
    assert stream.getvalue() == f"hello {10:032x} {11:016x} session-1 2\n"


def test_the_filter_gives_empty_texts_outside() -> None:
    record = logging.makeLogRecord({})
    assert TraceContextFilter().filter(record) is True
    added = vars(record)
    assert (added["trace_id"], added["session_id"], added["iteration"]) == ("", "", 0)


def test_filter_and_bridge_together_name_ids_once(bridge: Bridge, in_session: None) -> None:
    bridge.handler.addFilter(TraceContextFilter())
    bridge.log.info("x")
    assert "field.trace_id" not in bridge.line()


def test_a_record_that_cannot_be_read_is_a_fault_of_ours() -> None:
    faults: list[str] = []
    stream = io.StringIO()
    sink = LogSink(lambda: stream, on_fault=lambda where, _: faults.append(where))
    StdlibHandler(sink).emit(
        logging.makeLogRecord({"created": "yesterday", "levelno": logging.INFO})
    )
    assert (faults, stream.getvalue()) == (["logging bridge"], "")


def test_flush_writes_what_waits(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as stream:
        sink = LogSink(lambda: stream, wake=lambda: None)
        handler = StdlibHandler(sink)
        handler.handle(logging.makeLogRecord({"msg": "x", "levelno": logging.INFO}))
        assert sink.waiting == 1
        handler.flush()
        stream.seek(0)
        assert json.loads(stream.read())["event"] == "x"
