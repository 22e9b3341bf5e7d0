"""The tree that people see first: what it shows, how it fits, and that data cannot break it."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexobs import semconv
from alexobs.exporters.console import ConsoleExporter
from alexobs.exporters.display import cells, duration_text, fitted, printable, tokens_text, usd_text
from alexobs.exporters.tree import as_ascii, render_tree
from alexobs.records import Batch, Resource, Scope, SpanData, SpanEvent

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
START = 1_700_000_000_000 * MS


class Agent:
    """Builds the spans of one run."""

    def __init__(self, trace_id: int = 7) -> None:
        self.trace_id = trace_id
        self.spans: list[SpanData] = []

    def span(
        self, name: str, parent: int, start_ms: float, end_ms: float, /, **attributes: Any
    ) -> SpanData:
        span = SpanData(
            trace_id=self.trace_id,
            span_id=len(self.spans) + 1,
            parent_span_id=parent,
            name=name,
            start_ns=START + int(start_ms * MS),
            end_ns=START + int(end_ms * MS),
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
            scope=Scope("s"),
        )
        self.spans.append(span)
        return span

    def llm(self, parent: int, start_ms: float, end_ms: float) -> SpanData:
        return self.span(
            semconv.SPAN_LLM, parent, start_ms, end_ms,
            alex__llm__model="gpt-5-mini", alex__llm__input_tokens=1204,
            alex__llm__output_tokens=310, alex__cost=0.0123,
        )  # fmt: skip

    def tool(self, parent: int, start_ms: float, end_ms: float, name: str = "grep") -> SpanData:
        return self.span(semconv.SPAN_TOOL, parent, start_ms, end_ms, alex__tool_name=name)


def run() -> Agent:
    agent = Agent()
    agent.span(semconv.SPAN_SESSION, 0, 0, 10_000, alex__task="fix the bug")
    agent.span(semconv.SPAN_ITERATION, 1, 0, 5_000, alex__iteration=1)
    llm = agent.llm(2, 0, 4_000)
    llm.events = [
        SpanEvent(semconv.ALEX_LLM_ATTEMPT_EVENT, START, {
            semconv.ALEX_LLM_ATTEMPT_NUMBER: 1, semconv.ALEX_LLM_ATTEMPT_MAX: 3,
            semconv.ALEX_LLM_ATTEMPT_CAUSE: "429", semconv.ALEX_LLM_ATTEMPT_DELAY: 0.5,
        })
    ]  # fmt: skip
    for number in range(6):
        agent.tool(2, 4_000 + number, 4_001 + number)
    agent.span(semconv.SPAN_ITERATION, 1, 5_000, 10_000, alex__iteration=2)
    failed = agent.tool(len(agent.spans), 5_000, 10_000, "run_tests")
    failed.status_code, failed.status_message = 2, "exit code 1"
    failed.attributes["error.type"] = "CalledProcessError"
    return agent


def test_a_session() -> None:
    assert render_tree(run().spans, width=90) == (
        "session fix the bug   ━━━━━━━━━━━━━━━━  10.0 s\n"
        "├─ iteration 1        ━━━━━━━━          5.00 s\n"
        "│  ├─ llm gpt-5-mini  ━━━━━━            4.00 s  1,204 → 310  $0.0123\n"
        "│  │     ↻ attempt 1 of 3: 429, waited 500 ms\n"
        "│  └─ tool grep ×6          ━           6.0 ms\n"  # noqa: RUF001 - as it is shown
        "└─ iteration 2                ━━━━━━━━  5.00 s\n"
        "   └─ tool run_tests          ━━━━━━━━  5.00 s\n"
        "         ✗ CalledProcessError: exit code 1\n"
        "2 iterations · 1 LLM call · 7 tool calls · 1,204 → 310 tokens · $0.0123"
        " · 1 failed attempt\n"
        "1 error\n"
    )


def test_the_order_of_the_spans_does_not_matter() -> None:
    spans = run().spans
    assert render_tree(spans[::-1]) == render_tree(spans)


@pytest.mark.parametrize("width", [1, 40, 60, 80, 120, 300])
def test_it_fits(width: int) -> None:
    agent = run()
    agent.spans[0].attributes["alex.task"] = "修复 parser 中的错误 " * 20
    for line in render_tree(agent.spans, width=width).splitlines():
        assert cells(line) <= max(width, 40)


def test_colours_only_add_colours() -> None:
    spans = run().spans
    coloured = render_tree(spans, color=True, width=90)
    assert "\x1b[31m" in coloured  # the error is red
    assert re.sub(r"\x1b\[\d+m", "", coloured) == render_tree(spans, width=90)


def test_data_cannot_move_the_cursor() -> None:
    evil = "a\x1b[2Jb\r\n\x07c\u202ed\x9be\ud800f"
    agent = Agent()
    root = agent.span(evil, 0, 0, 1, alex__kind=evil)
    agent.span(semconv.SPAN_LLM, 1, 0, 1, alex__llm__model=evil)
    agent.span(semconv.SPAN_TOOL, 1, 0, 1, alex__tool_name=evil, error__type=evil).status_code = 2
    agent.span(semconv.SPAN_SESSION, 1, 0, 1, alex__task=evil)
    root.status_code, root.status_message = 2, evil
    root.events = [SpanEvent(semconv.ALEX_LLM_ATTEMPT_EVENT, 0, {"alex.llm.attempt.cause": evil})]
    text = render_tree(agent.spans, width=200)
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert "\\x1b[2J" in text


def test_other_peoples_spans_are_understood() -> None:
    agent = Agent()
    agent.span("invoke", 0, 0, 9)
    agent.span(
        "chat gpt-5", 1, 0, 4, gen_ai__operation__name="chat", gen_ai__request__model="gpt-5",
        gen_ai__usage__input_tokens=10, gen_ai__usage__output_tokens=20,
    )  # fmt: skip
    agent.span("x", 1, 4, 8, gen_ai__operation__name="execute_tool", gen_ai__tool__name="search")
    text = render_tree(agent.spans)
    assert "├─ llm gpt-5" in text
    assert "10 → 20" in text
    assert "└─ tool search" in text


def test_several_traces_and_lost_parents() -> None:
    first, second = Agent(1), Agent(2)
    first.span("one", 0, 0, 1)
    second.span("orphan", 99, 5, 6)
    text = render_tree([*second.spans, *first.spans])
    assert [line.split("  ")[0] for line in text.splitlines()] == ["one", "", "orphan"]


def test_no_spans_are_no_text() -> None:
    assert render_tree([]) == ""


def test_circles_end() -> None:
    agent = Agent()
    agent.span("self", 1, 0, 1)
    agent.span("a", 3, 1, 2)
    agent.span("b", 2, 2, 3)
    text = render_tree(agent.spans)
    assert [name in text for name in ("self", "a", "b")] == [True, True, True]


def test_a_deep_and_a_wide_tree_are_bounded() -> None:
    deep = Agent()
    for number in range(3_000):
        deep.span(f"level {number}", number, number, 9_000 - number)
    wide = Agent()
    wide.span("root", 0, 0, 10)
    for number in range(3_000):
        wide.span(f"leaf {number}", 1, 0, 1)
    for agent in (deep, wide):
        text = render_tree(agent.spans, width=100)
        assert len(text.splitlines()) == 501
        assert "… 2500 more rows" in text or "… 2501 more rows" in text
        assert max(map(cells, text.splitlines())) <= 100


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            SpanData,
            trace_id=st.integers(1, 2),
            span_id=st.integers(1, 6),
            parent_span_id=st.integers(0, 6),
            name=st.text(max_size=8),
            start_ns=st.integers(0, 1 << 64),
            end_ns=st.integers(0, 1 << 64),
            attributes=st.dictionaries(
                st.sampled_from(
                    [
                        semconv.ALEX_KIND, semconv.ALEX_LLM_MODEL, semconv.ALEX_COST,
                        semconv.ALEX_LLM_INPUT_TOKENS, semconv.ALEX_ITERATION, semconv.ALEX_STATUS,
                        semconv.ALEX_TASK, semconv.GEN_AI_OPERATION_NAME, semconv.ERROR_TYPE,
                    ]
                ),
                st.none() | st.text(max_size=4) | st.integers() | st.floats() | st.booleans()
                | st.lists(st.integers(), max_size=2)
                | st.sampled_from(["llm", "tool", "session", "iteration", "cancelled", "chat"]),
            ),
            scope=st.just(Scope("s")),
            status_code=st.integers(0, 2),
            status_message=st.text(max_size=5),
        ),
        max_size=12,
    ),
    st.integers(0, 200),
)  # fmt: skip
def test_whatever_the_spans_it_renders_and_fits(spans: list[SpanData], width: int) -> None:
    text = render_tree(spans, width=width, color=False)
    assert text == "" if not spans else text.endswith("\n")
    assert all(cells(line) <= max(width, 40) for line in text.splitlines())


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 µs"), (1_500, "2 µs"), (999_499, "999 µs"), (1_234_567, "1.2 ms"),
        (12_345_678, "12 ms"), (999_400_000, "999 ms"), (999_600_000, "1.00 s"),
        (4_100_000_000, "4.10 s"), (12_400_000_000, "12.4 s"), (125_000_000_000, "2m 05s"),
        (3_720_000_000_000, "1h 02m"), (-5, "0 µs"),
    ],
)  # fmt: skip
def test_durations(duration_ns: int, text: str) -> None:
    assert duration_text(duration_ns) == text


def test_figures() -> None:
    assert [tokens_text(n) for n in (0, 99_999, 123_456, 1_234_567)] == [
        "0", "99,999", "123k", "1.2M",
    ]  # fmt: skip
    assert [usd_text(usd) for usd in (0, 0.00001234, 0.0123, 1234.5, float("nan"))] == [
        "$0.00", "$0.000012", "$0.0123", "$1,234.50", "$?",
    ]  # fmt: skip
    assert fitted("修复错误", 5) == "修复…"
    assert printable("a\tb") == "a b"


# -- the exporter ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def export(exporter: ConsoleExporter, spans: list[SpanData]) -> bytes:
    body = exporter.encode_spans(spans, Resource())
    assert exporter.send(Batch("traces", "console", len(spans), body), 1.0).accepted
    return body


def test_a_tree_is_shown_when_its_root_has_ended() -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    spans = run().spans
    assert export(exporter, spans[1:]) == b""
    assert stream.getvalue() == ""
    assert export(exporter, spans[:1])
    assert stream.getvalue().startswith("session fix the bug")
    exporter.close()
    assert stream.getvalue().count("session") == 1


def test_what_still_waits_is_shown_at_the_end() -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    export(exporter, run().spans[1:3])
    exporter.close()
    assert stream.getvalue().startswith("iteration 1")


def test_what_waits_is_bounded() -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    agents = [Agent(number + 1) for number in range(3)]
    for agent in agents:
        for _ in range(4_000):
            agent.tool(99, 0, 1)
        export(exporter, agent.spans)
    assert stream.getvalue().count("tool") >= 1


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal, plain, refused = Terminal(), io.StringIO(), Terminal()
    export(ConsoleExporter(terminal), run().spans)
    export(ConsoleExporter(plain), run().spans)
    monkeypatch.setenv("NO_COLOR", "1")
    export(ConsoleExporter(refused), run().spans)
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in plain.getvalue() + refused.getvalue()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    export(ConsoleExporter(stream), run().spans)
    assert b"|- iteration 1" in raw.getvalue()
    assert as_ascii("é") == "?"


def test_a_closed_stream_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    body = exporter.encode_spans(run().spans, Resource())
    exporter.encode_spans(run().spans[1:], Resource())
    stream.close()
    result = exporter.send(Batch("traces", "console", 1, body), 1.0)
    assert (result.accepted, result.retry) == (False, False)
    exporter.close()
    monkeypatch.setattr(sys, "stderr", None)
    assert export(ConsoleExporter(), run().spans)


def test_broken_spans_are_shown_as_well_as_can_be(make_span: Callable[..., SpanData]) -> None:
    stream = io.StringIO()
    broken = make_span(None, start_ns="x", attributes={None: object, "alex.cost": "much"})
    export(ConsoleExporter(stream), [broken])
    assert stream.getvalue()


def test_logs_and_metrics_are_not_shown() -> None:
    exporter = ConsoleExporter(io.StringIO())
    assert exporter.encode_logs([], Resource()) is None  # type: ignore[func-returns-value]
    assert exporter.encode_metrics([], Resource()) is None  # type: ignore[func-returns-value]
    assert exporter.split(Batch("traces", "console", 2, b"")) is None  # type: ignore[func-returns-value]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_what_waits_to_its_parent() -> None:
    stream = io.StringIO()
    exporter = ConsoleExporter(stream)
    spans = run().spans
    export(exporter, spans[1:])
    pid = os.fork()
    if pid == 0:
        exporter.close()
        own = exporter.encode_spans(spans[:1], Resource()).decode()
        os._exit(0 if own.startswith("session") and "iteration" not in own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    export(exporter, spans[:1])
    assert "iteration 2" in stream.getvalue()
