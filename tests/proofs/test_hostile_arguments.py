"""Whatever is handed to sessions, spans, tools, lines and labels: nothing raises, all arrives."""

from __future__ import annotations

import gc
import math
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.testing.otlp import OTLPSink


class Exploding:
    """Fails whenever anybody looks at it."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("do not look at me")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __eq__ = _fail
    __hash__ = object.__hash__


class Unhashable:
    __hash__ = None  # type: ignore[assignment]


def cycle() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["self"] = [made]
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


HOSTILE: dict[str, Any] = {
    "object": object(),
    "exploding": Exploding(),
    "exploding class": Exploding,
    "unhashable": Unhashable(),
    "number": 5,
    "float": math.nan,
    "huge": 10**5000,
    "bytes": b"\xff\xfe",
    "surrogate": "lone \ud800 surrogate",
    "null": "a\x00b",
    "none": None,
    "cycle": cycle(),
    "deep": deep(),
    "exploding inside": [Exploding(), {"a": Exploding()}],
    "keys": {Exploding(): 1, 2: 3, None: 4, "\ud800": 5, (1, 2): 6},
    "empty": "",
    "long": "x" * 2_000_000,
}


def in_session(obs: Observability, value: Any) -> None:
    with obs.session(task=value, session_id=value, user_id=value, agent=value, extra=value) as run:
        run.set_attribute(value, value)
        run.set_attribute("value", value)
        with obs.iteration(value, extra=value):
            headers = obs.inject({})
            with obs.continued({"traceparent": value, **headers, "baggage": value}):
                obs.logger.info("inside")


def in_span(obs: Observability, value: Any) -> None:
    with obs.span(value, **{"extra": value, "": value, "é\ud800": value}) as span:
        span.set_attribute(value, value)
        span.set_attributes({value: value} if value.__hash__ else {"a": value})
        span.add_event(value, {"a": value})
        span.add_event("event", value)
        span.add_event("event", {"a": value}, value)
        span.update_name(value)
        span.record_exception(value)
        span.set_status(value, value)


def in_tool(obs: Observability, value: Any) -> None:
    def echo(given: Any, extra: Any) -> Any:
        return given if extra is given else None

    assert obs.tool(echo)(value, extra=value) is value


def in_line(obs: Observability, value: Any) -> None:
    obs.logger.info(value, extra=value)
    obs.logger.info("%s", value)
    obs.logger.bind(extra=value).error("bound", exc_info=value)


def in_metrics(obs: Observability, value: Any) -> None:
    counter = obs.metrics.counter("things")
    counter.add(1, {"label": value})
    counter.add(value, {"label": "a"})
    counter.add(1, value)
    obs.metrics.record_llm_request(model=value, status=value, latency_s=value, input_tokens=value)
    obs.metrics.record_tool_execution(tool_name=value, status=value, duration_s=value)


PLACES = {f.__name__: f for f in (in_session, in_span, in_tool, in_line, in_metrics)}


@pytest.fixture
def obs(settings: dict[str, Any]) -> Any:
    with Observability(settings) as made:
        yield made
    gc.collect()


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_raised_and_the_rest_arrives(
    obs: Observability, sink: OTLPSink, place: str
) -> None:
    raised = {}
    use: Callable[[Observability, Any], None] = PLACES[place]
    for name, value in HOSTILE.items():
        try:
            use(obs, value)
        except Exception as error:
            raised[name] = repr(error)
        with obs.span("after"):
            pass
    assert raised == {}
    assert obs.flush(20.0)
    health = obs.health()
    assert health.balanced
    assert len(sink.spans("after")) == len(HOSTILE)
    assert health.signals["traces"].exported == len(sink.spans())
    assert not health.signals["traces"].dropped
