"""`alexobs load`: sends files of OTLP/JSON to a server."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from alexobs.errors import ServerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_SIGNALS: Final = {
    "resourceSpans": "traces",
    "resourceLogs": "logs",
    "resourceMetrics": "metrics",
}
_ATTEMPTS: Final = 60


def register(subparsers: Any) -> None:
    """Add `load`."""
    parser = subparsers.add_parser(
        "load",
        help="send files of OTLP/JSON to the server",
        description=(
            "Send files of OTLP/JSON, one request per line as the `file` exporter and the "
            "OpenTelemetry Collector write them, or one request per file. What the server has "
            "already is not doubled."
        ),
        epilog="Exit codes: 0 all was taken, 1 something was refused or the server is away.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--endpoint", default="http://127.0.0.1:4318", help="OTLP/HTTP receiver")
    parser.add_argument("--token", default=os.environ.get("ALEX_SERVER_TOKEN", ""))


def run(args: argparse.Namespace) -> int:
    """Send every request in the files."""
    refused = 0
    for path in args.files:
        taken = 0
        for place, signal, body in requests(path):
            problem = _send(args.endpoint, args.token, signal, body)
            if problem:
                print(f"{path}:{place}: {problem}", file=sys.stderr)
                refused += 1
            else:
                taken += 1
        print(f"{path}: {taken} requests taken")
    return 1 if refused else 0


def requests(path: Path) -> Iterator[tuple[int, str, bytes]]:
    """Yield line number, signal and body of each request in a file.

    Raises:
        ServerError: the file cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"{path} cannot be read: {error}") from None
    try:
        found = [(1, json.loads(text))]  # one request, perhaps over many lines
    except json.JSONDecodeError:
        found = [(n, _loaded(path, n, line)) for n, line in enumerate(text.splitlines(), 1) if line]
    for place, plain in found:
        signals = [_SIGNALS[name] for name in _SIGNALS if isinstance(plain, dict) and name in plain]
        if not signals:
            raise ServerError(f"{path}:{place}: no OTLP request ({', '.join(_SIGNALS)})")
        for signal in signals:
            yield place, signal, json.dumps(plain).encode()


def _loaded(path: Path, place: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ServerError(f"{path}:{place}: no JSON: {error}") from None


def _send(endpoint: str, token: str, signal: str, body: bytes) -> str:
    """Return what the server has against a request; empty when it was taken."""
    parts = urlsplit(endpoint)
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    for _ in range(_ATTEMPTS):
        client = kind(parts.netloc, timeout=60)
        try:
            client.request("POST", f"{parts.path.rstrip('/')}/v1/{signal}", body, headers)
            answer = client.getresponse()
            text = answer.read().decode(errors="replace")
        except OSError as error:
            raise ServerError(
                f"{endpoint} does not answer ({error}): is `alexobs up` running?"
            ) from None
        finally:
            client.close()
        if answer.status not in (429, 503):
            return "" if answer.status == 200 else f"{answer.status}: {text[:300]}"
        time.sleep(float(answer.headers.get("retry-after") or 1))
    return "the server is too busy"
