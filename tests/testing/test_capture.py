from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import openai
import pytest

import alexobs
from alexobs.observability import Observability
from alexobs.records import Usage
from alexobs.testing import fixtures
from alexobs.testing.capture import START_NS, TICK_NS, Capture, CountingIds, TickingClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.testing.otlp import OTLPSink
    from alexobs.testing.provider import ScriptedProvider

# The plugin's own fixtures, as pytest finds them where alexobs is installed.
alexobs_capture = fixtures.alexobs_capture
alexobs_provider = fixtures.alexobs_provider
alexobs_sink = fixtures.alexobs_sink

ASK: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def client(alexobs_capture: Capture, alexobs_provider: ScriptedProvider) -> Iterator[Any]:
    made = openai.OpenAI(base_url=alexobs_provider.openai_url, api_key="unused", max_retries=0)
    with made:
        yield alexobs_capture.obs.instrument(made)


def test_the_tree_shows_what_happened(
    alexobs_capture: Capture, alexobs_provider: ScriptedProvider, client: Any
) -> None:
    alexobs_provider.reply("hello", usage=Usage(input_tokens=10, output_tokens=5)).fail(400)
    obs = alexobs_capture.obs

    @obs.tool
    def look(path: str) -> str:
        return path

    with obs.session("task"), obs.iteration(1):
        client.chat.completions.create(model="gpt-5-mini", messages=ASK)
        look("a.py")
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-5-mini", messages=ASK)
    with obs.span("own", number=3):
        pass

    assert alexobs_capture.tree("alex.llm.token_count", "number") == (
        "alex.session.solve_task\n"
        "  alex.react.iteration 1\n"
        "    alex.llm.generate gpt-5-mini alex.llm.token_count=15\n"
        "    alex.tool.execute look\n"
        "    alex.llm.generate gpt-5-mini [error]\n"
        "own number=3\n"
    )


def test_ids_and_times_are_the_same_in_every_run() -> None:
    def run() -> list[tuple[int, int, int, int]]:
        with Capture(logging={"enabled": False}) as capture:
            for name in ("one", "two"):
                with capture.obs.span(name):
                    pass
            spans = capture.spans()
            return [(span.trace_id, span.span_id, span.start_ns, span.end_ns) for span in spans]

    assert run() == run()
    assert run()[0][:2] == (1, 1)


def test_metrics_are_read_by_name_and_labels(
    alexobs_capture: Capture, alexobs_provider: ScriptedProvider, client: Any
) -> None:
    alexobs_provider.reply("hello").reply("hello").fail(500)
    for _ in range(2):
        client.chat.completions.create(model="gpt-5-mini", messages=ASK)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="gpt-5-mini", messages=ASK)

    value = alexobs_capture.value
    assert value("alex.llm.requests.total") == 3
    assert value("alex.llm.requests.total", status="success") == 2
    assert value("alex.llm.latency", status="error") == 1
    assert value("gen_ai.client.token.usage", gen_ai_token_type="input") == 2
    assert value("alex.llm.requests.total", model="other") == 0
    assert value("no.such.metric") == 0
    assert alexobs_capture.metrics()["alex.llm.requests.total"].unit == "{request}"


def test_logs_are_kept_with_their_trace(
    alexobs_capture: Capture, capsys: pytest.CaptureFixture[str]
) -> None:
    obs = alexobs_capture.obs
    with obs.span("work"):
        obs.logger.info("half way", percent=50)
    (record,) = alexobs_capture.logs()
    assert (record.body, record.trace_id) == ("half way", alexobs_capture.span("work").trace_id)
    assert record.attributes["percent"] == 50
    assert "half way" in capsys.readouterr().out


def test_one_span_is_asked_for_by_name(alexobs_capture: Capture) -> None:
    for _ in range(2):
        with alexobs_capture.obs.span("twice"):
            pass
    with pytest.raises(AssertionError, match="expected one span called 'twice', found 2:\ntwice"):
        alexobs_capture.span("twice")
    alexobs_capture.clear()
    with pytest.raises(AssertionError, match="found 0"):
        alexobs_capture.span("twice")


def test_settings_are_merged_over_the_quiet_ones() -> None:
    with Capture(tracing={"sample_rate": 0.0}, logging={"enabled": False}) as capture:
        assert capture.obs.config.tracing.exporter == "none"
        with capture.obs.span("dropped"):
            pass
        assert capture.spans() == []


def test_code_that_calls_init_gets_the_captured_one(alexobs_capture: Capture) -> None:
    assert alexobs.init() is alexobs.current() is alexobs_capture.obs
    with Capture(logging={"enabled": False}) as inner:
        assert alexobs.init() is inner.obs
    assert alexobs.current() is alexobs_capture.obs


def test_faults_of_alexobs_are_raised_in_tests(alexobs_capture: Capture) -> None:
    with pytest.raises(ZeroDivisionError):
        alexobs_capture.obs.fault("here", ZeroDivisionError())


def test_clock_and_ids_count() -> None:
    clock, ids = TickingClock(), CountingIds()
    assert [clock(), clock()] == [START_NS, START_NS + TICK_NS]
    assert [ids.trace_id(), ids.trace_id(), ids.span_id()] == [1, 2, 1]


def test_the_sink_fixture_receives_what_an_observability_sends(
    alexobs_sink: OTLPSink, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        "tracing": {"exporter": "otlp", "otlp_endpoint": alexobs_sink.endpoint},
        "metrics": {"prometheus": False},
        "pipeline": {"spool": False},
    }
    with Observability(settings) as obs:
        with obs.span("sent"):
            obs.logger.info("said")
        assert obs.flush()
    (span,) = alexobs_sink.spans("sent")
    assert [log.trace_id for log in alexobs_sink.logs()] == [span.trace_id]


def test_the_plugin_costs_nothing_until_it_is_used() -> None:
    check = (
        "import sys, alexobs.testing.fixtures; assert 'alexobs.observability' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
