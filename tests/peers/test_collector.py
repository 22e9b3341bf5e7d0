"""A real Collector with the shipped file, before a real Jaeger and a real Loki."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from agents import by_id, delivered, observed, solve_and_fail
from jaeger_api import arrived, compare
from peer_processes import FOLDER, ask, fetch

from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_processes import Process

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(420)]

OUTAGE_S = 60.0
MESSAGE = "the division failed"


def to(collector: Process) -> dict[str, Any]:
    return {"exporter": "otlp", "otlp_endpoint": collector.url("OTLP_HTTP")}


def names(text: str) -> set[str]:
    samples = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {line.split("{")[0].split(" ")[0] for line in samples}


def test_nothing_is_missing_after_the_back_ends_were_away(
    start: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    jaeger = start.jaeger()
    with OTLPSink() as logs:
        collector = start.collector(
            jaeger.ports["OTLP_GRPC"], logs.url, COLLECTOR_DECISION_WAIT="1s"
        )
        with observed(tmp_path, tracing=to(collector)) as (obs, kept):
            solve_and_fail(obs)
            assert delivered(obs), obs.health()
            assert logs.wait_until(lambda sink: has(sink, 1), timeout_s=30)
            jaeger.stop()
            logs.stop()
            begun = time.monotonic()
            solve_and_fail(obs)
            assert delivered(obs), "the Collector takes what Jaeger cannot"
            assert obs.health().signals["traces"].waiting == 0, obs.health()
            own = names(fetch(obs.health().prometheus or "").decode())
            served = collector.url("PROMETHEUS", "/metrics")
            missing: set[str] = set()

            def same_names() -> bool:
                missing.clear()
                missing.update(own - names(fetch(served).decode()) - {"target_info"})
                return not missing

            assert eventually(same_names), f"scraped, and not sent: {missing}"
            assert eventually(lambda: waits(collector)), "decided, and on its disk"
            collector.stop()
            collector.restart()
            time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - begun)))
            jaeger.restart()
            logs.start()
            recorded = by_id(kept.spans)
        found = arrived(jaeger, recorded, eventually)
        assert found.keys() == recorded.keys()
        for identity, span in recorded.items():
            compare(found[identity], span)
        assert logs.wait_until(lambda sink: has(sink, 2), timeout_s=60)


def waits(collector: Process) -> bool:
    """Whether spans wait for Jaeger, by the metric that the alert on the queue asks for."""
    text = fetch(collector.url("METRICS", "/metrics")).decode()
    sizes = re.findall(r"otelcol_exporter_queue_size\{.*otlp_grpc/jaeger.*\} (\S+)", text)
    return any(float(size) > 0 for size in sizes)


def has(sink: OTLPSink, count: int) -> bool:
    return sum(MESSAGE in str(log.body) for log in sink.logs()) == count


def test_loki_has_the_lines_with_their_trace(
    start: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    loki = start.loki()
    jaeger = start.jaeger()
    collector = start.collector(jaeger.ports["OTLP_GRPC"], loki.url("HTTP", "/otlp"))
    with observed(tmp_path, tracing=to(collector)) as (obs, kept):
        solve_and_fail(obs)
        obs.logger.warning("the budget is nearly spent", left_usd=0.2)
        assert delivered(obs), obs.health()
        traces = {f"{span.trace_id:032x}" for span in kept.spans}

    def found(query: str) -> list[Any]:
        url = loki.url("HTTP", "/loki/api/v1/query_range")
        result: list[Any] = ask(url, query=query, since="10m")["data"]["result"]
        return result

    query = f'{{service_name="alex-peers"}} |= "{MESSAGE}"'
    (stream,) = eventually(lambda: found(query))
    assert len(stream["values"]) == 1
    assert stream["stream"]["trace_id"] in traces
    assert stream["stream"]["severity_text"].lower() == "error"
    own = f'{{service_name="alex-peers"}} | trace_id="{stream["stream"]["trace_id"]}"'
    assert found(own), "what a trace's link asks for"
    empty = [asked for asked in panel_queries() if not found(asked)]
    assert empty == []


def panel_queries() -> list[str]:
    """Return what the panels of the logs dashboard ask, with what Grafana puts in."""
    path = FOLDER / "grafana" / "dashboards" / "alex-logs.json"
    panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"].replace("$__auto", "1m") for one in panels for target in one["targets"]]
    assert len(asked) == 3
    return asked
