"""What a fault in one step costs: that step's part of one span, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import alexobs.pipeline.stages
from alexobs import Observability
from alexobs.records import CallFacts


class Call:
    """A call that is known at once, or whose reading fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self._fails = fails
        self._found = CallFacts(kind="llm", status="success", request_model="some-model")

    def _read(self) -> None:
        if self._fails:
            raise RuntimeError("unreadable")

    steps = (_read,)

    def facts(self) -> CallFacts:
        self._read()
        return self._found


@pytest.fixture
def obs(tmp_path: Path) -> Any:
    made = Observability(
        {},
        tracing={"exporter": "file", "file_path": str(tmp_path / "spans.jsonl")},
        metrics={"prometheus": False, "otlp": False},
        logging={"otlp": False},
        pipeline={"spool_dir": str(tmp_path / "spool"), "linger_s": 30},
    )
    yield made
    made.shutdown()


def record(obs: Observability, *calls: Call) -> list[dict[str, str]]:
    """Return the attributes of the spans of these calls, worked on together."""
    for call in calls:
        span = obs.tracer.start_span("alex.llm.generate")
        span.call = call
        span.end()
    assert obs.flush(10)
    traces = obs.health().signals["traces"]
    assert traces.balanced
    assert not traces.dropped
    lines = Path(obs.config.tracing.file_path).read_text(encoding="utf-8").splitlines()
    spans = [
        span
        for line in lines
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return [
        {a["key"]: a["value"].get("stringValue", "") for a in span["attributes"]} for span in spans
    ]


def test_a_call_that_cannot_be_read_leaves_its_neighbours_whole(obs: Observability) -> None:
    first, second, third = record(obs, Call(), Call(fails=True), Call())
    assert first["alex.llm.model"] == third["alex.llm.model"] == "some-model"
    assert second["error.type"] == "_OTHER"
    assert obs.health().faults["facts"] == 1


@pytest.mark.parametrize("step", ["observation_of", "call_line"])
def test_a_span_outlives_a_fault_in_its_metering_or_its_line(
    obs: Observability, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(alexobs.pipeline.stages, step, explode)
    spans = record(obs, Call(), Call())
    assert [span["alex.llm.model"] for span in spans] == ["some-model"] * 2
    assert obs.health().faults["process"] == 2
