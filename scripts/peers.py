"""Builds or installs the real back ends that the deployment is proved on.

    python scripts/peers.py list                what there is, and where
    python scripts/peers.py build               all that is missing, one after the other
    python scripts/peers.py build jaeger loki   these

They come from the package registries (Maven, Go modules) and are kept outside the tree, in
`$ALEXOBS_PEERS` or `~/.cache/alexobs-peers`, so that they are built once. Go and a JDK with Maven
are needed. The versions are those that `deployments/observability/docker-compose.yml` names. What
is not built is looked for in `PATH`: Debian's packages of Prometheus and Alertmanager will do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("ALEXOBS_PEERS") or Path.home() / ".cache" / "alexobs-peers")

OCB_MANIFEST = ROOT / "scripts" / "peers-collector.yaml"
VERSIONS = {
    "alertmanager": "v0.28.1",
    "amtool": "v0.28.1",
    "collector": "v0.155.0",
    "compose": "v2.40.3",
    "jaeger": "v1.76.0",  # the module's tag of Jaeger 2.13.0
    "loki": "v3.7.8",
    "prometheus": "v0.305.0",  # the module's tag of Prometheus 3.5.0
    "promtool": "v0.305.0",
    "zipkin": "3.5.1",
}
BUILDER = f"go.opentelemetry.io/collector/cmd/builder@{VERSIONS['collector']}"
CORE = f"go.opentelemetry.io/collector/otelcol {VERSIONS['collector']}"


class Peer(NamedTuple):
    """A program, the command in `PATH` that will do as well, and how to get it."""

    name: str
    command: str | None
    build: Callable[[Path], None]
    note: str


def find(name: str) -> str | None:
    """Return the path of a peer's program, or None when it is not there."""
    built = _kept(name)
    if built.exists():
        return str(built)
    command = PEERS[name].command
    return shutil.which(command) if command else None


def _kept(name: str) -> Path:
    """Return where a program is kept: another version or another manifest is another file."""
    version = VERSIONS[name]
    if name == "zipkin":
        return HOME / "zipkin" / f"zipkin-server-{version}-exec.jar"
    if name == "collector":
        version += "-" + hashlib.sha256(OCB_MANIFEST.read_bytes()).hexdigest()[:8]
    return HOME / "bin" / f"{name}-{version}"


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command at the lowest priority; what it prints is shown."""
    print("+", *command, flush=True)
    wanted = ["nice", "-n", "19", *command]
    subprocess.run(wanted, check=True, cwd=cwd, env={**os.environ, **(env or {})})


def collector(target: Path) -> None:
    """Build a Collector of the components that the deployment's files use, and no others.

    The builder writes the program; which modules it needs is said here, since it would also ask for
    those of all their tests, and a registry does not have to have them.
    """
    run("go", "install", BUILDER, env={"GOBIN": str(target.parent)})
    folder = HOME / "build" / "collector"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    only_sources = ("--skip-get-modules", "--skip-compilation")
    builder = str(target.parent / "builder")
    run(builder, f"--config={OCB_MANIFEST}", *only_sources, cwd=folder.parent)
    named = re.findall(r"gomod: (\S+ \S+)", OCB_MANIFEST.read_text(encoding="utf-8"))
    required = "".join(f"\t{module}\n" for module in (CORE, *named))
    text = f"module otelcol\n\ngo 1.25.0\n\nrequire (\n{required})\n"
    (folder / "go.mod").write_text(text, encoding="utf-8")
    go_build(target, ".", folder)


def go_build(target: Path, package: str, folder: Path) -> None:
    """Build one program of a module in a folder."""
    flags = ("-mod=mod", "-trimpath", "-ldflags", "-s -w")
    run("go", "build", *flags, "-o", str(target), package, cwd=folder)


def go_main(
    module: str, name: str, package: str, drop: tuple[str, ...] = ()
) -> Callable[[Path], None]:
    """Return a recipe for the modules that `go install` refuses, since they replace others."""

    def build(target: Path) -> None:
        asked = ["go", "mod", "download", "-json", f"{module}@{VERSIONS[name]}"]
        answer = subprocess.run(asked, check=True, capture_output=True, cwd="/").stdout
        folder = HOME / "build" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(json.loads(answer)["Dir"], folder)
        run("chmod", "-R", "u+w", str(folder))
        for replaced in drop:
            run("go", "mod", "edit", f"-dropreplace={replaced}", cwd=folder)
        go_build(target, package, folder)
        shutil.rmtree(folder)

    return build


def zipkin(_: Path) -> None:
    """Fetch Zipkin's executable jar."""
    artifact = f"io.zipkin:zipkin-server:{VERSIONS['zipkin']}:jar:exec"
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
    run("mvn", "-q", "-B", copy, f"-Dartifact={artifact}", f"-DoutputDirectory={HOME / 'zipkin'}")


def _alerting(program: str) -> Callable[[Path], None]:
    return go_main("github.com/prometheus/alertmanager", program, f"./cmd/{program}")


def _prometheus(program: str) -> Callable[[Path], None]:
    return go_main("github.com/prometheus/prometheus", program, f"./cmd/{program}")


_COMPOSE = go_main("github.com/docker/compose/v2", "compose", "./cmd")
_JAEGER = go_main("github.com/jaegertracing/jaeger", "jaeger", "./cmd/jaeger")
_LOKI = go_main(
    "github.com/grafana/loki/v3", "loki", "./cmd/loki", drop=("github.com/grafana/loki/pkg/push",)
)
PEERS = {
    peer.name: peer
    for peer in (
        Peer("prometheus", "prometheus", _prometheus("prometheus"), "Go, without its page"),
        Peer("promtool", "promtool", _prometheus("promtool"), "Go"),
        Peer("alertmanager", "prometheus-alertmanager", _alerting("alertmanager"), "Go"),
        Peer("amtool", "amtool", _alerting("amtool"), "Go"),
        Peer("zipkin", None, zipkin, "Maven, run by java"),
        Peer("collector", None, collector, "Go modules"),
        Peer("jaeger", None, _JAEGER, "Go, without its pages"),
        Peer("compose", None, _COMPOSE, "Go"),
        Peer("loki", None, _LOKI, "Go; the longest"),
    )
}


def build(names: list[str]) -> int:
    """Build what is missing; return how many failed."""
    (HOME / "bin").mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names or list(PEERS):
        if _kept(name).exists():
            print(f"{name}: {_kept(name)}")
            continue
        begun = time.monotonic()
        try:
            PEERS[name].build(_kept(name))
        except (subprocess.CalledProcessError, OSError) as error:
            failed += find(name) is None
            instead = f"; {find(name)} will do" if find(name) else ""
            print(f"{name}: not built: {error}{instead}", file=sys.stderr)
        else:
            print(f"{name}: {find(name)}, built in {time.monotonic() - begun:.0f} s", flush=True)
    return failed


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands: Any = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and where")
    builds = commands.add_parser("build", help="build or install what is missing")
    builds.add_argument("names", nargs="*", choices=[[], *PEERS], metavar="NAME")
    args = parser.parse_args()
    if args.command == "build":
        return 1 if build(args.names) else 0
    for name, peer in PEERS.items():
        print(f"{name:<13} {find(name) or 'missing'}  ({peer.note})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
