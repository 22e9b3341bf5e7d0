"""A real Prometheus scrapes a process that works, and answers the documented queries."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.exporters.prometheus_http import PrometheusServer
from alexobs.metrics import MeterProvider, MetricsCollector
from alexobs.records import LLMObservation, Resource, ToolObservation, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(90)]

DEADLINE_S = 60.0
QUERIES = (
    "rate(alex_llm_requests_total[5m])",
    "histogram_quantile(0.95, rate(alex_llm_latency_bucket[5m]))",
    "increase(alex_cost_total[1h])",
    'rate(alex_llm_requests_total{status="error"}[5m]) / rate(alex_llm_requests_total[5m])',
)
CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: agent
    static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


@pytest.fixture
def agent() -> Iterator[PrometheusServer]:
    """Yield the endpoint of a process that makes calls all the time."""
    provider = MeterProvider()
    collector = MetricsCollector(provider)
    call = LLMObservation("gpt-4o", "success", 0.5, Usage(100, 20), 0.01, "openai")
    done = threading.Event()

    def work() -> None:
        collector.session_started()
        turn = 0
        while not done.wait(0.05):
            turn += 1
            failed = turn % 4 == 0
            collector.observe_llm(
                call._replace(
                    status="error" if failed else "success",
                    latency_s=0.1 * (turn % 20),
                    trace_id=turn,
                    span_id=turn,
                )
            )
            collector.observe_tool(ToolObservation("ls", "success", 0.01))

    worker = threading.Thread(target=work, daemon=True)
    server = PrometheusServer(
        "127.0.0.1",
        0,
        lambda: provider.collect(for_prometheus=True),
        resource=Resource({"service.name": "alex"}),
    )
    assert server.start()
    worker.start()
    yield server
    done.set()
    worker.join()
    server.stop()


@pytest.fixture
def prometheus(agent: PrometheusServer, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Yield a function that asks a Prometheus which scrapes the agent."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (Debian: apt install prometheus)")
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG % agent.port, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_path = tmp_path / "prometheus.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:

        def ask(path: str, **parameters: Any) -> Any:
            assert process.poll() is None, log_path.read_text(encoding="utf-8")
            url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]

        yield ask
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def eventually(ask: Callable[[], Any]) -> Any:
    """Return the first answer that is not empty; Prometheus needs two scrapes for a rate."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            found = ask()
        except OSError:
            found = None  # it does not listen yet
        if found or time.monotonic() > until:
            return found
        time.sleep(0.25)


def test_the_documented_queries_return_data(prometheus: Callable[..., Any]) -> None:
    def ask(query: str) -> list[tuple[dict[str, str], float]]:
        result = prometheus("/api/v1/query", query=query)["result"]
        found = [(one["metric"], float(one["value"][1])) for one in result]
        return found if all(value == value for _, value in found) else []  # noqa: PLR0124

    answers = {query: eventually(partial(ask, query)) for query in QUERIES}
    assert all(answers.values()), answers
    rates, quantiles, costs, shares = (answers[query] for query in QUERIES)
    assert {labels["status"] for labels, _ in rates} == {"success", "error"}
    assert all(0 < value < 3 for _, value in quantiles)
    assert all(value > 0 for _, value in costs)
    assert [value for _, value in shares] == [1.0]
    assert {labels["model"] for labels, _ in shares} == {"gpt-4o"}
    assert ask("up") == [
        ({"__name__": "up", "instance": rates[0][0]["instance"], "job": "agent"}, 1)
    ]
    assert ask("alex_sessions_active")[0][1] == 1
    assert ask("target_info")[0][0]["service_name"] == "alex"


def test_exemplars_arrive(prometheus: Callable[..., Any]) -> None:
    def ask() -> Any:
        now = time.time()
        return prometheus(
            "/api/v1/query_exemplars", query="alex_llm_latency_bucket", start=now - 60, end=now + 60
        )

    found = eventually(ask)
    labels = [exemplar["labels"] for series in found for exemplar in series["exemplars"]]
    assert all(set(one) == {"trace_id", "span_id"} for one in labels)
    assert all(int(one["trace_id"], 16) > 0 for one in labels)
