"""`alexobs tail`: what agents do, as they do it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import urllib3

from alexobs.cli.client import ApiClientError, Client, add_options, client_of
from alexobs.cli.logs import line_of
from alexobs.cli.trace import shown
from alexobs.cli.trees import span_data
from alexobs.exporters.console import wants_color
from alexobs.exporters.tree import render_tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    Event = tuple[str, str, dict[str, Any]]

MAX_WAITING_SPANS = 20_000
RECONNECT_S = 1.0


def register(subparsers: Any) -> None:
    """Add `tail`."""
    parser = subparsers.add_parser(
        "tail",
        help="follow traces and log lines as they come",
        description=(
            "Follow what agents do: on a terminal a tree that grows, elsewhere each trace when "
            "its root has ended. Ends with Ctrl-C."
        ),
    )
    parser.add_argument("--session", help="of this session only")
    parser.add_argument("--trace", help="of this trace only")
    parser.add_argument("--no-logs", action="store_true", help="traces only")
    parser.add_argument("--seconds", type=float, help="end after so long")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Follow until Ctrl-C."""
    screen = Screen(live=sys.stdout.isatty() and not args.json, logs=not args.no_logs)
    try:
        for kind, _, data in events(client_of(args), args):
            if args.json:
                rows = data.get("spans" if kind == "spans" else "logs", [])
                if kind == "spans" or (kind == "logs" and not args.no_logs):
                    print(
                        "\n".join(json.dumps({"signal": kind, **row}) for row in rows), flush=True
                    )
            else:
                screen.show(kind, data)
    finally:
        screen.end()
    return 0


def events(client: Client, args: argparse.Namespace) -> Iterator[Event]:
    """Yield events, and connect again when the connection is lost; nothing is missed then."""
    end_s = None if args.seconds is None else time.monotonic() + args.seconds
    last = ""
    connected = False
    while end_s is None or time.monotonic() < end_s:
        left_s = None if end_s is None else max(end_s - time.monotonic(), 0.0)
        headers = {"accept": "text/event-stream", **({"last-event-id": last} if last else {})}
        try:
            with client.stream(
                "live", headers=headers, session=args.session, trace=args.trace, max_s=left_s
            ) as response:
                connected = True
                for event in parsed(response):
                    last = event[1] or last
                    yield event
        except (ApiClientError, urllib3.exceptions.HTTPError):
            if not connected:
                raise
            time.sleep(RECONNECT_S)


def parsed(response: urllib3.BaseHTTPResponse) -> Iterator[Event]:
    """Yield kind, id and data of each event in a stream."""
    kind = number = data = ""
    for line in _lines(response):
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "id":
            number = value
        elif name == "data":
            data = value
        elif not line and data:
            yield kind, number, json.loads(data)
            kind = number = data = ""


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[str]:
    rest = b""
    while piece := response.read1(1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")


class Screen:
    """Trees on standard output. `live`: those that grow are drawn again at the bottom."""

    def __init__(self, *, live: bool, logs: bool) -> None:
        self._live = live
        self._logs = logs
        self._traces: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()
        self._drawn = 0

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """Show an event."""
        self._wipe()
        if kind == "logs" and self._logs:
            for line in data["logs"]:
                print(shown(line_of(line)))
        elif kind == "reset":
            print("… more came than can be followed; `alexobs traces` lists it")
        elif kind == "spans":
            for row in data["spans"]:
                self._traces.setdefault(row["trace_id"], {})[row["span_id"]] = row
            self._print_ended()
        self._draw()
        sys.stdout.flush()

    def end(self) -> None:
        """Show what has not ended."""
        self._wipe()
        for spans in self._traces.values():
            print(_tree(list(spans.values())), end="")
        self._traces.clear()

    def _print_ended(self) -> None:
        for trace_id, spans in list(self._traces.items()):
            ended = any(
                row["parent_span_id"] is None and row["duration_ms"] is not None
                for row in spans.values()
            )
            if ended and not any(row["duration_ms"] is None for row in spans.values()):
                print(_tree(list(self._traces.pop(trace_id).values())), end="")
        while sum(map(len, self._traces.values())) > MAX_WAITING_SPANS:
            _, spans = self._traces.popitem(last=False)
            print(_tree(list(spans.values())), end="")

    def _draw(self) -> None:
        if not self._live or not self._traces:
            return
        lines = [
            line
            for spans in self._traces.values()
            for line in _tree([*spans.values()]).splitlines()
        ]
        height = shutil.get_terminal_size((100, 24)).lines - 2
        cut = lines[-height:]
        print("\n".join(cut))
        self._drawn = len(cut)

    def _wipe(self) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0


def _tree(rows: list[dict[str, Any]]) -> str:
    now_ms = time.time() * 1000
    width = shutil.get_terminal_size((100, 24)).columns - 1
    spans = [span_data(row, now_ms) for row in rows]
    return shown(render_tree(spans, color=wants_color(sys.stdout), width=width))
