"""A real Jaeger with the shipped file keeps what was recorded, whichever way it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agents import by_id, delivered, observed, solve_and_fail
from jaeger_api import arrived, compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_processes import Process

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(240)]


def over_otlp_http(jaeger: Process) -> dict[str, Any]:
    return {"exporter": "otlp", "otlp_endpoint": jaeger.url("OTLP_HTTP")}


def over_otlp_grpc(jaeger: Process) -> dict[str, Any]:
    endpoint = jaeger.url("OTLP_GRPC")
    return {"exporter": "otlp", "otlp_endpoint": endpoint, "otlp_protocol": "grpc"}


def over_thrift(jaeger: Process) -> dict[str, Any]:
    return {"exporter": "jaeger", "jaeger_endpoint": jaeger.url("THRIFT", "/api/traces")}


@pytest.mark.parametrize("way", [over_otlp_http, over_otlp_grpc, over_thrift])
def test_jaeger_returns_the_tree_that_was_recorded(
    way: Callable[[Process], dict[str, Any]],
    start: Any,
    tmp_path: Path,
    eventually: Callable[..., Any],
) -> None:
    jaeger = start.jaeger()
    with observed(tmp_path, tracing=way(jaeger), only="traces") as (obs, kept):
        solve_and_fail(obs)
        assert delivered(obs), obs.health()
        recorded = by_id(kept.spans)
    found = arrived(jaeger, recorded, eventually)
    assert found.keys() == recorded.keys()
    for identity, span in recorded.items():
        compare(found[identity], span)
    roots = [span for span in found.values() if not span["references"]]
    assert [span["operationName"] for span in roots] == ["alex.session.solve_task"] * 2
    assert {span["operationName"] for span in found.values()} >= {
        "alex.react.iteration",
        "alex.llm.generate",
        "alex.tool.execute",
    }
