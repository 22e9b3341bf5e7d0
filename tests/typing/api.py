"""What users write, for the type checkers: this file is checked and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import alexobs
from alexobs import (
    Config,
    Cost,
    Health,
    InstrumentedLLMClient,
    InstrumentedToolExecutor,
    InstrumentedToolRegistry,
    Observability,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import openai

    from alexobs.tracing import Span


def starting() -> None:
    assert_type(alexobs.init(), Observability)
    alexobs.init("config.yaml", service_name="agent", tracing={"sample_rate": 0.1})
    alexobs.init({"logging": {"level": "debug"}})
    assert_type(alexobs.init(Config()).config, Config)
    assert_type(alexobs.instrument("openai"), list[str])


def calls(obs: Observability, client: openai.OpenAI) -> None:
    assert_type(obs.instrument(client), "openai.OpenAI")
    InstrumentedLLMClient(object(), obs).complete("prompt")
    InstrumentedToolExecutor(print, obs, name="print")("text")
    InstrumentedToolRegistry({"print": print}, obs)["print"]("text")


def tools(obs: Observability) -> None:
    @obs.tool
    def add(a: int, b: int) -> int:
        return a + b

    @obs.tool(name="wait")
    async def wait(seconds: float) -> None: ...

    assert_type(add(1, 2), int)


async def scopes(obs: Observability) -> None:
    with obs.session("task", session_id="s", user_id="u", agent="a", extra=1) as session:
        assert_type(session.session_id, str)
        with obs.iteration() as iteration:
            assert_type(iteration.number, int)
        async with obs.iteration(2):
            pass
    with obs.span("operation", key="value") as span:
        checked: Span = span
        checked.set_attribute("key", [1, 2])

    @obs.span("decorated")
    def decorated(x: int) -> str:
        return str(x)

    assert_type(decorated(1), str)


def signals(obs: Observability) -> None:
    obs.logger.info("done", duration=1.5)
    obs.logger.bind(task="x").error("failed", exc_info=True)
    obs.metrics.record_llm_request(model="m", latency_s=1.0, input_tokens=1, output_tokens=2)
    obs.metrics.record_tool_execution(tool_name="t", status="error", duration_s=0.1)
    obs.metrics.counter("things", unit="{thing}").add(1, {"kind": "x"})
    obs.metrics.histogram("sizes", unit="By").record(1.0)


def state(obs: Observability) -> None:
    health: Health = obs.health()
    dropped: Mapping[str, int] = health.signals["traces"].dropped
    assert_type(obs.flush(1.0), bool)
    assert_type(obs.shutdown(), bool)
    assert_type(obs.reload(), bool)
    cost: Cost | None = alexobs.estimate_cost("gpt-5-mini", input_tokens=10, output_tokens=5)
    assert dropped or cost


def contexts(obs: Observability) -> None:
    headers = obs.inject()
    with obs.continued(dict(headers)):
        obs.environment()
