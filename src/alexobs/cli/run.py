"""`alexobs run -- python agent.py`: observes a program without a change to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.config.environment import SESSION_VARIABLE
from alexobs.config.load import load

if TYPE_CHECKING:
    import argparse

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell says it

_DESCRIPTION = """\
Run a program with every LLM call of the known provider packages observed, without changing it.
The configuration is the usual one: ~/.alex/config.yaml and the environment; log lines go to stderr
unless it says otherwise. Child processes that run Python are observed as well.

With --session, the run is one session from its first line to its last: one trace, whichever
thread or process a call comes from, with what all of it took and cost. That is for a program that
does one task; one that serves many people opens a session for each, with obs.session().
"""


def register(subparsers: Any) -> None:
    """Add `run`."""
    parser = subparsers.add_parser(
        "run",
        help="run a program, observed, without changing it",
        description=_DESCRIPTION,
        usage="alexobs run [--service-name NAME] [--session | --session-id ID] "
        "-- COMMAND [ARGUMENT ...]",
        epilog="Exit code: the program's; 127 when it is not found, 2 for an unusable config.",
    )
    parser.add_argument("--service-name", help="service.name of the program")
    session = parser.add_mutually_exclusive_group()
    session.add_argument("--session", action="store_true", help="make the run a session")
    session.add_argument(
        "--session-id", metavar="ID", help="make the run a part of this session, new or not"
    )
    parser.add_argument("program", nargs="...", metavar="COMMAND", help="the program")


def run(args: argparse.Namespace) -> int:
    """Replace this process by the program, observed."""
    program = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not program:
        print("alexobs run: name a program, as in: alexobs run -- python agent.py", file=sys.stderr)
        return 2
    load()  # an unusable configuration is told here, and not by every child
    environment = observed_environment(os.environ, args.service_name)
    if args.session or args.session_id:
        environment[SESSION_VARIABLE] = args.session_id or uuid.uuid4().hex
    found = shutil.which(program[0])
    if found is None:
        hint = _hint(program)
        print(f"alexobs run: {program[0]}: no such program on the PATH{hint}", file=sys.stderr)
        return NOT_FOUND
    if os.name == "posix":
        try:
            os.execve(found, program, environment)  # noqa: S606 - what the user asked for
        except OSError as error:
            print(f"alexobs run: {program[0]}: {error.strerror}", file=sys.stderr)
            return NOT_EXECUTABLE
    return subprocess.run([found, *program[1:]], env=environment, check=False).returncode  # noqa: S603


def _hint(program: list[str]) -> str:
    is_script = program[0].endswith(".py") or Path(program[0]).is_file()
    return f"; did you mean: alexobs run -- python {' '.join(program)}" if is_script else ""


def observed_environment(environ: Any, service_name: str | None = None) -> dict[str, str]:
    """Return the environment in which Python observes itself at its start."""
    folder = str(Path(__file__).with_name("autoload"))
    path = environ.get("PYTHONPATH", "")
    observed = {**environ, "PYTHONPATH": os.pathsep.join(filter(None, (folder, path)))}
    if service_name:
        observed["OTEL_SERVICE_NAME"] = service_name
    return observed
