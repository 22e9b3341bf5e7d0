"""`alexobs sessions`: the list of sessions, or one as a conversation."""

from __future__ import annotations

import json
import textwrap
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
from alexobs.exporters.display import duration_text, printable, tokens_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HEAD = ("START", "SESSION", "TASK", "STATUS", "TIME", "LLM", "TOOLS", "TOKENS", "COST")
IDLE_FROM_MS = 1000
TEXT_MAX = 2000


def register(subparsers: Any) -> None:
    """Add `sessions`."""
    text = "list sessions, or show one as a conversation"
    parser = subparsers.add_parser("sessions", help=text, description=f"{text.capitalize()}.")
    parser.add_argument("session", nargs="?", help="session to show")
    parser.add_argument("--query", "-q", default="", help="text to look for")
    parser.add_argument(
        "--status", action="append", choices=("success", "error", "cancelled", "running")
    )
    parser.add_argument("--user", help="of this user")
    parser.add_argument("--limit", type=int, default=20, help="how many (default: 20)")
    add_window(parser)
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the sessions, or the one."""
    client = client_of(args)
    if args.session is not None:
        return _show(client.get(f"sessions/{_quoted(args.session)}"), args)
    found = list(
        client.pages(
            "sessions",
            "sessions",
            args.limit,
            q=args.query,
            status=args.status,
            user=args.user,
            **window_of(args),
        )
    )
    if args.json:
        print_json(found)
    elif found:
        print(table(HEAD, [_row(session) for session in found], "llllrrrrr"))
    else:
        print("no session matches")
    return 0


def _quoted(session: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(session, safe="")


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        when(session["start_ms"]),
        session["session_id"],
        session["task"] or "",
        session["status"],
        duration_text(int(session["duration_ms"] * 1e6)),
        str(session["llm_calls"]),
        str(session["tool_calls"]),
        tokens_text(session["input_tokens"] + session["output_tokens"]),
        cost_text(session),
    )


def _show(found: dict[str, Any], args: argparse.Namespace) -> int:
    if args.json:
        print_json(found)
        return 0
    session = found["session"]
    print(table(HEAD, [_row(session)], "llllrrrrr"))
    for turn in found["turns"]:
        print("\n".join(_turn(turn)))
    if found["next_cursor"] is not None:
        print(f"\n… more turns: --json, or /api/sessions/{_quoted(session['session_id'])}")
    return 0


def _turn(turn: dict[str, Any]) -> Iterator[str]:
    if turn["idle_ms"] >= IDLE_FROM_MS:
        yield f"\n   … idle {duration_text(int(turn['idle_ms'] * 1e6))}"
    what = turn["tool"] if turn["kind"] == "tool" else turn["model"]
    duration = turn["duration_ms"]
    parts = [
        f"{turn['kind']} {what or turn['name']}",
        "running" if duration is None else duration_text(int(duration * 1e6)),
        "" if turn["kind"] == "tool" else cost_text(turn),
        turn["error"] or ("" if turn["status"] == "success" else turn["status"]),
    ]
    yield "\n── " + printable(" · ".join(part for part in parts if part))
    for message in (*turn["input_messages"], *turn["output_messages"]):
        yield from _message(message)
    for arrow, value in (("→", turn["tool_arguments"]), ("←", turn["tool_result"])):
        if value is not None:
            yield f"   {arrow} {printable(_brief(value))}"


def _message(message: Any) -> Iterator[str]:
    if not isinstance(message, dict):
        yield f"   {printable(_brief(message))}"
        return
    role = printable(str(message.get("role", "")))
    for part in message.get("parts") or [message.get("content", "")]:
        text = part.get("content") if isinstance(part, dict) else part
        lines = _brief(part if text is None else text).splitlines() or [""]
        wrapped = [line for one in lines for line in textwrap.wrap(printable(one), 94) or [""]]
        yield f"   {role}: {wrapped[0]}"
        yield from (f"     {line}" for line in wrapped[1:])


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}… ({len(text)} characters)"
