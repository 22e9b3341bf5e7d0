"""The configuration file changes while a program runs under load: nothing is lost."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 5.0  # for a change to be seen: the file is looked at once a second; CI is slow


class Load:
    """A program that records in three threads until it is stopped; counts for itself."""

    def __init__(self, obs: Observability) -> None:
        self._obs = obs
        self._stop = threading.Event()
        self._counts = [itertools.count() for _ in range(3)]
        self._threads = [threading.Thread(target=self._run, args=(c,)) for c in self._counts]
        for thread in self._threads:
            thread.start()

    def _run(self, count: itertools.count[int]) -> None:
        while not self._stop.is_set():
            with self._obs.span("work", hushword="shown at first"):
                next(count)
                self._obs.logger.debug("a debug line")
            time.sleep(0.001)

    def stop(self) -> int:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return sum(next(count) for count in self._counts)


@pytest.fixture
def file(settings: dict[str, Any], tmp_path: Path) -> Path:
    settings["logging"] |= {"level": "info"}
    path = tmp_path / "config.yaml"
    save(path, settings)
    return path


@pytest.fixture
def obs(file: Path) -> Iterator[Observability]:
    made = Observability(file, watch=True)
    yield made
    made.shutdown()


@pytest.fixture
def load(obs: Observability) -> Iterator[Load]:
    made = Load(obs)
    yield made
    made.stop()


def save(path: Path, settings: dict[str, Any]) -> None:
    text = json.dumps({"observability": settings})  # which is YAML, too
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def wait_for(holds: Callable[[], object], timeout_s: float = SECONDS) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout_s, "the change was not seen in time"
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.slow
def test_everything_changes_under_load_and_nothing_is_lost(  # noqa: PLR0917
    obs: Observability,
    load: Load,
    file: Path,
    settings: dict[str, Any],
    sink: OTLPSink,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert sink.wait_until(lambda s: len(s.spans("work")) > 50)
    assert sink.spans("work")[0].attributes["hushword"] == "shown at first"

    settings["logging"]["level"] = "debug"
    save(file, settings)
    assert wait_for(lambda: "a debug line" in capfd.readouterr().err) < SECONDS

    settings["redaction"] = {"keys": ["hushword"]}
    save(file, settings)
    wait_for(lambda: "redacted" in str(sink.spans("work")[-1].attributes["hushword"]))

    good = obs.config
    file.write_text("observability: {logging: [")  # broken, and then broken in the same way
    wait_for(lambda: caplog.text.count("last good configuration stays") == 1)
    file.write_text("observability: {logging: [")
    time.sleep(1.3)  # one more look; there is nothing to wait for
    assert caplog.text.count("last good configuration stays") == 1
    assert obs.config == good

    with OTLPSink() as second:
        settings["tracing"]["otlp_endpoint"] = second.endpoint
        save(file, settings)
        assert second.wait_until(lambda s: len(s.spans("work")) > 50)
        settings["tracing"]["sample_rate"] = 0.0
        save(file, settings)
        wait_for(lambda: obs.health().signals["traces"].sampled_out > 50)
        settings["tracing"]["sample_rate"] = 0.5
        settings["pipeline"]["linger_s"] = 0.01
        save(file, settings)
        wait_for(lambda: obs.config.tracing.sample_rate == 0.5)

        made = load.stop()
        assert obs.flush(10.0)
        account = obs.health().signals["traces"]
        arrived = [span.span_id for one in (sink, second) for span in one.spans()]
        assert obs.health().balanced
        assert account.created == made
        assert account.exported == len(arrived) == len(set(arrived))
        assert account.created == account.exported + account.sampled_out
        assert not account.dropped
        assert obs.health().faults == {}


def test_a_back_end_that_is_down_is_replaced_by_one_that_is_up(
    obs: Observability, load: Load, file: Path, settings: dict[str, Any], sink: OTLPSink
) -> None:
    sink.stop()
    wait_for(lambda: obs.health().signals["traces"].waiting > 100)
    with OTLPSink() as second:
        settings["tracing"]["otlp_endpoint"] = second.endpoint
        save(file, settings)
        assert second.wait_until(lambda s: bool(s.spans()))
        made = load.stop()
        assert obs.flush(10.0)
        arrived = {span.span_id for one in (sink, second) for span in one.spans()}
        account = obs.health().signals["traces"]
        assert account.balanced
        assert account.created == made
        assert len(arrived) + account.waiting == made
