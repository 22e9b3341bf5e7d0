"""`alexobs cost`: what was spent, by day, model, agent, service, session or user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.cli.client import (
    add_options,
    add_window,
    client_of,
    cost_text,
    print_json,
    table,
    window_of,
)
from alexobs.exporters.display import tokens_text

if TYPE_CHECKING:
    import argparse

KEYS = ("model", "day", "agent", "service", "session", "user")
HEAD = ("COST", "LLM CALLS", "UNPRICED", "INPUT", "CACHED", "OUTPUT")


def register(subparsers: Any) -> None:
    """Add `cost`."""
    text = "say what was spent, on what and by whom"
    parser = subparsers.add_parser("cost", help=text, description=f"{text.capitalize()}.")
    parser.add_argument("--by", choices=KEYS, default="model", help="default: model")
    parser.add_argument("--model", action="append", help="of this model; repeatable")
    parser.add_argument("--service", action="append", help="of this service; repeatable")
    parser.add_argument("--limit", type=int, default=20, help="rows (default: 20)")
    add_window(parser, "30d")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    found = client_of(args).get(
        "costs", model=args.model, service=args.service, limit=args.limit, **window_of(args)
    )
    if args.json:
        print_json(found)
        return 0
    rows = [(row["key"] or "(none)", *_figures(row)) for row in found[f"by_{args.by}"]]
    rows.append(("total", *_figures(found["total"])))
    print(table((args.by.upper(), *HEAD), rows, "lrrrrrr"))
    for row in found["unpriced"]:
        calls = "1 call" if row["calls"] == 1 else f"{row['calls']} calls"
        print(f"unpriced: {calls} of {row['model'] or '(no model)'}: {row['reason']}")
    return 0


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        cost_text(row),
        str(row["llm_calls"]),
        str(row["unpriced_calls"]),
        tokens_text(row["uncached_input"]),
        tokens_text(row["cache_read"] + row["cache_write"]),
        tokens_text(row["output"] + row["reasoning"]),
    )
