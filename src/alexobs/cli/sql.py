"""`alexobs sql`: a query over what the server keeps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from alexobs.cli.client import add_options, client_of, print_json, table

if TYPE_CHECKING:
    import argparse


def register(subparsers: Any) -> None:
    """Add `sql`."""
    parser = subparsers.add_parser(
        "sql",
        help="ask in SQL, over spans, logs, metric_points, sessions and messages",
        description="Run one SELECT over the views spans, logs, metric_points, sessions, messages.",
    )
    parser.add_argument("query", help="the query; - reads it from standard input")
    parser.add_argument("--limit", type=int, default=1000, help="rows (default: 1000)")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds (default: 5)")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the answer."""
    query = sys.stdin.read() if args.query == "-" else args.query
    asked = {"query": query, "max_rows": args.limit, "timeout_s": args.timeout}
    found = client_of(args).post("sql", asked)
    if args.json:
        print_json(found)
        return 0
    rows = [[_text(value) for value in row] for row in found["rows"]]
    print(table(found["columns"], rows))
    if found["truncated"]:
        print(f"… the first {len(rows)} rows; --limit shows more", file=sys.stderr)
    return 0


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
