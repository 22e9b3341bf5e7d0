"""`alexobs up`: the local server, from the command line."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.errors import MissingExtraError

if TYPE_CHECKING:
    import argparse

_EXTRA = {"duckdb", "pyarrow", "numpy", "starlette", "uvicorn", "google", "zstandard", "grpc"}


def register(subparsers: Any) -> None:
    """Add `up`."""
    parser = subparsers.add_parser(
        "up",
        help="take telemetry over OTLP, keep it on this machine, and show it",
        description=(
            "Take telemetry over OTLP, keep it in one file, and show it on a page. No Docker, no "
            "account; nothing leaves this machine. Ends with Ctrl-C."
        ),
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("~/.alex/data"),
        help="where the data file is (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; others need --token"
    )
    parser.add_argument("--grpc-port", type=int, default=4317, help="OTLP/gRPC (default: 4317)")
    parser.add_argument("--http-port", type=int, default=4318, help="OTLP/HTTP (default: 4318)")
    parser.add_argument("--web-port", type=int, default=4319, help="page and API (default: 4319)")
    parser.add_argument(
        "--token",
        default=os.environ.get("ALEX_SERVER_TOKEN", ""),
        help="what clients must present as a bearer token (default: $ALEX_SERVER_TOKEN)",
    )
    parser.add_argument(
        "--retention-days",
        type=float,
        default=30.0,
        help="delete what is older; 0 keeps everything (default: 30)",
    )
    parser.add_argument(
        "--retention-gb",
        type=float,
        default=10.0,
        help="delete the oldest beyond this size; 0 is without bound (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    server_class, settings_class, retention_class = server_parts("alexobs up")
    server = server_class(
        settings_class(
            data_dir=args.data_dir.expanduser(),
            host=args.host,
            grpc_port=args.grpc_port,
            http_port=args.http_port,
            web_port=args.web_port,
            token=args.token,
            retention=retention_class(args.retention_days, int(args.retention_gb * 2**30)),
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    server.run(ready=lambda: _announce(server, args))
    return 0


def server_parts(feature: str) -> tuple[Any, Any, Any]:
    """Return the classes `Server`, `Settings` and `Retention`.

    Raises:
        MissingExtraError: the server's packages, which `feature` needs, are not installed.
    """
    try:
        from alexobs.server.app import Server, Settings  # noqa: PLC0415 - `--help` is without it
        from alexobs.server.store import Retention  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtraError(feature, "server") from missing
        raise
    return Server, Settings, Retention


def _announce(server: Any, args: argparse.Namespace) -> None:
    host = args.host
    print(f"alexobs is up: http://{host}:{server.port('web')}")
    print(f"  OTLP/gRPC  {host}:{server.port('grpc')}")
    print(f"  OTLP/HTTP  http://{host}:{server.port('http')}")
    print(f"  data       {args.data_dir.expanduser()}", flush=True)
