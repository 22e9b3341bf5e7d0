"""Real recorded traffic, through the real provider packages, over real HTTP on loopback.

Every recorded request is made bare and observed. What the caller gets has to be the same, and
what was observed has to be what the provider said: tokens, model, cost, one span each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from harness.calls import each_pass
from harness.perform import Clients
from harness.recording import RECORDINGS, recordings
from harness.replay import read
from harness.verdict import mismatches

from alexobs import semconv
from alexobs.instrumentation import packages
from alexobs.testing.capture import Capture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.replay import Played, Replay
    from harness.report import Report


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    # The recordings have no secrets left; a redacted model name would be one difference too many.
    with Capture(logging={"enabled": False}, redaction={"enabled": False}) as capture:
        yield capture


@pytest.fixture(scope="module")
def observed(replay: Replay, capture: Capture) -> Iterator[Clients]:
    clients = Clients(replay.server.url, wrap=capture.obs.instrument)
    yield clients
    replay.close_clients(clients)


Play = Callable[[], list["Played"]]


def differences(bare: list[Played], play_observed: Play, capture: Capture) -> list[str]:
    """Return what differs between bare calls and the same ones observed."""
    capture.clear()
    seen = play_observed()
    return [*unfaithful(bare), *mismatches(bare, seen, capture.spans())]


def unfaithful(bare: list[Played]) -> Iterator[str]:
    for played in bare:
        if played.answered is not played.asked:
            yield f"{played.asked.number}. {played.way}: {played.outcome.error}"
        elif (played.outcome.error is not None) != (played.asked.status >= 400):
            yield f"{played.asked.number}. answered {played.asked.status}: {played.outcome.error}"


def test_calls_of_instrumented_packages_are_observed_truly_and_change_nothing(
    recording: Path, replay: Replay, capture: Capture, report: Report
) -> None:
    items, unsupported = read(recording)
    plan = next(each_pass(items), [])

    def play_observed() -> list[Played]:
        packages.instrument(obs=capture.obs)
        try:
            return replay.play(items, plan, replay.bare)
        finally:
            packages.uninstrument()

    wrong = differences(replay.play(items, plan, replay.bare), play_observed, capture)
    outcome = "not replayed" if unsupported else "differs" if wrong else "equal"
    report.add(recording, len(items), outcome, unsupported or "; ".join(wrong)[:500])
    assert not wrong, "\n".join(wrong)


def test_so_are_calls_of_instrumented_clients_in_all_other_ways(
    recording: Path, replay: Replay, observed: Clients, capture: Capture
) -> None:
    items, _ = read(recording)
    wrong = []
    for plan in islice(each_pass(items), 1, None):
        play_observed = partial(replay.play, items, plan, observed)
        wrong += differences(replay.play(items, plan, replay.bare), play_observed, capture)
    assert not wrong, "\n".join(wrong)


def test_the_verdict_finds_what_is_wrong(
    replay: Replay, observed: Clients, capture: Capture
) -> None:
    files = [file for file in recordings() if "cache_tokens" in file.stem]
    if not files:
        pytest.skip(f"no recorded traffic in {RECORDINGS}")
    items, _ = read(files[0])
    plan = next(each_pass(items))
    capture.clear()
    played = replay.play(items, plan, observed)
    spans = capture.spans()
    assert mismatches(played, played, spans) == []

    assert "gave 0 spans" in mismatches(played, played, [])[0]
    own = spans[0].attributes
    for name, what in (
        (semconv.GEN_AI_USAGE_CACHE_READ, "the provider said"),
        (semconv.ALEX_TOKENS_OUTPUT, "buckets"),
        (semconv.ALEX_COST, "cost"),
        (semconv.GEN_AI_RESPONSE_MODEL, "response model"),
        (semconv.ALEX_STATUS, "status"),
    ):
        before = dict(own)
        own[name] = value + 1 if isinstance(value := own.get(name, 0), (int, float)) else "other"
        assert what in "".join(mismatches(played, played, spans)), name
        own.clear()
        own.update(before)
