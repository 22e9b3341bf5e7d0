"""`alexobs logs`: log lines that the server keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.cli.client import (
    add_options,
    add_window,
    client_of,
    print_json,
    when,
    window_of,
)
from alexobs.exporters.display import printable

if TYPE_CHECKING:
    import argparse


def register(subparsers: Any) -> None:
    """Add `logs`."""
    text = "show log lines: search, by level, of a trace or session"
    parser = subparsers.add_parser("logs", help=text, description=f"{text.capitalize()}.")
    parser.add_argument("query", nargs="?", default="", help="text to look for")
    parser.add_argument("--level", choices=("debug", "info", "warn", "error"), help="not below")
    parser.add_argument("--trace", help="of this trace")
    parser.add_argument("--session", help="of this session")
    parser.add_argument("--service", action="append", help="of this service; repeatable")
    parser.add_argument("--limit", type=int, default=100, help="the newest so many (default: 100)")
    add_window(parser)
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the lines, the newest last."""
    found = list(
        client_of(args).pages(
            "logs",
            "logs",
            args.limit,
            q=args.query,
            level=args.level,
            trace=args.trace,
            session=args.session,
            service=args.service,
            **window_of(args),
        )
    )[::-1]
    if args.json:
        print_json(found)
        return 0
    for line in found:
        print(line_of(line))
    if not found:
        print("no line matches")
    return 0


def line_of(line: dict[str, Any]) -> str:
    """Return a log line for a terminal."""
    fields = " ".join(
        f"{key}={value}" for key, value in line["attributes"].items() if key != "alex.session_id"
    )
    text = f"{line['body'] or line['event_name'] or ''}  {fields}".rstrip()
    return f"{when(line['time_ms'])}  {line['level']:<5}  {printable(text)}"
