"""`alexobs demo`: the local server, and the example agent that it watches."""

from __future__ import annotations

import contextlib
import logging
import runpy
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs import semconv
from alexobs.cli.demo_server import DemoServer
from alexobs.errors import MissingExtraError
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
        help="start the server and run the example agent, observed",
        description=(
            "Start the local server, run a small agent that repairs a Python project against it, "
            "and show its session. Without an API key a scripted provider on this machine plays "
            "the model, over real HTTP. On a terminal the page is then served until Ctrl-C."
        ),
        epilog="Exit codes: 0 the agent has solved its task, 1 it has not.",
    )
    parser.add_argument("--provider", choices=("anthropic", "openai"), default="openai")
    parser.add_argument(
        "--once",
        action="store_true",
        help="end after one pass, as it does without a terminal",
    )
    parser.add_argument(
        "--no-server",
        action="store_true",
        help="start no server: send to where the configuration says",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("~/.alex/demo"),
        help="where the server keeps what it takes (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the agent and show its session."""
    with contextlib.ExitStack() as cleanup:
        server = None if args.no_server else _server(args.data_dir.expanduser(), cleanup)
        settings: dict[str, Any] = {}
        if server is not None:
            print("\n".join([*server.notes, f"The page: {server.url}", ""]), flush=True)
            spool = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="alexobs-demo-"))
            settings = {
                "tracing": {"exporter": "otlp", "otlp_endpoint": server.otlp_url},
                "pipeline": {"spool_dir": spool},  # what waits of other programs is not for it
            }
        code, session = _watched(args.provider, settings)
        if server is not None and not code:
            _look(server, session, serve=sys.stdout.isatty() and not args.once)
    return code


def _server(folder: Path, cleanup: contextlib.ExitStack) -> DemoServer | None:
    """Return a running server, or None where its packages are not installed."""
    try:
        return cleanup.enter_context(DemoServer(folder))
    except MissingExtraError as missing:
        print(f"Without the server and its page: {missing}\n", file=sys.stderr)
        return None


def _watched(provider: str, settings: dict[str, Any]) -> tuple[int, str]:
    """Run the agent and print its session; return the exit code and the session's id."""
    from alexobs.observability import init  # noqa: PLC0415 - `--help` does not need it
    from alexobs.testing.demo import agent_path  # noqa: PLC0415

    logging.getLogger("alexobs").setLevel(logging.ERROR)  # what it would say is said at the end
    obs = init(
        service_name="alexobs-demo", logging={"level": "error", "format": "pretty"}, **settings
    )
    kept = KeepingExporter.in_front_of(obs)
    try:
        runpy.run_path(str(agent_path()))["main"](["--provider", provider])
    except ModuleNotFoundError as missing:
        print(
            f"The demo's agent needs the package {missing.name!r}: pip install {missing.name}",
            file=sys.stderr,
        )
        return 1, ""
    delivered = obs.flush(FLUSH_S)
    print()
    print(render_tree(kept.spans, color=wants_color(sys.stdout), width=_width()))
    print("\n".join(_whereabouts(obs, delivered=delivered)), flush=True)
    if settings:
        obs.shutdown(FLUSH_S)  # before the server's end, which takes what comes last
    session = (span.attributes.get(semconv.ALEX_SESSION_ID) for span in kept.spans)
    return 0, str(next(filter(None, session), ""))


def _look(server: DemoServer, session: str, *, serve: bool) -> None:
    """Say where to look, and keep the page up while somebody may."""
    print("\nLook at it")
    if serve:
        print(f"  {server.url}/sessions/{session}")
        print("  Ctrl-C ends the server.", flush=True)
        server.wait()
    if server.keeps:
        print(f"  alexobs up --data-dir {server.folder}")
        print(f"  http://127.0.0.1:4319/sessions/{session}")
    elif not serve:
        print("  alexobs demo, on a terminal, keeps its page up until Ctrl-C.")


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
