"""Whatever a back end does, the agent goes on as before, and every record is accounted for."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from alexobs import Observability
from alexobs.testing.otlp import OTLPSink
from alexobs.testing.sink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 400
SPANS_A_ROUND = 3
# What a caller may wait at most in ninety-nine of a hundred rounds. Two threads of ours and the
# sink share the interpreter with it (5 ms a switch); a request or a disk would cost more.
P99_S = 0.03
MEDIAN_S = 0.002


class Misbehaviour(NamedTuple):
    """What the back end does, for how many requests, and what may be lost by it, for what."""

    begin: Callable[[OTLPSink], object]
    reason: str = ""


def failing(status: int, **options: Any) -> Callable[[OTLPSink], object]:
    return lambda sink: sink.fail(status, times=None, **options)


MISBEHAVIOURS = {
    "absent": Misbehaviour(OTLPSink.stop),
    "slow": Misbehaviour(lambda sink: sink.slow(1.0, times=None)),
    "hangs": Misbehaviour(lambda sink: sink.faults(Fault(503, delay_s=3.0), times=None)),
    "400": Misbehaviour(failing(400), "refused"),
    "413": Misbehaviour(failing(413), "too_large"),
    "429": Misbehaviour(failing(429, retry_after_s=0.2)),
    "500": Misbehaviour(failing(500), "refused"),  # not retryable, says OTLP
    "503": Misbehaviour(failing(503, retry_after_s=0.1)),
    "nonsense": Misbehaviour(lambda sink: sink.nonsense(times=None)),
    "nonsense refusal": Misbehaviour(lambda sink: sink.nonsense(status=502, times=None)),
    "partial": Misbehaviour(lambda sink: sink.partial(1, "no", times=None), "rejected"),
    "reset": Misbehaviour(lambda sink: sink.reset(times=None)),
}


class Model:
    """A client of the declared shape; its answers say what they were asked."""

    def complete(self, prompt: str, model: str) -> str:
        if prompt.endswith("7"):
            raise LookupError(prompt)
        return f"{model} answers {prompt}"


@pytest.fixture
def obs(settings: dict[str, Any]) -> Iterator[Observability]:
    settings["pipeline"] |= {"timeout_s": 3.0, "batch_max_records": 128}
    with Observability(settings) as made:
        yield made


def work(obs: Observability, client: Any) -> tuple[list[str], list[float]]:
    """Do the agent's rounds; return its results, and the seconds that each round took."""
    results, times_s = [], []
    for number in range(ROUNDS):
        began = time.perf_counter()
        with obs.session("s"), obs.span("work", number=number):
            obs.logger.info("a line", number=number)
            try:
                results.append(client.complete(f"prompt {number}", model="m"))
            except LookupError as error:
                results.append(repr(error))
        times_s.append(time.perf_counter() - began)
        time.sleep(0.001)  # an agent does other things, too
    return results, sorted(times_s)


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_the_agent_does_not_notice(obs: Observability, sink: OTLPSink, name: str) -> None:
    misbehaviour = MISBEHAVIOURS[name]
    client = obs.instrument(Model())
    with obs.span("warm"):
        client.complete("warm", model="m")
    assert obs.flush(10.0)
    expected = []
    for number in range(ROUNDS):
        try:
            expected.append(Model().complete(f"prompt {number}", "m"))
        except LookupError as error:
            expected.append(repr(error))

    misbehaviour.begin(sink)
    gc.collect()
    results, times_s = work(obs, client)
    assert results == expected
    assert times_s[ROUNDS // 2] < MEDIAN_S
    assert times_s[ROUNDS * 99 // 100] < P99_S
    obs.flush(0.3)
    assert obs.health().balanced

    sink.recover()
    sink.start()
    assert obs.flush(15.0)
    health = obs.health()
    assert health.balanced
    for signal, arrived in (("traces", sink.spans()), ("logs", sink.logs())):
        account = health.signals[signal]  # type: ignore[index]
        assert not account.waiting
        assert set(account.dropped) <= {misbehaviour.reason}
        assert account.exported + sum(account.dropped.values()) == account.created
        if name not in {"slow", "hangs"}:  # a request that was given up may have been kept
            assert len(arrived) == account.exported
    spans = sink.spans()
    lost = sum(health.signals["traces"].dropped.values())
    assert health.signals["traces"].created == SPANS_A_ROUND * ROUNDS + 2
    assert len({span.span_id for span in spans}) + lost == SPANS_A_ROUND * ROUNDS + 2
    assert bool(lost) == bool(misbehaviour.reason)
    assert health.faults == {}
