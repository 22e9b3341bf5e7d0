from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from alexobs import AlexobsError, Observability
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as sink:
        yield sink


@pytest.fixture
def obs(sink: OTLPSink, tmp_path: Path) -> Iterator[Observability]:
    made = Observability(
        {},
        tracing={"otlp_endpoint": sink.endpoint},
        pipeline={"spool_dir": str(tmp_path)},
        metrics={"prometheus": False},
    )
    yield made
    made.shutdown(2)


def test_a_configuration_that_cannot_be_used_changes_nothing(
    obs: Observability, sink: OTLPSink
) -> None:
    before = obs.config
    broken = dataclasses.replace(
        before,
        redaction=dataclasses.replace(before.redaction, patterns={"mine": "(unclosed"}),
        logging=dataclasses.replace(before.logging, level="debug"),
    )
    with pytest.raises(AlexobsError):
        obs.reconfigure(broken)
    assert obs.config is before
    assert obs.logger.level == "info"
    with obs.span("still"):
        pass
    assert obs.flush(5)
    assert [span.name for span in sink.spans()] == ["still"]


def test_another_back_end_gets_what_ends_from_then_on(obs: Observability, sink: OTLPSink) -> None:
    with OTLPSink() as other:
        with obs.span("first"):
            pass
        assert obs.flush(5)
        tracing = dataclasses.replace(obs.config.tracing, otlp_endpoint=other.endpoint)
        obs.reconfigure(dataclasses.replace(obs.config, tracing=tracing))
        with obs.span("second"):
            pass
        assert obs.flush(5)
        assert [span.name for span in sink.spans()] == ["first"]
        assert [span.name for span in other.spans()] == ["second"]
    assert obs.health().balanced


def test_the_sample_rate_and_the_level_change_while_running(obs: Observability) -> None:
    tracing = dataclasses.replace(obs.config.tracing, sample_rate=0.0)
    logging = dataclasses.replace(obs.config.logging, level="error")
    obs.reconfigure(dataclasses.replace(obs.config, tracing=tracing, logging=logging))
    for _ in range(10):
        with obs.span("unsampled"):
            pass
    obs.flush(5)
    account = obs.health().signals["traces"]
    assert (account.created, account.sampled_out, account.exported) == (10, 10, 0)
    assert obs.logger.level == "error"
