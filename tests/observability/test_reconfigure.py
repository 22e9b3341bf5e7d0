from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from alexobs import AlexobsError, ConfigError, Observability
from alexobs.errors import PriceError
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
        metrics={"prometheus": False, "prometheus_port": 0},
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


def test_what_only_a_restart_can_change_keeps_its_value_and_is_named(
    obs: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    before = obs.config
    obs.reconfigure(
        dataclasses.replace(
            before,
            metrics=dataclasses.replace(before.metrics, prometheus_port=9999),
            tracing=dataclasses.replace(before.tracing, service_name="other", sample_rate=0.5),
        )
    )
    assert obs.config.metrics.prometheus_port == before.metrics.prometheus_port
    assert obs.config.tracing.service_name == before.tracing.service_name
    assert obs.config.tracing.sample_rate == 0.5
    assert (
        "restart the process to change metrics.prometheus_port, tracing.service_name" in caplog.text
    )


def test_the_endpoint_for_prometheus_comes_and_goes(obs: Observability) -> None:
    def serve(wanted: bool) -> None:
        metrics = dataclasses.replace(obs.config.metrics, prometheus=wanted)
        obs.reconfigure(dataclasses.replace(obs.config, metrics=metrics))

    assert obs.health().prometheus is None
    serve(wanted=True)
    address = obs.health().prometheus
    assert address is not None
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert b"alex_sessions_active" in answer.read()
    serve(wanted=False)
    assert obs.health().prometheus is None
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


def test_everything_is_switched_on_while_running(sink: OTLPSink, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "tracing": {"otlp_endpoint": sink.endpoint},
        "pipeline": {"spool_dir": str(tmp_path)},
        "metrics": {"prometheus": False},
    }
    with Observability({"enabled": False, **settings}) as obs:
        with obs.span("unseen"):
            pass
        obs.reconfigure(dataclasses.replace(obs.config, enabled=True))
        with obs.span("seen"):
            pass
        assert obs.flush(5)
    assert [span.name for span in sink.spans()] == ["seen"]


@pytest.fixture
def priced(sink: OTLPSink, tmp_path: Path) -> Iterator[tuple[Observability, Path, Path]]:
    """An `Observability` of a file, with the files of its configuration and its prices."""
    file, prices = tmp_path / "config.yaml", tmp_path / "prices.yaml"
    prices.write_text("prices: [{model: mine, input: 1, output: 1}]")
    settings: dict[str, Any] = {
        "tracing": {"otlp_endpoint": sink.endpoint},
        "pipeline": {"spool_dir": str(tmp_path)},
        "metrics": {"prometheus": False},
        "pricing": {"overrides": str(prices)},
    }
    file.write_text(yaml.safe_dump({"observability": settings}))
    made = Observability(file)
    yield made, file, prices
    made.shutdown(2)


def cost_of_a_call(obs: Observability, sink: OTLPSink) -> float:
    class Model:
        model = "mine"

        def complete(self, prompt: str) -> dict[str, Any]:
            return {"usage": {"input_tokens": 1_000_000, "output_tokens": 0}, "model": "mine"}

    sink.clear()
    obs.instrument(Model()).complete("hi")
    assert obs.flush(5)
    (span,) = sink.spans()
    return float(span.attributes["alex.cost"])


def test_prices_are_read_anew_and_good_ones_stay(
    priced: tuple[Observability, Path, Path], sink: OTLPSink
) -> None:
    obs, _, prices = priced
    assert cost_of_a_call(obs, sink) == 1.0
    prices.write_text("prices: [{model: mine, input: 7, output: 7}]")
    assert obs.reload()
    assert cost_of_a_call(obs, sink) == 7.0
    prices.write_text("prices: [{model: mine, input: cheap}]")
    with pytest.raises(PriceError, match=r"prices.yaml:1: prices\[0\].input"):
        obs.reload()
    assert any("prices.yaml:1" in problem for problem in obs.health().problems)
    assert cost_of_a_call(obs, sink) == 7.0


def test_another_file_of_prices_is_used_unless_it_is_broken(
    priced: tuple[Observability, Path, Path], sink: OTLPSink, tmp_path: Path
) -> None:
    obs, _, _ = priced
    others = tmp_path / "others.yaml"
    pricing = dataclasses.replace(obs.config.pricing, overrides=str(others))
    others.write_text("nonsense: 1")
    with pytest.raises(PriceError):
        obs.reconfigure(dataclasses.replace(obs.config, pricing=pricing))
    assert cost_of_a_call(obs, sink) == 1.0
    others.write_text("prices: [{model: mine, input: 3, output: 3}]")
    obs.reconfigure(dataclasses.replace(obs.config, pricing=pricing))
    assert cost_of_a_call(obs, sink) == 3.0


def test_a_broken_configuration_shows_in_health_until_it_is_repaired(
    priced: tuple[Observability, Path, Path],
) -> None:
    obs, file, _ = priced
    good = file.read_text()
    file.write_text("observability: {logging: {level: loud}}")
    with pytest.raises(ConfigError):
        obs.reload()
    assert any("logging.level" in problem for problem in obs.health().problems)
    file.write_text(good)
    assert not obs.reload()
    assert obs.health().problems == ()
