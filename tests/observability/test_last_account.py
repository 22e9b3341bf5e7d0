"""What a process says of its records at its end is what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs import Observability
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from pathlib import Path


def last_account(sink: OTLPSink, signal: str) -> dict[str, float]:
    """Return how many records of `signal` had which end, by the last report."""
    found: dict[str, float] = {}
    for metric in sink.metrics():
        for point in metric.points if metric.name.startswith("alexobs.records") else ():
            if point.attributes.get("signal") == signal:
                name = point.attributes.get("outcome", metric.name.rpartition(".")[2])
                found[name] = point.value
    return found


def test_a_short_process_reports_what_it_has_delivered(tmp_path: Path) -> None:
    with OTLPSink() as sink:
        obs = Observability(
            {},
            tracing={"otlp_endpoint": sink.endpoint},
            pipeline={"spool_dir": str(tmp_path)},
            metrics={"prometheus": False},
        )
        with obs.session("a short one"):
            obs.logger.info("a line")
        assert obs.shutdown(10)
        whole = {"created": 1, "exported": 1, "sampled_out": 0, "dropped": 0, "waiting": 0}
        assert last_account(sink, "traces") == last_account(sink, "logs") == whole


def test_a_flush_reports_what_it_has_delivered(tmp_path: Path) -> None:
    with OTLPSink() as sink:
        obs = Observability(
            {},
            tracing={"otlp_endpoint": sink.endpoint},
            pipeline={"spool_dir": str(tmp_path)},
            metrics={"prometheus": False},
        )
        with obs.span("one"):
            pass
        assert obs.flush(10)
        assert last_account(sink, "traces")["exported"] == 1
        obs.shutdown(10)
