"""The command line: `alexobs COMMAND …`.

Each command is a module of this package with ``register(subparsers)``, which adds its parser, and
``run(args) -> int``, which returns the exit code. It is imported when it is asked for, so that a
command costs what it needs and `--help` costs nothing.

Exit codes: 0 success, 1 failure, 2 wrong use or a configuration that cannot be used; a command
that has others says so in its help.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from alexobs.errors import AlexobsError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "up": "take telemetry over OTLP, keep it on this machine, and show it",
    "load": "send files of OTLP/JSON to the server",
    "demo": "start the server and run the example agent, observed",
    "run": "run a program, observed, without changing it",
    "doctor": "say what is configured, reachable, spooled and lost, and what to do",
    "config": "write, show, check and compare configurations",
    "spool": "list, deliver or delete telemetry that waits on disk",
    "stack": "start, stop and look at Prometheus, Jaeger, Grafana and more (Docker)",
    "prices": "show what a model costs, and where the price comes from",
    "tail": "follow traces and log lines as they come",
    "traces": "list traces: the newest, the slowest, the most expensive",
    "trace": "show one trace as a tree",
    "sessions": "list sessions, or show one as a conversation",
    "logs": "show log lines: search, by level, of a trace or session",
    "cost": "say what was spent, on what and by whom",
    "sql": "ask in SQL, over spans, logs, metric_points, sessions and messages",
    "export": "write spans, logs, metric points or messages to a file",
    "mcp": "serve sessions, traces and costs to a coding agent (MCP over stdio)",
}
"""Command, which is also its module's name, to one line of help."""

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _survive_any_character()
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    try:
        args = _parser(chosen).parse_args(arguments)
        code = import_module(f"{__name__}.{args.command}").run(args)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has printed its help or what is wrong
        return stop.code if isinstance(stop.code, int) else FAILED
    except ConfigError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except AlexobsError as error:
        print(f"alexobs: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as in `alexobs config show | head`
        _silence_stdout()
        return FAILED
    return int(code)


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alexobs",
        description="Logs, metrics, traces and cost for LLM agents.",
        epilog="Exit codes: 0 success, 1 failure, 2 wrong use or unusable configuration.",
    )
    parser.add_argument("--version", action=_Version)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        if name == chosen:
            import_module(f"{__name__}.{name}").register(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only then, because the look-up reads files."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"alexobs {metadata.version('alexobs')}")
        parser.exit()


def _survive_any_character() -> None:
    """Let a terminal that knows few characters show an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence_stdout() -> None:
    """Keep the interpreter from failing once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
