"""What is built is what is installed: a wheel in an empty environment, with no index to ask."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARRIED = (
    "alexobs/py.typed",
    "alexobs/testing/react_agent.py",
    "alexobs/deployments/observability/README.md",
    "alexobs/server/web/index.html",
    "alexobs/cli/autoload/sitecustomize.py",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("alexobs-*.whl")
    return built


def test_the_wheel_carries_what_its_commands_use(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(CARRIED) <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_an_installed_wheel_imports_and_runs(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, timeout=60)
    # The dependencies are those of this environment; alexobs itself has to be the wheel's.
    ours = Path(sysconfig.get_path("purelib"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([site, str(ours)])}
    environment["HOME"] = environment["USERPROFILE"] = str(tmp_path)

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    program = (
        "import alexobs; print(alexobs.__file__); [getattr(alexobs, n) for n in alexobs.__all__]"
    )
    assert run(python, "-c", program).startswith(site)
    command = python.with_name("alexobs")
    assert "doctor" in run(command, "--help")
    assert run(command, "config", "check").startswith("ok")
    assert "alex_llm_requests_total" in run(
        python,
        "-c",
        "import alexobs, urllib.request as u\n"
        "obs = alexobs.init(metrics={'prometheus_port': 0}, tracing={'exporter': 'none'})\n"
        "obs.metrics.record_llm_request(model='m', status='success', latency_s=1.0)\n"
        "print(u.urlopen(obs.health().prometheus).read().decode())\n",
    )
