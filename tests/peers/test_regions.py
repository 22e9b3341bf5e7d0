"""Two regions and a centre, run with the shipped files; the centre goes away and comes back."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from agents import by_id, delivered, observed, solve_and_fail
from jaeger_api import arrived, compare
from peer_processes import HOST, ask, fetch, free_port

from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from peer_processes import Process

    from alexobs.records import SpanData

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(420)]

OTHER_HOST = "127.0.0.2"
AWAY_S = 20.0
REGIONS = ("eu", "us")
MESSAGE = "the division failed"


class Layout(NamedTuple):
    """What runs: two samplers behind an edge in one region, one alone in the other."""

    jaeger: Process
    logs: OTLPSink
    centre: Process
    samplers: list[Process]
    hosts: Path
    agents_send_to: dict[str, str]


@pytest.fixture
def layout(start: Any, tmp_path: Path) -> Iterator[Layout]:
    jaeger = start.jaeger()
    with OTLPSink() as logs:
        centre = start.collector(jaeger.ports["OTLP_GRPC"], logs.url, COLLECTOR_DECISION_WAIT="1s")
        address = centre.url("OTLP_HTTP")
        port = free_port()
        samplers = [
            start.sampler("eu", address, HOST, port),
            start.sampler("eu", address, OTHER_HOST, port),
            start.sampler("us", address),
        ]
        hosts = tmp_path / "hosts"
        name(hosts, HOST, OTHER_HOST)
        edge = start.edge("eu", hosts, port)
        to = {"eu": edge.url("OTLP_HTTP"), "us": samplers[2].url("OTLP_HTTP")}
        yield Layout(jaeger, logs, centre, samplers, hosts, to)


def name(hosts: Path, *addresses: str) -> None:
    """Let `samplers` lead to these addresses."""
    hosts.write_text("".join(f"{one} samplers\n" for one in addresses), encoding="utf-8")


def work(layout: Layout, region: str, home: Path) -> dict[str, SpanData]:
    """Run an agent of a region; its own region takes everything, wherever the centre is."""
    tracing = {"exporter": "otlp", "otlp_endpoint": layout.agents_send_to[region]}
    with observed(home / region, tracing=tracing) as (obs, kept):
        solve_and_fail(obs)
        assert delivered(obs), obs.health()
        return by_id(kept.spans)


def sample(process: Process, metric: str) -> float:
    """Return the sum of a metric of a Collector itself."""
    text = fetch(process.url("METRICS", "/metrics")).decode()
    values = re.findall(rf"^{metric}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, values))


def lines(sink: OTLPSink) -> int:
    return sum(MESSAGE in str(log.body) for log in sink.logs())


def test_nothing_of_two_regions_is_missing_after_the_centre_was_away(
    layout: Layout, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    recorded = {region: work(layout, region, tmp_path / "before") for region in REGIONS}
    assert layout.logs.wait_until(lambda sink: lines(sink) == 2, timeout_s=60)
    layout.centre.stop()
    gone = time.monotonic()
    for region in REGIONS:
        recorded[region] |= work(layout, region, tmp_path / "meanwhile")
    of_edge, traces = layout.samplers[:2], {s.trace_id for s in recorded["eu"].values()}
    seen = [sample(s, "otelcol_processor_tail_sampling_new_trace_id_received") for s in of_edge]
    assert sum(seen) == len(traces), "each trace is whole, in one sampler"
    for sampler in layout.samplers:
        if sample(sampler, "otelcol_receiver_accepted_spans"):
            assert eventually(lambda one=sampler: sample(one, "otelcol_exporter_queue_size"))
        sampler.stop()
        sampler.restart()
    time.sleep(max(0.0, AWAY_S - (time.monotonic() - gone)))
    layout.centre.restart()
    expected = recorded["eu"] | recorded["us"]
    found = arrived(layout.jaeger, expected, eventually)
    assert found.keys() == expected.keys()
    for identity, span in expected.items():
        compare(found[identity], span)
    assert layout.logs.wait_until(lambda sink: lines(sink) == 4, timeout_s=60)
    for region in REGIONS:
        assert traces_of(layout.jaeger, region) == {
            f"{span.trace_id:032x}" for span in recorded[region].values()
        }
    served = layout.centre.url("PROMETHEUS", "/metrics")

    def with_metrics() -> set[str]:
        text = fetch(served).decode()
        return set(re.findall(r'^target_info\{.*cloud_region="(\w+)"', text, re.MULTILINE))

    assert eventually(lambda: with_metrics() == set(REGIONS))


def traces_of(jaeger: Process, region: str) -> set[str]:
    """Return the traces that a search for the region's tag finds."""
    tags = json.dumps({"cloud.region": region})
    url = jaeger.url("QUERY", "/api/traces")
    found = ask(url, service="alex-peers", tags=tags, lookback="1h", limit=100)["data"]
    return {trace["traceID"] for trace in found}


def test_a_sampler_that_is_gone_loses_nothing_that_comes_after(
    layout: Layout, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    layout.samplers[1].stop()
    tracing = {"exporter": "otlp", "otlp_endpoint": layout.agents_send_to["eu"]}
    with observed(tmp_path / "agent", tracing=tracing) as (obs, kept):
        for _ in range(4):
            solve_and_fail(obs)
        obs.flush(2)
        name(layout.hosts, HOST)
        assert delivered(obs, 120), obs.health()
        recorded = by_id(kept.spans)
    found = arrived(layout.jaeger, recorded, eventually)
    assert found.keys() == recorded.keys()
