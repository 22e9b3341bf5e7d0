from __future__ import annotations

import pytest

from alexobs.pipeline.retry import Backoff


def delays(backoff: Backoff, count: int) -> list[float]:
    return [backoff.failed(100.0) - 100.0 for _ in range(count)]


def test_the_ceiling_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(initial_s=1.0, max_s=10.0, draw=lambda: 1.0)
    assert delays(backoff, 6) == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_jitter_is_full() -> None:
    assert delays(Backoff(draw=lambda: 0.0), 3) == [0.0, 0.0, 0.0]
    assert delays(Backoff(initial_s=1.0, draw=lambda: 0.5), 2) == [0.5, 1.0]


def test_a_thousand_failures_do_not_overflow() -> None:
    assert max(delays(Backoff(max_s=30.0), 1000)) <= 30.0


def test_success_starts_again() -> None:
    backoff = Backoff(initial_s=1.0, draw=lambda: 1.0)
    delays(backoff, 3)
    backoff.succeeded()
    assert (backoff.failures, backoff.not_before) == (0, 0.0)
    assert delays(backoff, 1) == [1.0]


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.5), (1e9, 300.5), (0.0, 0.5), (-3.0, 0.5)])
def test_the_server_is_heeded_within_reason(asked: float, waited: float) -> None:
    backoff = Backoff(initial_s=1.0, draw=lambda: 0.5)
    assert backoff.failed(0.0, asked) == waited
