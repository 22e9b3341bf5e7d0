"""Makes the images of the stack out of the built programs, for an engine that reaches no registry.

They carry the names and versions of `docker-compose.yml`, the users, folders and commands of the
published images, and the programs of `peers.py`. Grafana's is a page that answers its health check
and nothing else, since no package registry has Grafana. Load them into an engine of your own that
is thrown away afterwards, never into one that is used for anything else.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

import peers

BUSYBOX = "/bin/busybox"  # a static one: Debian's busybox-static
COMMANDS = ("sh", "wget", "awk", "mkdir", "dirname", "cp", "chown", "httpd", "cat", "ls")
LIBRARIES = ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2")
NOBODY = 65534


class Image(NamedTuple):
    """One image: what is in it, as whom and how it runs."""

    program: str | None  # of peers.py
    path: str  # where the image has it
    user: int = 0
    own: tuple[str, ...] = ()  # folders of that user
    shell: bool = True
    command: tuple[str, ...] = ()
    files: str = ""  # a folder of this machine whose templates Debian's program wants


IMAGES = {
    "prom/prometheus": Image("prometheus", "/bin/prometheus", NOBODY, ("/prometheus",)),
    "prom/alertmanager": Image(
        "alertmanager",
        "/bin/alertmanager",
        NOBODY,
        ("/alertmanager",),
        files="/usr/share/prometheus/alertmanager",
    ),
    "jaegertracing/jaeger": Image("jaeger", "/cmd/jaeger/jaeger-linux", 10001),
    "otel/opentelemetry-collector-contrib": Image(
        "collector", "/otelcol-contrib", 10001, shell=False
    ),
    "grafana/loki": Image("loki", "/usr/bin/loki", 10001, ("/loki",), shell=False),
    "grafana/grafana": Image(
        None,
        BUSYBOX,
        472,
        ("/var/lib/grafana",),
        command=("httpd", "-f", "-p", "3000", "-h", "/usr/share/grafana"),
    ),
    "busybox": Image(None, "", command=("sh",)),
}
GRAFANA_PAGE = b'{"database": "ok", "version": "a stand-in"}'


def needed() -> list[str]:
    """Return the programs of `peers.py` that are in the images, and what starts them."""
    return [*filter(None, (image.program for image in IMAGES.values())), "compose"]


def load(name: str, docker: list[str]) -> None:
    """Make the image `name` (with its version) in the engine that `docker` talks to."""
    image = IMAGES[name.partition(":")[0]]
    entry = "" if name.startswith("busybox:") else f'ENTRYPOINT ["{image.path}"]'
    words = ", ".join(f'"{word}"' for word in image.command)
    changes = [entry, f"USER {image.user}", f"CMD [{words}]" if words else ""]
    options = [word for change in changes if change for word in ("--change", change)]
    command = [*docker, "import", *options, "-", name]
    subprocess.run(command, input=_content(image), check=True, stdout=subprocess.DEVNULL)


def _content(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _folder(tar, "/tmp", 0, 0o1777)
        for folder in image.own:
            _folder(tar, folder, image.user)
        if image.program:
            found = peers.find(image.program)
            if found is None:
                message = f"{image.program} is not there: python scripts/peers.py build"
                raise FileNotFoundError(message)
            _file(tar, image.path, Path(found).read_bytes())
            for library in LIBRARIES:  # the programs are built for this machine, not to be moved
                _file(tar, library, Path(library).read_bytes())
        else:
            _file(tar, "/usr/share/grafana/api/health", GRAFANA_PAGE)
        for path in Path(image.files).glob("*.tmpl") if image.files else ():
            _file(tar, str(path), path.read_bytes())
        if image.shell:
            _file(tar, BUSYBOX, Path(BUSYBOX).read_bytes())
            for command in COMMANDS:
                _link(tar, f"/bin/{command}", BUSYBOX)
    return buffer.getvalue()


def _folder(tar: tarfile.TarFile, path: str, user: int, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, user, user
    tar.addfile(entry)


def _file(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))


def _link(tar: tarfile.TarFile, path: str, to: str) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    tar.addfile(entry)
