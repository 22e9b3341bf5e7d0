"""`alexobs demo`: runs the example agent, observed, and shows what there is to see."""

from __future__ import annotations

import logging
import runpy
import shutil
import sys
from typing import TYPE_CHECKING, Any

from alexobs.exporters.console import wants_color
from alexobs.exporters.tree import render_tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from alexobs.exporters.base import Exporter
    from alexobs.observability import Observability
    from alexobs.records import Batch, LogRecord, MetricData, Resource, SendResult, SpanData

FLUSH_S = 5.0


def register(subparsers: Any) -> None:
    """Add `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="run the example agent, observed, and show its session",
        description=(
            "Run a small agent that repairs a Python project, observed. Without an API key a "
            "scripted provider on this machine plays the model, over real HTTP."
        ),
        epilog="Exit codes: 0 the agent has solved its task, 1 it has not.",
    )
    parser.add_argument("--provider", choices=("anthropic", "openai"), default="openai")


def run(args: argparse.Namespace) -> int:
    """Run the agent and show its session."""
    from alexobs.observability import init  # noqa: PLC0415 - `--help` does not need it
    from alexobs.testing.demo import agent_path  # noqa: PLC0415

    logging.getLogger("alexobs").setLevel(logging.ERROR)  # what it would say is said at the end
    obs = init(service_name="alexobs-demo", logging={"level": "error", "format": "pretty"})
    kept = KeepingExporter.in_front_of(obs)
    try:
        runpy.run_path(str(agent_path()))["main"](["--provider", args.provider])
    except ModuleNotFoundError as missing:
        print(
            f"The demo's agent needs the package {missing.name!r}: pip install {missing.name}",
            file=sys.stderr,
        )
        return 1
    delivered = obs.flush(FLUSH_S)
    print()
    print(render_tree(kept.spans, color=wants_color(sys.stdout), width=_width()))
    print("\n".join(_whereabouts(obs, delivered=delivered)))
    return 0


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def _whereabouts(obs: Observability, *, delivered: bool) -> list[str]:
    """Return where the telemetry is now, as sentences."""
    health = obs.health()
    spans = health.signals["traces"]
    lines = ["", "Where the telemetry is"]
    if delivered:
        lines.append(f"  {spans.exported} spans were delivered: {health.exporter}")
    else:
        lines.append(f"  Nothing answers yet at {health.exporter}.")
        lines.append(f"  {spans.waiting} spans wait in {health.spool['folder']}")
        lines.append("  They are sent when something listens there, even after this process.")
    lines.append(
        f"  created {spans.created} = exported {spans.exported} + sampled out "
        f"{spans.sampled_out} + dropped {sum(spans.dropped.values())} + waiting {spans.waiting}"
    )
    if health.prometheus:
        lines.append(f"  Metrics were served at {health.prometheus} while the agent ran.")
    lines += [f"  {problem}" for problem in health.problems if health.exporter not in problem]
    lines.append("  Settings: alexobs config show   State of affairs: alexobs doctor")
    return lines


class KeepingExporter:
    """Keeps the spans that go through it to the configured exporter, to show them at the end."""

    spoolable = True

    def __init__(self, inner: Exporter) -> None:
        self._inner = inner
        self.encoding = inner.encoding
        self.spans: list[SpanData] = []

    @classmethod
    def in_front_of(cls, obs: Observability) -> KeepingExporter:
        """Put one in front of the exporter that `obs` uses for spans."""
        engine = obs._engine  # noqa: SLF001 - the demo alone looks at its own spans
        kept = cls(engine.exporters["traces"])
        engine.use_exporters({**engine.exporters, "traces": kept})
        return kept

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Keep spans and encode them."""
        self.spans.extend(spans)
        return self._inner.encode_spans(spans, resource)

    def encode_logs(self, records: Sequence[LogRecord], resource: Resource) -> bytes | None:
        """Encode log records."""
        return self._inner.encode_logs(records, resource)

    def encode_metrics(self, metrics: Sequence[MetricData], resource: Resource) -> bytes | None:
        """Encode metrics."""
        return self._inner.encode_metrics(metrics, resource)

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Send a batch."""
        return self._inner.send(batch, timeout_s)

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Halve a batch."""
        return self._inner.split(batch)

    def close(self) -> None:
        """Close the configured exporter."""
        self._inner.close()
