"""`alexobs traces`: the list of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.cli.client import (
    add_options,
    add_window,
    client_of,
    cost_text,
    print_json,
    table,
    when,
    window_of,
)
from alexobs.exporters.display import duration_text, tokens_text

if TYPE_CHECKING:
    import argparse

HEAD = ("START", "TRACE", "NAME", "STATUS", "TIME", "SPANS", "LLM", "TOKENS", "COST", "MODEL")
SORTS = ("start", "duration", "cost", "tokens", "spans", "errors")


def register(subparsers: Any) -> None:
    """Add `traces`."""
    text = "list traces: the newest, the slowest, the most expensive"
    parser = subparsers.add_parser("traces", help=text, description=f"{text.capitalize()}.")
    parser.add_argument("query", nargs="?", default="", help="text to look for")
    for name in ("model", "tool", "service", "agent"):
        parser.add_argument(f"--{name}", action="append", help=f"with this {name}; repeatable")
    parser.add_argument(
        "--status", action="append", choices=("success", "error", "cancelled", "running")
    )
    parser.add_argument("--session", help="of this session")
    parser.add_argument("--user", help="of this user")
    parser.add_argument("--min-ms", type=float, help="not shorter, ms")
    parser.add_argument("--min-usd", type=float, help="not cheaper, USD")
    parser.add_argument("--sort", choices=SORTS, default="start", help="default: start")
    parser.add_argument("--limit", type=int, default=20, help="how many (default: 20)")
    add_window(parser)
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the traces."""
    found = list(
        client_of(args).pages(
            "traces",
            "traces",
            args.limit,
            q=args.query,
            model=args.model,
            tool=args.tool,
            service=args.service,
            agent=args.agent,
            status=args.status,
            session=args.session,
            user=args.user,
            min_duration_ms=args.min_ms,
            min_cost_usd=args.min_usd,
            sort=args.sort,
            **window_of(args),
        )
    )
    if args.json:
        print_json(found)
    elif found:
        print(table(HEAD, [_row(trace) for trace in found], "llllrrrrr"))
    else:
        print("no trace matches")
    return 0


def _row(trace: dict[str, Any]) -> tuple[str, ...]:
    duration = trace["duration_ms"]
    return (
        when(trace["start_ms"]),
        trace["trace_id"],
        trace["name"] or "",
        trace["status"],
        "…" if duration is None else duration_text(int(duration * 1e6)),
        str(trace["spans"]),
        str(trace["llm_calls"]),
        tokens_text(trace["input_tokens"] + trace["output_tokens"]),
        cost_text(trace),
        trace["model"] or "",
    )
