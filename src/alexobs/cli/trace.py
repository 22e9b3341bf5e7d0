"""`alexobs trace`: one trace as a tree."""

from __future__ import annotations

import re
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from alexobs.cli.client import ApiClientError, Client, add_options, client_of, print_json
from alexobs.cli.trees import rows_of, span_data
from alexobs.exporters.console import wants_color
from alexobs.exporters.tree import as_ascii, render_tree

if TYPE_CHECKING:
    import argparse

MAX_SPANS = 100_000


def register(subparsers: Any) -> None:
    """Add `trace`."""
    text = "show one trace as a tree"
    parser = subparsers.add_parser("trace", help=text, description=f"{text.capitalize()}.")
    parser.add_argument("trace", help="trace id, its beginning, or: last")
    parser.add_argument("--span", help="show this span with attributes and messages (JSON)")
    parser.add_argument("--rows", type=int, default=500, help="rows at most (default: 500)")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the tree."""
    client = client_of(args)
    trace_id = full_id(client, args.trace)
    if args.span:
        print_json(client.get(f"spans/{trace_id}/{args.span}"))
        return 0
    rows = list(rows_of(client, trace_id, MAX_SPANS))
    if args.json:
        print_json({"trace_id": trace_id, "spans": rows})
        return 0
    print(f"trace {trace_id}")
    now_ms = time.time() * 1000
    width = shutil.get_terminal_size((100, 24)).columns
    spans = [span_data(row, now_ms) for row in rows]
    text = render_tree(spans, color=wants_color(sys.stdout), width=width, max_rows=args.rows)
    print(shown(text), end="")
    return 0


def shown(text: str) -> str:
    """Return `text` in characters that standard output can write."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return as_ascii(text)
    return text


def full_id(client: Client, given: str) -> str:
    """Return the id that `given` names.

    Raises:
        ApiClientError: none begins so, or several do.
    """
    if re.fullmatch("[0-9a-fA-F]{32}", given):
        return given.lower()
    if given == "last":
        found = client.get("traces", limit=1)["traces"]
    elif re.fullmatch("[0-9a-fA-F]{4,31}", given):
        near = client.get("traces", q=given, limit=500)["traces"]
        found = [trace for trace in near if trace["trace_id"].startswith(given.lower())]
    else:
        raise ApiClientError(f"{given!r} is no trace id: 4 to 32 hexadecimal digits, or: last")
    if len(found) != 1:
        many = f"{len(found)} traces begin with {given}" if found else f"no trace is {given}"
        raise ApiClientError(many)
    return str(found[0]["trace_id"])
