"""Every example runs as its reader would run it, and what it sends is what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alexobs import semconv
from alexobs.testing import demo
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as sink:
        yield sink


def run(name: str, sink: OTLPSink, home: Path, *arguments: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")
    }
    environment |= {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    }
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def statuses(sink: OTLPSink) -> list[str]:
    calls = sink.spans(semconv.SPAN_LLM)
    calls.sort(key=lambda span: span.start_ns)
    return [str(span.attributes[semconv.ALEX_STATUS]) for span in calls]


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_agent_solves_its_task_and_all_of_it_is_seen(
    sink: OTLPSink, tmp_path: Path, provider: str
) -> None:
    output = run("react_agent.py", sink, tmp_path, "--provider", provider)

    assert f"Solved: {demo.SUMMARY}" in output
    assert output.count("run_tests: exit code 1") == 2
    assert output.count("run_tests: exit code 0") == 1
    assert len(sink.spans(semconv.SPAN_SESSION)) == 1
    assert len(sink.spans(semconv.SPAN_ITERATION)) == 4
    assert len(sink.spans(semconv.SPAN_TOOL)) == 7
    assert statuses(sink) == ["success"] * 5
    calls = sorted(sink.spans(semconv.SPAN_LLM), key=lambda span: span.start_ns)
    assert [call.attributes[semconv.ALEX_LLM_ATTEMPTS] for call in calls] == [1, 2, 1, 1, 1]
    assert sum(call.attributes[semconv.GEN_AI_USAGE_CACHE_READ] for call in calls[1:]) == 7_040
    assert all(call.attributes[semconv.ALEX_COST] > 0 for call in calls)
    assert len({span.trace_id for span in sink.spans()}) == 1


def test_the_demo_finds_the_agent_in_a_checkout() -> None:
    assert demo.agent_path() == EXAMPLES / "react_agent.py"
    assert len(demo.agent_path().read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.slow
def test_anthropic_messages(sink: OTLPSink, tmp_path: Path) -> None:
    output = run("anthropic_messages.py", sink, tmp_path)
    assert output.count("Saturn, with 274 known moons.") == 2
    assert statuses(sink) == ["success", "success"]
    written, read = sorted(sink.spans(semconv.SPAN_LLM), key=lambda span: span.start_ns)
    assert written.attributes[semconv.GEN_AI_USAGE_CACHE_WRITE] == 1_800
    assert read.attributes[semconv.GEN_AI_USAGE_CACHE_READ] == 1_800
    assert read.attributes[semconv.ALEX_COST] < written.attributes[semconv.ALEX_COST]


def test_google_gemini(sink: OTLPSink, tmp_path: Path) -> None:
    output = run("google_gemini.py", sink, tmp_path)
    assert "name='Saturn' moons=274" in output
    assert "It is the one with the rings." in output
    assert statuses(sink) == ["success", "success"]


def test_streaming(sink: OTLPSink, tmp_path: Path) -> None:
    output = run("streaming.py", sink, tmp_path)
    assert "one two three four five\nenough\ncut: " in strip_lines(output)
    assert statuses(sink) == ["success", "cancelled", "error"]


def test_async_agents(sink: OTLPSink, tmp_path: Path) -> None:
    output = run("async_agents.py", sink, tmp_path)
    assert output.count("Sunny.") == 3
    sessions = {span.trace_id: span for span in sink.spans(semconv.SPAN_SESSION)}
    assert len(sessions) == 3
    for name in (semconv.SPAN_TOOL, semconv.SPAN_LLM):
        assert {span.trace_id for span in sink.spans(name)} == set(sessions)


def test_plain_functions(sink: OTLPSink, tmp_path: Path) -> None:
    output = run("plain_functions.py", sink, tmp_path)
    assert "The answer is 42." in output
    tools = {span.attributes[semconv.ALEX_TOOL_NAME] for span in sink.spans(semconv.SPAN_TOOL)}
    assert tools == {"multiply", "divide"}
    assert statuses(sink) == ["success"]


def strip_lines(output: str) -> str:
    """Return an example's own output without the log lines that alexobs writes between."""
    return "\n".join(line for line in output.splitlines() if not line.startswith('{"'))
