"""The share of an agent's time that observing it takes.

Bias, first: the model answers in 0.25 s, which is fast; at 2 s all shares are an eighth. What
counts is CPU of the whole process, background threads included, above that of the same agent
unobserved, divided by the time the agents took. Sixteen agents run in threads; each step is one
OpenAI call with content, two tool calls and three log lines, in a session and an iteration.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness
from harness import Group, main
from llm_call import client
from receiver import Receiver

from alexobs import Observability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARE = "share_percent"
AGENTS, STEPS, LATENCY_S = 16, 8, 0.25
SETTINGS: dict[str, dict[str, Any]] = {
    "logging only": {"tracing": {"enabled": False}, "metrics": {"enabled": False}},
    "everything, 100 % sampled": {},
    "everything, 10 % sampled": {"tracing": {"sample_rate": 0.1}},
}


class Agent:
    """One kind of agent; `obs` is None for the unobserved one."""

    def __init__(self, obs: Observability | None) -> None:
        self.obs = obs
        bare = client(delay_s=LATENCY_S)
        self.client: Any = bare if obs is None else obs.instrument(bare)
        self.tool: Callable[[str], str] = _tool if obs is None else obs.tool(_tool)

    def solve(self, task: str) -> None:
        """Work on a task to its end."""
        with nullcontext() if self.obs is None else self.obs.session(task):
            messages: list[Any] = [{"role": "system", "content": "s" * 400}]
            for number in range(1, STEPS + 1):
                with nullcontext() if self.obs is None else self.obs.iteration(number):
                    self._step(task, number, messages)

    def _step(self, task: str, number: int, messages: list[Any]) -> None:
        messages.append({"role": "user", "content": f"{task} {number} " + "u" * 400})
        answer = self.client.chat.completions.create(model="gpt-5-mini", messages=messages)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})
        for name in ("one", "other"):
            self.tool(name)
        if self.obs is not None:
            for event in ("step planned", "tools called", "step done"):
                self.obs.logger.info(event, step=number, status="success", task=task)


def _tool(name: str) -> str:
    return name * 40


def cpu_and_agent_s(agent: Agent) -> tuple[float, float]:
    """Run all agents of one kind; return CPU seconds, and seconds the agents took together."""
    began_s = time.process_time()

    def timed(number: int) -> float:
        start_s = time.perf_counter()
        agent.solve(f"task {number}")
        return time.perf_counter() - start_s

    with ThreadPoolExecutor(AGENTS) as pool:
        agents_s = sum(pool.map(timed, range(AGENTS)))
    if agent.obs is not None:
        assert agent.obs.flush(30)
    return time.process_time() - began_s, agents_s


def observability(url: str, folder: str, settings: dict[str, dict[str, Any]]) -> Observability:
    parts: dict[str, dict[str, Any]] = {
        "tracing": {"otlp_endpoint": url},
        "metrics": {"prometheus": False},
        "pipeline": {"spool_dir": folder},
    }
    for name, values in settings.items():
        parts[name] = {**parts.get(name, {}), **values}
    return Observability({}, **parts)


def groups() -> Iterator[Group]:
    """Run each kind of agent in every round, next to the unobserved one."""
    group = Group("share of an agent's time")
    with (
        Receiver() as url,
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
    ):
        bare = Agent(None)
        observed = {
            name: Agent(observability(url, f"{folder}/{number}", settings))
            for number, (name, settings) in enumerate(SETTINGS.items())
        }
        for agent in (bare, *observed.values()):
            agent.solve("warm-up")
        for _ in range(harness._default_rounds):  # noqa: SLF001 - set by its command line
            without_s, _ = cpu_and_agent_s(bare)
            for name, agent in observed.items():
                cpu_s, agents_s = cpu_and_agent_s(agent)
                group.add(name, {SHARE: 100 * (cpu_s - without_s) / agents_s})
        for agent in observed.values():
            assert agent.obs is not None
            agent.obs.shutdown()
    yield group


if __name__ == "__main__":
    main("agent_overhead", groups)
