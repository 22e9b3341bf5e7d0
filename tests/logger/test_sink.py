from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from alexobs.context import RunContext, attach_span, detach
from alexobs.logger import Logger
from alexobs.logs.compose import CHECK_FAILED
from alexobs.logs.lines import LINE_BYTES
from alexobs.logs.sink import LogSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.records import LogRecord


class Pipe:
    """A text stream into a pipe, and its reader."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.read_fd, write_fd = os.pipe()
        self.stream = os.fdopen(write_fd, "w", encoding=encoding)
        self._written = b""

    def read(self) -> list[str]:
        os.set_blocking(self.read_fd, False)
        while True:
            try:
                data = os.read(self.read_fd, 65536)
            except BlockingIOError:
                break
            if not data:
                break
            self._written += data
        return self._written.decode().splitlines()

    def close(self) -> None:
        os.close(self.read_fd)
        self.stream.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def nothing() -> None:
    return None


class Secrets:
    """Replaces one word; fails at another."""

    def texts(self, texts: list[str], /) -> list[str]:
        if any("poison" in text for text in texts):
            raise RuntimeError("check failed")
        return [text.replace("hunter2", "[redacted]") for text in texts]

    def batch(self, mappings: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        return [json.loads(self.texts([json.dumps(mapping)])[0]) for mapping in mappings]


def test_lines_wait_for_the_drain_and_wake_it_once(pipe: Pipe) -> None:
    wakes: list[int] = []
    sink = LogSink(lambda: pipe.stream, wake=lambda: wakes.append(1))
    log = Logger(sink)
    for number in range(400):
        log.info("x", number=number)
    assert pipe.read() == []
    assert (sink.waiting, len(wakes)) == (400, 1)
    assert sink.drain(150) == 150
    assert sink.drain() == 250
    assert sink.drain() == 0
    assert [json.loads(line)["number"] for line in pipe.read()] == list(range(400))
    wakes.clear()
    log.info("again")
    assert len(wakes) == 1


def test_an_error_is_on_the_stream_before_the_call_returns_with_all_before_it(pipe: Pipe) -> None:
    log = Logger(LogSink(lambda: pipe.stream, wake=nothing))
    log.info("one")
    log.warning("two")
    log.error("three")
    log.info("four")
    assert [json.loads(line)["event"] for line in pipe.read()] == ["one", "two", "three"]
    log.critical("five")
    assert len(pipe.read()) == 5


def test_a_full_queue_drops_the_oldest_and_counts(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing, max_records=100)
    log = Logger(sink)
    for number in range(250):
        log.info("", number=number)
    assert (sink.waiting, sink.dropped) == (100, 150)
    sink.drain()
    assert [json.loads(line)["number"] for line in pipe.read()] == list(range(150, 250))


def test_the_queue_is_bounded_in_bytes(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing, max_bytes=1_000_000)
    log = Logger(sink)
    for _ in range(100):
        log.info("x", text="y" * 100_000, nested={"text": ["z" * 100_000]})
    assert sink.waiting == 1_000_000 // (LINE_BYTES + 200_000)
    assert sink.dropped == 100 - sink.waiting
    sink.after_fork_in_child()


def test_a_slow_reader_never_holds_the_caller_and_gets_everything_in_order(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    for number in range(2000):
        log.info("x" * 100, number=number)
    sink.drain()
    assert (sink.waiting, sink.blocked, sink.lost) == (0, True, 0)
    log.error("last", number=2000)
    assert sink.blocked
    while sink.blocked:
        pipe.read()
        sink.drain()
    assert [json.loads(line)["number"] for line in pipe.read()] == list(range(2001))


def test_a_reader_that_is_stuck_is_waited_for_once(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    waits: list[float] = []
    flush = sink.flush

    def flush_noting(timeout_s: float) -> bool:
        waits.append(timeout_s)
        return flush(timeout_s)

    monkeypatch.setattr(sink, "flush", flush_noting)
    log.info("x" * 60_000)
    log.info("x" * 60_000)
    for _ in range(3):
        log.error("stuck")
    assert waits[0] > 0
    assert waits[1:] == [0, 0]
    while sink.blocked:
        pipe.read()
        sink.drain()
    log.error("fluent")
    assert len(pipe.read()) == 6


def test_text_for_a_stuck_reader_is_bounded(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexobs.logs.stream.MAX_WAITING_BYTES", 200_000)
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    count = 0
    while not sink.lost:
        log.info("x" * 1000, count=count)
        sink.drain()
        count += 1
    while sink.blocked:
        pipe.read()
        sink.drain()
    counts = [json.loads(line)["count"] for line in pipe.read()]
    assert len(counts) == count - sink.lost
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == count - 1


def test_a_non_blocking_stdout_gets_everything(pipe: Pipe) -> None:
    os.set_blocking(pipe.stream.fileno(), False)
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    for number in range(3000):
        log.info("x" * 100, number=number)
    sink.drain()
    while sink.blocked:
        pipe.read()
        sink.drain()
    assert [json.loads(line)["number"] for line in pipe.read()] == list(range(3000))


def test_a_non_blocking_stdout_full_of_prints_loses_no_line(pipe: Pipe) -> None:
    fd = pipe.stream.fileno()
    os.set_blocking(fd, False)
    room = 4096 + 512
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, b"." * 4095 + b"\n")
    os.read(pipe.read_fd, room)
    pipe.stream.write("p" * 6000 + "\n")
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    for number in range(100):
        log.info("x" * 100, number=number)
    sink.drain()
    assert sink.blocked
    while sink.blocked:
        pipe.read()
        sink.drain()
    lines = [line for line in pipe.read() if line.startswith("{")]
    assert [json.loads(line)["number"] for line in lines] == list(range(100))
    assert sink.lost == 0


def test_what_others_print_stays_on_its_own_lines(pipe: Pipe) -> None:
    log = Logger(LogSink(lambda: pipe.stream, wake=nothing))
    for number in range(200):
        print(f"printed {number}", file=pipe.stream)
        log.info("logged", number=number)
    log.error("end")
    lines = pipe.read()
    assert len(lines) == 401
    assert [line for line in lines if not line.startswith(("{", "printed"))] == []


@pytest.mark.parametrize("kind", ["reader gone", "closed", "descriptor closed", "none", "odd"])
def test_a_stream_that_takes_nothing_is_survived_and_counted(kind: str) -> None:
    pipe = Pipe()
    stream: Any = pipe.stream
    if kind == "none":
        stream = None
    if kind == "odd":
        stream = object()
    records: list[LogRecord] = []
    sink = LogSink(lambda: stream, wake=nothing, on_records=records.extend)
    log = Logger(sink)
    if kind == "reader gone":
        os.close(pipe.read_fd)
    if kind == "closed":
        stream.close()
    if kind == "descriptor closed":
        os.close(stream.fileno())
    log.info("x")
    log.error("y")
    assert (sink.lost, sink.waiting, sink.blocked) == (2, 0, False)
    assert len(records) == 2
    if kind == "descriptor closed":
        with pytest.raises(OSError, match="Bad file descriptor"):
            stream.close()
    elif kind not in ("none", "odd"):
        stream.close()
    if kind != "reader gone":
        os.close(pipe.read_fd)
    if kind in ("none", "odd"):
        pipe.stream.close()


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("json", '"value":"caf\\u00e9 \\ud83d\\ude00"'),
        ("text", 'value="caf\\u00e9 \\ud83d\\ude00"'),
    ],
)
def test_a_console_without_the_characters_gets_escapes(format: Any, expected: str) -> None:  # noqa: A002
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    Logger(LogSink(lambda: stream, format)).info("x", value="café 😀")
    text = stream.buffer.getvalue().decode()
    assert expected in text


def test_a_replaced_stdout_gets_the_lines_written_while_it_stands(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    captured = sys.stdout
    monkeypatch.setattr(sys, "stdout", pipe.stream)
    log = Logger(LogSink(lambda: sys.stdout, wake=nothing))
    log.info("to the pipe")
    monkeypatch.setattr(sys, "stdout", captured)
    log.info("to pytest")
    assert '"event":"to pytest"' in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", pipe.stream)
    log.error("to the pipe again")
    monkeypatch.setattr(sys, "stdout", captured)
    events = [json.loads(line)["event"] for line in pipe.read()]
    assert events == ["to the pipe", "to the pipe again"]


def test_values_messages_and_exceptions_are_redacted_in_every_record() -> None:
    stream = io.StringIO()
    records: list[LogRecord] = []
    sink = LogSink(lambda: stream, redactor=Secrets(), on_records=records.extend)
    log = Logger(sink, bound={"bound": "hunter2"})
    token = attach_span(
        NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))),
        RunContext("hunter2", "run-1", iteration=4),
    )
    try:
        raise ValueError("password is hunter2")
    except ValueError:
        log.exception("it was %s", "hunter2", nested={"a": ["hunter2"]})
    detach(token)
    text = stream.getvalue()
    assert "hunter2" not in text.replace('hunter2")', "")  # the source line in the trace
    [record] = records
    assert record.body == "it was [redacted]"
    assert record.attributes == {
        "bound": "[redacted]",
        "nested": {"a": ["[redacted]"]},
        "alex.session_id": "[redacted]",
        "alex.run_id": "run-1",
        "alex.iteration": 4,
    }
    assert (record.trace_id, record.span_id, record.flags) == (1, 2, 1)
    assert (record.severity, record.scope.name) == (17, "alexobs")
    assert record.exception is not None
    assert record.exception[:2] == ("ValueError", "password is [redacted]")
    assert json.loads(text)["exception"]["message"] == "password is [redacted]"


def test_redaction_fails_closed_for_the_line_that_fails_only(pipe: Pipe) -> None:
    faults: list[str] = []
    records: list[LogRecord] = []
    sink = LogSink(
        lambda: pipe.stream,
        redactor=Secrets(),
        wake=nothing,
        on_records=records.extend,
        on_fault=lambda where, _: faults.append(where),
    )
    log = Logger(sink)
    log.info("fine", value="hunter2")
    log.info("bad", value="poison hunter2")
    log.info("poison hunter2", value="v")
    sink.drain()
    text = "\n".join(pipe.read())
    assert "poison" not in text
    assert "hunter2" not in text
    lines = [json.loads(line) for line in pipe.read()]
    assert [line["event"] for line in lines] == ["fine", "bad", CHECK_FAILED]
    assert lines[1]["fields"] == CHECK_FAILED
    assert [record.body for record in records] == ["fine", "bad", CHECK_FAILED]
    assert faults == ["redaction", "redaction"]


def test_a_redactor_that_loses_values_is_not_believed() -> None:
    class Losing(Secrets):
        def batch(self, mappings: list[dict[str, Any]], /) -> list[dict[str, Any]]:
            return []

    stream = io.StringIO()
    Logger(LogSink(lambda: stream, redactor=Losing())).info("x", value="v")
    assert json.loads(stream.getvalue())["fields"] == CHECK_FAILED


def test_an_entry_that_cannot_be_written_costs_one_line(pipe: Pipe) -> None:
    times = iter([1, 1 << 200, 3])
    faults: list[str] = []
    sink = LogSink(
        lambda: pipe.stream,
        wake=nothing,
        now_ns=lambda: next(times),
        on_fault=lambda where, _: faults.append(where),
    )
    log = Logger(sink)
    for event in ("one", "two", "three"):
        log.info(event)
    sink.drain()
    assert [json.loads(line)["event"] for line in pipe.read()] == ["one", "three"]
    assert (sink.lost, faults) == (1, ["log lines"])


def test_a_record_taker_that_fails_costs_no_line() -> None:
    def refuse(records: list[LogRecord]) -> None:
        raise RuntimeError("no")

    faults: list[str] = []
    stream = io.StringIO()
    sink = LogSink(
        lambda: stream, on_records=refuse, on_fault=lambda where, _: faults.append(where)
    )
    Logger(sink).info("x")
    assert (len(stream.getvalue().splitlines()), sink.lost, faults) == (1, 0, ["log records"])


def test_the_format_can_change_while_running(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    log.info("x")
    sink.drain()
    sink.set_format("text")
    log.info("y")
    sink.drain()
    sink.set_format("pretty")
    log.info("z", value="v")
    json_line, text_line, pretty_line = pipe.read()
    assert json_line.startswith("{")
    assert "event=y" in text_line
    assert pretty_line.endswith("z" + " " * 32 + "value=v")


def test_the_stream_can_change_while_running(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    log.info("x")
    other = io.StringIO()
    sink.stream_of = lambda: other
    log.info("y")
    assert len(pipe.read()) == 1
    assert len(other.getvalue().splitlines()) == 1


def test_a_record_taker_may_wait_for_a_thread_that_drains(pipe: Pipe) -> None:
    """The taker has a lock of its own, under which others drain: no order may deadlock."""
    lock = threading.Lock()
    entered, waiting = threading.Event(), threading.Event()

    def take(records: list[LogRecord]) -> None:
        entered.set()
        assert waiting.wait(10)
        with lock:
            taken.extend(records)

    taken: list[LogRecord] = []
    sink = LogSink(lambda: pipe.stream, wake=nothing, on_records=take)
    log = Logger(sink)

    def drain_under_the_lock() -> None:
        with lock:
            assert entered.wait(10)
            log.info("second")
            waiting.set()
            assert sink.drain() == 1

    thread = threading.Thread(target=drain_under_the_lock)
    sink.on_records = lambda records: take(records) if records[0].body == "first" else None
    thread.start()
    log.error("first")
    thread.join()
    assert [record.body for record in taken] == ["first"]
    assert len(pipe.read()) == 2


def test_handing_over_waits_for_records_that_another_thread_has_in_its_hands(pipe: Pipe) -> None:
    entered, go_on = threading.Event(), threading.Event()
    taken: list[LogRecord] = []

    def take(records: list[LogRecord]) -> None:
        entered.set()
        assert go_on.wait(10)
        taken.extend(records)

    sink = LogSink(lambda: pipe.stream, wake=nothing, on_records=take)
    Logger(sink).info("x")
    drainer = threading.Thread(target=sink.drain)
    drainer.start()
    assert entered.wait(10)
    assert sink.hand_over(0.01)  # all is written, and the wait has its end
    assert not taken
    releaser = threading.Timer(0.05, go_on.set)
    releaser.start()
    assert sink.hand_over(10.0)
    assert [record.body for record in taken] == ["x"]
    for thread in (drainer, releaser):
        thread.join()


def test_holding_twice_is_holding_once(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    log.info("x")
    sink.hold()
    sink.hold()
    sink.release()
    sink.release()
    assert sink.drain() == 1


def test_after_close_lines_are_written_by_their_calls(pipe: Pipe) -> None:
    sink = LogSink(lambda: pipe.stream, wake=nothing)
    log = Logger(sink)
    log.info("before")
    assert sink.close()
    log.info("after")
    assert len(pipe.read()) == 2


def test_a_line_that_comes_at_the_end_of_a_drain_wakes_it_again(pipe: Pipe) -> None:
    wakes: list[int] = []
    late = [True]

    def take(records: list[LogRecord]) -> None:
        if late:
            late.pop()
            log.info("late")

    sink = LogSink(lambda: pipe.stream, wake=lambda: wakes.append(1), on_records=take)
    log = Logger(sink)
    log.info("x")
    sink.drain()
    assert (sink.waiting, len(wakes)) == (1, 2)


def test_a_line_that_comes_between_drain_and_sleep_is_not_left_behind(pipe: Pipe) -> None:
    """Many threads write while another drains whenever it is woken: nothing may stay."""
    due = threading.Event()
    sink = LogSink(lambda: pipe.stream, wake=due.set)
    log = Logger(sink)
    written: list[str] = []

    def work() -> None:
        for _ in range(300):
            log.info("x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(written) < 1200:
        assert due.wait(10)
        due.clear()
        sink.drain()
        written = pipe.read()
        if sink.blocked:
            due.set()
    for thread in threads:
        thread.join()
    assert (len(written), sink.lost, sink.dropped) == (1200, 0, 0)
