"""`alexobs stack`: starts, stops and looks at the back ends of `deployments/observability`.

It is thin over Docker Compose: what it starts, `docker compose` sees, and the other way round.
`status` asks the services themselves as well, so that it says more than which containers run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.cli import stack_checks
from alexobs.cli.doctor import Finding, lines
from alexobs.errors import AlexobsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

OK, UNWELL, UNUSABLE = 0, 1, 2
PROFILES = ("minimal", "full")
FOLDER = Path("deployments") / "observability"
FILE = "docker-compose.yml"
ENGINE_S = 10.0


def register(subparsers: Any) -> None:
    """Add `stack` and what can follow it."""
    text = "start, stop and look at Prometheus, Jaeger, Grafana and more (Docker)"
    parser = subparsers.add_parser(
        "stack",
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="Exit codes: 0 done or well, 1 something is not, 2 Docker or the files are missing.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    up = actions.add_parser("up", help="start, and wait until all are healthy")
    down = actions.add_parser("down", help="stop; data stays unless --volumes is given")
    status = actions.add_parser("status", help="say what is not well, and what to do")
    for action in (up, status):
        action.add_argument(
            "--profile",
            choices=PROFILES,
            help="minimal: Prometheus, Jaeger, Grafana; full: and Collector, Loki, Alertmanager "
            "(default: the one that runs, else minimal)",
        )
    down.add_argument("--volumes", action="store_true", help="delete all data as well")
    status.add_argument("--json", action="store_true", help="print findings as JSON")
    for action in (up, down, status):
        action.add_argument("--dir", help=f"folder of {FILE}; default: {FOLDER} here or above")


def run(args: argparse.Namespace) -> int:
    """Run `args.action` and return the exit code."""
    try:
        compose = Compose(_folder(args.dir))
        return {"up": _up, "down": _down, "status": _status}[args.action](args, compose)
    except StackError as error:
        print(f"alexobs stack: {error}", file=sys.stderr)
        return UNUSABLE


class StackError(AlexobsError):
    """The stack cannot be worked with; the message says why and what to do."""


def _folder(given: str | None) -> Path:
    here = Path.cwd()
    places = (
        [Path(given)]
        if given
        else [parent / FOLDER for parent in (here, *here.parents)]
        + [parent / FOLDER for parent in Path(__file__).resolve().parents]
    )
    for place in places:
        if (place / FILE).is_file():
            return place
    wanted = f"{FILE} in {places[0]}" if given else f"{FOLDER / FILE} here or in a folder above"
    message = f"there is no {wanted}: give its folder with --dir"
    raise StackError(message)


class Compose:
    """Docker Compose on the stack's file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trouble(self) -> str:
        """Return why Docker cannot be used, or an empty text."""
        if shutil.which("docker") is None:
            return "docker is not installed (alexobs up keeps and shows telemetry without it)"
        if self._quietly("compose", "version").returncode:
            return "docker has no compose plugin: install Compose 2.20 or newer"
        if self._quietly("info", "--format", "{{.ServerVersion}}").returncode:
            said = "the Docker engine does not answer: start it (systemctl start docker, or Docker"
            return f"{said} Desktop), or see that you may use it (the group docker)"
        return ""

    def need(self) -> None:
        """Raise StackError when Docker cannot be used."""
        trouble = self.trouble()
        if trouble:
            raise StackError(trouble)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what Compose says of each service."""
        done = self._quietly(*self._arguments(PROFILES), "ps", "--all", "--format", "json")
        return {one["Service"]: one for one in _objects(done.stdout)} if not done.returncode else {}

    def run(self, profiles: tuple[str, ...], *action: str) -> int:
        """Run an action; Compose prints for itself."""
        command = ["docker", *self._arguments(profiles), *action]
        return subprocess.run(command, check=False).returncode  # noqa: S603 - our own words

    def _arguments(self, profiles: tuple[str, ...]) -> list[str]:
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        return ["compose", "-f", str(self.folder / FILE), *chosen]

    @staticmethod
    def _quietly(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", *words]
        try:
            return subprocess.run(  # noqa: S603 - our own words
                command, capture_output=True, text=True, check=False, timeout=ENGINE_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield what `ps` printed: one object a line, or one list, by the version of Compose."""
    for line in text.splitlines():
        if line.strip():
            found = json.loads(line)
            yield from found if isinstance(found, list) else [found]


def _up(args: argparse.Namespace, compose: Compose) -> int:
    compose.need()
    running = compose.containers()
    profile = args.profile or _running_profile(running) or "minimal"
    other = _running_profile(running)
    if other and other != profile:
        print(f"The profile {other} runs: stop it first with alexobs stack down.", file=sys.stderr)
        return UNWELL
    problems = [*stack_checks.environment(profile, os.environ)]
    if not running:
        problems += stack_checks.taken_ports(profile, os.environ)
    wrong = [finding for finding in problems if finding.well is False]
    if wrong:
        print("\n".join(line for finding in wrong for line in lines(finding)), file=sys.stderr)
        return UNWELL
    code = compose.run((profile,), "up", "--detach", "--wait")
    if code:
        print("Not all came up: alexobs stack status says what to do.", file=sys.stderr)
        return UNWELL
    for name, address in stack_checks.addresses(profile, os.environ).items():
        print(f"{name:<14} {address}")
    settings = stack_checks.agent_settings(profile, os.environ)
    print("\nAgents on this machine send to it with")
    print(" ".join(f"{name}={value}" for name, value in settings.items()))
    return OK


def _down(args: argparse.Namespace, compose: Compose) -> int:
    compose.need()
    code = compose.run(PROFILES, "down", *(["--volumes"] if args.volumes else []))
    return UNWELL if code else OK


def _status(args: argparse.Namespace, compose: Compose) -> int:
    findings = list(_findings(args.profile, compose))
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print("\n".join(line for finding in findings for line in lines(finding)))
    return UNWELL if any(finding.well is False for finding in findings) else OK


def _findings(profile: str | None, compose: Compose) -> Iterator[Finding]:
    trouble = compose.trouble()
    containers = {} if trouble else compose.containers()
    chosen = profile or _running_profile(containers) or "minimal"
    yield Finding("docker", not trouble, trouble or "answers", _docker_advice(trouble))
    yield Finding("profile", None, chosen)
    yield from stack_checks.environment(chosen, os.environ)
    yield from stack_checks.services(chosen, os.environ, containers)
    yield from stack_checks.flow(chosen, os.environ)


def _docker_advice(trouble: str) -> str:
    return "What follows is what answers on this machine's ports." if trouble else ""


def _running_profile(containers: dict[str, Any]) -> str | None:
    if not containers:
        return None
    return "full" if "loki" in containers or "jaeger-full" in containers else "minimal"
