"""Take the page's third-party modules and fonts out of their npm packages.

    python scripts/vendor_web.py

Needs `npm`. Each file is copied as published, except that bare imports become relative ones (a
strict content security policy leaves no room for an import map) and source map comments go.
`vendor/MANIFEST.json` records version, licence and hashes; a test holds the files to it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

WEB = Path(__file__).parents[1] / "src" / "alexobs" / "server" / "web"
VENDOR = WEB / "vendor"


class Package(NamedTuple):
    """One npm package and what is taken from it: path in the package to name in vendor/."""

    name: str
    version: str
    files: dict[str, str]


PACKAGES = (
    Package(
        "preact",
        "11.2.0",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "preact-hooks.js"},
    ),
    Package("htm", "3.1.1", {"dist/htm.mjs": "htm.js"}),
    Package("@preact/signals-core", "1.14.5", {"dist/signals-core.mjs": "signals-core.js"}),
    Package("@preact/signals", "2.11.4", {"dist/signals.mjs": "signals.js"}),
    Package(
        "uplot", "1.6.32", {"dist/uPlot.esm.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"}
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        {"files/inter-latin-wght-normal.woff2": "inter.woff2"},
    ),
    Package(
        "@fontsource-variable/jetbrains-mono",
        "5.3.0",
        {"files/jetbrains-mono-latin-wght-normal.woff2": "jetbrains-mono.woff2"},
    ),
)
IMPORTS = {
    "preact": "./preact.js",
    "preact/hooks": "./preact-hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
BARE = re.compile(r'(from\s*)"([@\w][@\w/-]*)"')
SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=.*\s*$")


def published(package: Package, folder: Path) -> tarfile.TarFile:
    """Return the package as the registry has it."""
    subprocess.run(
        ["npm", "pack", "--silent", f"{package.name}@{package.version}"], cwd=folder, check=True
    )
    stem = package.name.lstrip("@").replace("/", "-")
    return tarfile.open(folder / f"{stem}-{package.version}.tgz")


def member(archive: tarfile.TarFile, path: str) -> bytes:
    """Return the bytes of one file of the package."""
    file = archive.extractfile(f"package/{path}")
    if file is None:
        raise FileNotFoundError(path)
    return file.read()


def adapted(data: bytes, target: str) -> bytes:
    """Return a module with relative imports and no source map; any other file as it is."""
    if not target.endswith(".js"):
        return data
    text = BARE.sub(lambda m: f'{m[1]}"{IMPORTS[m[2]]}"', data.decode())
    return (SOURCE_MAP.sub("", text).rstrip() + "\n").encode()


def sha256(data: bytes) -> str:
    """Return the hash as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def vendor(package: Package, folder: Path) -> dict[str, object]:
    """Write the package's files and licence; return its entry in the manifest."""
    files = []
    with published(package, folder) as archive:
        about = json.loads(member(archive, "package.json"))
        licence = f"LICENSE-{package.name.lstrip('@').replace('/', '-')}.txt"
        for path, target in (*package.files.items(), ("LICENSE", licence)):
            source = member(archive, path)
            data = adapted(source, target)
            (VENDOR / target).write_bytes(data)
            files.append(
                {"file": target, "from": path, "source": sha256(source), "sha256": sha256(data)}
            )
    return {
        "package": package.name,
        "version": package.version,
        "licence": about["license"],
        "files": files,
    }


def main() -> None:
    """Rewrite vendor/ and its manifest."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        entries = [vendor(package, Path(folder)) for package in PACKAGES]
    text = json.dumps(entries, indent=2) + "\n"
    (VENDOR / "MANIFEST.json").write_text(text)
    print(f"{VENDOR}: {sum(len(p.files) for p in PACKAGES)} files of {len(PACKAGES)} packages")


if __name__ == "__main__":
    main()
