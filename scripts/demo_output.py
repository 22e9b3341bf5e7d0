"""Writes what `alexobs demo` prints on a fresh machine into the documentation.

    python scripts/demo_output.py        writes docs/demo.txt

Durations are those of this run; `normalised` takes them out, for comparing two outputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

USUAL_PORTS = (("page: ", "", 4319), ("otlp ", "", 4318), ("", "(?=/metrics)", 9090))
PAGE = Path(__file__).resolve().parents[1] / "docs" / "demo.txt"


def demo_output() -> str:
    """Return what the demo prints without a terminal, as a reader would see it."""
    with tempfile.TemporaryDirectory() as home:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALEX_", "OTEL_")) and not name.endswith("_API_KEY")
        }
        env = {
            **kept,
            "HOME": home,
            "USERPROFILE": home,
            "COLUMNS": "100",
            "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        }
        command = [
            sys.executable,
            "-c",
            "import alexobs.cli, sys; sys.exit(alexobs.cli.main(['demo']))",
        ]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    text = done.stdout.replace(home, "~")
    text = re.sub(r"^Port \d+ is taken.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=/sessions/)[0-9a-f]{32}", "…", text)
    for before, after, port in USUAL_PORTS:
        text = re.sub(rf"({before}http://127\.0\.0\.1:)\d+{after}", rf"\g<1>{port}", text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def normalised(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run."""
    text = re.sub(r"\d[\d.,]* ?(?:µs|ms|s)\b", "TIME", text.replace("━", ""))
    return [re.sub(r" +", " ", line).rstrip() for line in text.splitlines()]


if __name__ == "__main__":
    PAGE.write_text(demo_output(), encoding="utf-8")
