"""``opentelemetry-instrument`` finds alexobs by its entry points, beside others or alone."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from alexobs import otel, semconv
from alexobs.instrumentation import packages

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run

    from alexobs.testing.capture import Capture
    from alexobs.testing.otlp import OTLPSink

OURS = {"OTEL_PYTHON_DISTRO": "alexobs", "OTEL_PYTHON_CONFIGURATOR": "alexobs"}
SDKS = {"OTEL_PYTHON_DISTRO": "distro", "OTEL_PYTHON_CONFIGURATOR": "configurator"}
PYTHON = sys.executable

OFFICIAL = """
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor


class Official(BaseInstrumentor):
    def instrumentation_dependencies(self):
        return ()

    def _instrument(self, **kwargs):
        import openai
        from openai.resources.chat.completions import Completions

        create = Completions.create

        def observed(*args, **kwargs):
            with trace.get_tracer("official").start_as_current_span("chat gpt-5-mini"):
                return create(*args, **kwargs)

        Completions.create = observed

    def _uninstrument(self, **kwargs):
        pass
"""


@pytest.fixture
def official(tmp_path: Path) -> dict[str, str]:
    """Install an instrumentor under the name of the official one; return the environment."""
    folder = tmp_path / "site"
    info = folder / "official-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "official.py").write_text(OFFICIAL, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: official\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\nopenai = official:Official\n"
    )
    return {"PYTHONPATH": str(folder)}


def names(sink: OTLPSink) -> list[str]:
    return [span.name for span in sink.spans()]


def test_the_program_is_observed_and_prints_what_it_printed(
    run: Run, agent: Path, sink: OTLPSink
) -> None:
    seen = run("opentelemetry-instrument", PYTHON, str(agent), "x", env=OURS)
    assert (seen.returncode, seen.stdout) == (0, "hello x\n")
    assert names(sink) == [semconv.SPAN_LLM]
    assert "Traceback" not in seen.stderr


@pytest.mark.slow
def test_it_observes_beside_the_sdk_that_is_set_up_by_its_own_distribution(
    run: Run, agent: Path, sink: OTLPSink
) -> None:
    env = {**SDKS, "OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"}
    env |= {"OTEL_LOGS_EXPORTER": "none", "ALEX_TRACING_EXPORTER": "otlp"}
    env |= {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    env |= {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai"}
    own = "\nfrom opentelemetry import trace\n"
    own += "with trace.get_tracer('own').start_as_current_span('own work'): pass\n"
    agent.write_text(agent.read_text(encoding="utf-8") + own, encoding="utf-8")
    seen = run("opentelemetry-instrument", PYTHON, str(agent), env=env)
    assert seen.stdout.startswith("hello\n")
    assert "own work" in seen.stdout
    assert semconv.SPAN_LLM not in seen.stdout
    assert names(sink) == [semconv.SPAN_LLM]


@pytest.mark.slow
def test_beside_the_official_instrumentor_one_span_comes_out(
    run: Run, agent: Path, sink: OTLPSink, official: dict[str, str]
) -> None:
    run("opentelemetry-instrument", PYTHON, str(agent), env=OURS | official)
    assert names(sink) == [semconv.SPAN_LLM]


@pytest.mark.slow
def test_the_official_instrumentor_is_loaded_when_ours_is_disabled(
    run: Run, agent: Path, sink: OTLPSink, official: dict[str, str]
) -> None:
    disabled = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "alexobs-openai"}
    run("opentelemetry-instrument", PYTHON, str(agent), env=OURS | official | disabled)
    assert "chat gpt-5-mini" in names(sink)
    assert semconv.SPAN_LLM not in names(sink)


def test_an_unusable_configuration_is_told_once_and_the_program_runs(run: Run, agent: Path) -> None:
    env = OURS | {"ALEX_LOGGING_LEVEL": "loud"}
    seen = run("opentelemetry-instrument", PYTHON, str(agent), env=env)
    assert (seen.returncode, seen.stdout) == (0, "hello\n")
    assert seen.stderr.count("ALEX_LOGGING_LEVEL") == 1
    assert "Traceback" not in seen.stderr


def test_an_instrumentor_can_be_used_by_hand(alexobs_capture: Capture) -> None:
    instrumentor = otel.OpenAIInstrumentor()
    instrumentor.instrument()
    try:
        assert packages.installed() == ["openai"]
    finally:
        instrumentor.uninstrument()
    assert packages.installed() == []
    os.environ.pop("ALEX_OBSERVED_PID")


def test_every_provider_has_an_entry_point() -> None:
    ours = entry_points(group="opentelemetry_instrumentor")
    made = [entry.load()() for entry in ours if entry.name.startswith("alexobs-")]
    assert {instrumentor.package for instrumentor in made} == set(packages.PACKAGES)
    for instrumentor in made:
        assert instrumentor._check_dependency_conflicts() is None
