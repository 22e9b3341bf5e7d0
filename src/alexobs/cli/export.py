"""`alexobs export`: everything of one signal, as a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.cli.client import ApiClientError, add_options, add_window, client_of, window_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SIGNALS = ("spans", "logs", "metric_points", "messages")
PIECE_BYTES = 1 << 18


def register(subparsers: Any) -> None:
    """Add `export`."""
    text = "write spans, logs, metric points or messages to a file"
    parser = subparsers.add_parser("export", help=text, description=f"{text.capitalize()}.")
    parser.add_argument(
        "signal", nargs="?", choices=SIGNALS, default="spans", help="default: spans"
    )
    parser.add_argument(
        "--format", choices=("jsonl", "parquet"), help="default: by the file's name"
    )
    parser.add_argument("--output", "-o", default="-", help="file; default: standard output")
    add_window(parser)
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Write the file; it appears when it is whole."""
    form = args.format or ("parquet" if args.output.endswith(".parquet") else "jsonl")
    if form == "parquet" and args.output == "-" and sys.stdout.isatty():
        raise ApiClientError("Parquet is not for a terminal: name a file with --output")
    pieces = _pieces(args, form)
    if args.output == "-":
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return 0
    target = Path(args.output)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        os.replace(part, target)  # noqa: PTH105 - replaces on Windows as well
    except OSError as error:
        raise ApiClientError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"{target}: {target.stat().st_size} bytes", file=sys.stderr)
    return 0


def _pieces(args: argparse.Namespace, form: str) -> Iterator[bytes]:
    asked = {"signal": args.signal, "format": form, **window_of(args)}
    with client_of(args).stream("export", **asked) as response:
        yield from response.stream(PIECE_BYTES)
