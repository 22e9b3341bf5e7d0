"""`alexobs doctor`: what is configured, reachable, spooled and lost, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import socket
import urllib.parse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs import __version__
from alexobs.config.load import config_file, load
from alexobs.config.model import TracingConfig
from alexobs.errors import ConfigError
from alexobs.health import exporter_name
from alexobs.pipeline.adoption import scan

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from alexobs.config import Config

CONNECT_S = 2.0
_PACKAGES = ("openai", "anthropic", "google-genai")
_EXTRAS = {"grpcio": "grpc", "duckdb": "server"}


@dataclass
class Finding:
    """One thing that was looked at; `advice` says what to do when it is not well."""

    what: str
    well: bool | None  # None: neither well nor ill
    found: str
    advice: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def register(subparsers: Any) -> None:
    """Add `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is configured, reachable, spooled and lost, and what to do",
        description="Look at everything that telemetry needs on this machine.",
        epilog="Exit codes: 0 all is well, 1 something is not, 2 the configuration is unusable.",
    )
    parser.add_argument("--json", action="store_true", help="print findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings."""
    findings = list(examine())
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print("\n".join(line for finding in findings for line in lines(finding)))
    if any(finding.what == "configuration" and finding.well is False for finding in findings):
        return 2
    return 1 if any(finding.well is False for finding in findings) else 0


def lines(finding: Finding) -> Iterator[str]:
    """Yield a finding as people read it."""
    mark = {True: "ok", False: "!!", None: "--"}[finding.well]
    first, *rest = finding.found.splitlines() or [""]
    yield f"{mark}  {finding.what:<14} {first}"
    for line in rest:
        yield f"{'':<18} {line}"
    if finding.advice:
        yield f"{'':<18} → {finding.advice}"


def examine() -> Iterator[Finding]:
    """Yield one finding after the other."""
    yield Finding("alexobs", None, f"{__version__} on Python {platform.python_version()}")
    path = config_file()
    try:
        config = load()
    except ConfigError as error:
        yield Finding(
            "configuration", False, str(error), "Correct it; alexobs config check looks again."
        )
        return
    origin = str(path) if path.exists() else f"defaults and environment ({path} does not exist)"
    yield Finding("configuration", True, origin)
    if not config.enabled:
        yield Finding("observability", None, "switched off", "Set observability.enabled to true.")
        return
    yield from _back_ends(config)
    yield _metrics_port(config)
    yield from _spool(config)
    yield _packages()
    yield _extras()


def _back_ends(config: Config) -> Iterator[Finding]:
    tracing = config.tracing
    endpoint = {
        "otlp": tracing.otlp_endpoint,
        "jaeger": tracing.jaeger_endpoint,
        "zipkin": tracing.zipkin_endpoint,
    }.get(tracing.exporter)
    if endpoint is None:
        yield Finding("back end", True, exporter_name(config))
        return
    host, port = _address(endpoint)
    trouble = _connect(host, port)
    unasked = endpoint == TracingConfig().otlp_endpoint  # nobody has said that one is there
    advice = "Start one (alexobs up)" if unasked else "Start it, or correct tracing.*_endpoint"
    yield Finding(
        "back end",
        (None if unasked else False) if trouble else True,
        f"{exporter_name(config)} {trouble or 'answers'}",
        f"{advice}; until then telemetry waits in the spool." if trouble else "",
        {"host": host, "port": port},
    )


def _address(endpoint: str) -> tuple[str, int]:
    parsed = urllib.parse.urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    default = 443 if parsed.scheme == "https" else 80
    return parsed.hostname or "localhost", parsed.port or default


def _connect(host: str, port: int) -> str:
    """Return what is wrong with an address, or an empty text when somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S):
            return ""
    except TimeoutError:
        return f"does not answer within {CONNECT_S:g} s"
    except OSError as error:
        return f"cannot be reached: {error.strerror or error}"


def _metrics_port(config: Config) -> Finding:
    metrics = config.metrics
    if not (metrics.enabled and metrics.prometheus):
        return Finding("metrics", None, "no endpoint for Prometheus (metrics.prometheus: false)")
    address = f"{metrics.prometheus_host}:{metrics.prometheus_port}"
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((metrics.prometheus_host, metrics.prometheus_port))
    except OSError as error:
        return Finding(
            "metrics",
            None,
            f"{address} is in use: by an agent that runs now, or by another program "
            f"({error.strerror})",
            "If it is another program, choose another metrics.prometheus_port.",
        )
    return Finding("metrics", True, f"http://{address}/metrics is free for the next agent")


def _spool(config: Config) -> Iterator[Finding]:
    if not config.pipeline.spool:
        yield Finding("spool", None, "switched off: what is not delivered is lost with its process")
        return
    folder = Path(config.pipeline.spool_dir).expanduser()
    listings = list(scan(folder)) if folder.exists() else []
    records: dict[str, int] = {}
    for listing in listings:
        for by_signal in listing.waiting.values():
            for signal, pending in by_signal.items():
                records[signal] = records.get(signal, 0) + pending.records
    size = sum(listing.size_bytes for listing in listings)
    waiting = sum(records.values())
    yield Finding(
        "spool",
        True,
        f"{folder}: {waiting} records of {len(listings)} processes wait ({size:,} bytes)"
        if waiting
        else f"{folder}: nothing waits",
        "They are sent by the next observed process; at once: alexobs spool replay."
        if waiting
        else "",
        {"records": records, "bytes": size},
    )
    damaged = sum(listing.damaged_bytes for listing in listings)
    if damaged:
        yield Finding(
            "spool",
            False,
            f"{damaged:,} bytes are damaged; what they held is lost, the rest is not",
            "Check the disk. alexobs spool ls shows which process wrote them.",
        )


def _packages() -> Finding:
    found = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
    if found:
        return Finding("providers", True, ", ".join(found) + " can be observed")
    return Finding("providers", None, "no known provider package is installed here")


def _extras() -> Finding:
    texts = [f"{extra} {'yes' if _version(name) else 'no'}" for name, extra in _EXTRAS.items()]
    missing = [extra for name, extra in _EXTRAS.items() if not _version(name)]
    advice = f"pip install 'alexobs[{','.join(missing)}]'" if missing else ""
    return Finding("extras", None, ", ".join(texts), advice)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
