from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from alexobs.cli import COMMANDS, main
from alexobs.config.change import to_mapping
from alexobs.config.load import load
from alexobs.config.model import Config
from alexobs.config.schema import documentation, settings
from alexobs.errors import ServerError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("ALEX_", "OTEL_"))]:
        monkeypatch.delenv(name)
    path = tmp_path / "config.yaml"
    monkeypatch.setenv("ALEX_CONFIG", str(path))
    return path


def test_init_writes_every_default_with_its_text(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init"]) == 0
    assert "Wrote the defaults" in capsys.readouterr().out
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["observability"] == to_mapping(Config())
    assert load(path, environ={}) == Config()
    words = " ".join(text.replace("#", " ").split())
    for setting in settings():
        assert documentation()[setting].replace("`", "") in words


def test_init_refuses_to_overwrite(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("agent: 1 # kept\nobservability: {enabled: false}\n", encoding="utf-8")
    assert main(["config", "init"]) == 1
    assert "--force" in capsys.readouterr().out
    assert load(path, environ={}) == Config(enabled=False)
    assert main(["config", "init", "--force"]) == 0
    assert load(path, environ={}) == Config()
    first = path.read_text(encoding="utf-8")
    assert first.startswith("agent: 1 # kept\n")
    assert main(["config", "init", "--force"]) == 0
    assert path.read_text(encoding="utf-8") == first


def test_init_adds_to_a_file_of_others(path: Path) -> None:
    path.write_text("agent: 1", encoding="utf-8")
    assert main(["config", "init"]) == 0
    assert path.read_text(encoding="utf-8").startswith("agent: 1\nobservability:\n")


def test_init_leaves_a_broken_file_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("observability: [", encoding="utf-8")
    assert main(["config", "init"]) == 1
    assert main(["config", "init", "--force"]) == 2
    assert "not YAML" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "observability: ["


def test_show_names_where_each_value_comes_from(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "observability:\n  logging: {level: debug}\n  tracing:\n    resource: {team: a}\n"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-environment")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    assert main(["config", "show"]) == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["#", str(path)]
    assert ["logging.level", "debug", f"{path}:2"] in rows
    assert ["tracing.resource.team", "a", f"{path}:4"] in rows
    variable = "environment variable OTEL_SERVICE_NAME"
    assert ["tracing.service_name", "from-environment", variable] in rows
    variable = "environment variable OTEL_EXPORTER_OTLP_HEADERS"
    assert ["tracing.otlp_headers.authorization", "(hidden)", variable] in rows
    assert ["tracing.sample_rate", "1.0", "default"] in rows
    assert len(rows) == 1 + len(settings())


def test_show_only_what_changed_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("observability: {logging: {level: debug}}", encoding="utf-8")
    assert main(["config", "show", "--changed", "--json"]) == 0
    expected = {"logging.level": {"value": "debug", "origin": f"{path}:1"}}
    assert json.loads(capsys.readouterr().out) == expected


def test_show_without_a_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--changed"]) == 0
    assert capsys.readouterr().out == f"# {path} does not exist\n"


def test_check_prints_every_problem(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "observability:\n  tracing:\n    sample_rate: 1.5\n  loging: {}\n"
    path.write_text(text, encoding="utf-8")
    assert main(["config", "check"]) == 2
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:3: observability.tracing.sample_rate: 1.5 — expected a number from 0.0 to 1.0",
        f'{path}:4: observability.loging — unknown key (did you mean "logging"?)',
        "2 problems",
    ]
    assert main(["config", "check", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [problem["line"] for problem in found["problems"]] == [3, 4]


def test_check_says_ok_and_notes_strange_variables(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("observability: {}", encoding="utf-8")
    monkeypatch.setenv("ALEX_TRACING_SAMPELRATE", "1")
    assert main(["config", "check"]) == 0
    hint = 'did you mean "ALEX_TRACING_SAMPLE_RATE"?'
    assert capsys.readouterr().out.splitlines() == [
        f"ok: {path}",
        f"note: ALEX_TRACING_SAMPELRATE is no setting of alexobs. {hint}",
    ]
    assert main(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_check_of_a_file_of_others(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("agent: 1", encoding="utf-8")
    assert main(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"ok: {path} has no key `observability`\n"


def test_diff_against_the_defaults_and_between_files(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "diff"]) == 0
    assert capsys.readouterr().out == "no difference\n"
    path.write_text("observability: {metrics: {prometheus_port: 0}}", encoding="utf-8")
    assert main(["config", "diff"]) == 1
    out = capsys.readouterr().out
    assert out == "metrics.prometheus_port: 9090 → 0 (needs a restart)\n"
    other = tmp_path / "other.yaml"
    other.write_text("observability: {tracing: {sample_rate: 0.5}}", encoding="utf-8")
    assert main(["config", "diff", str(path), str(other), "--json"]) == 1
    keys = [change["key"] for change in json.loads(capsys.readouterr().out)]
    assert keys == ["metrics.prometheus_port", "tracing.sample_rate"]
    assert main(["config", "diff", str(tmp_path / "absent.yaml")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_every_command_is_there_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for name, text in COMMANDS.items():
        assert f"{name} " in out
        assert text in out
        assert main([name, "--help"]) == 0
        assert f"alexobs {name}" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["nothing"], ["config"], ["config", "show", "--nothing"]])
def test_wrong_use(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "usage: alexobs" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("alexobs ")


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from alexobs.cli import main; main(['--help']);"
        "loaded = [m for m in sys.modules if m.startswith('alexobs.cli.') or m == 'yaml'];"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_terminal_that_knows_few_characters(path: Path) -> None:
    code = "import sys; from alexobs.cli import main; sys.exit(main(['config', 'diff']))"
    config = {"observability": {"tracing": {"service_name": "ünï"}}}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environ
    )
    assert done.returncode == 1, done.stderr
    line = rb'tracing.service_name: "" \u2192 \xfcn\xef (needs a restart)'
    assert done.stdout == line + os.linesep.encode()


class Command:
    """A command that fails in a given way."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    def register(self, subparsers: Any) -> None:
        subparsers.add_parser("broken")

    def run(self, _args: object) -> int:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (ServerError("the port is taken"), 1, "alexobs: the port is taken\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit("enough"), 1, ""),
    ],
)
def test_how_a_failing_command_ends(
    failure: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(COMMANDS, "broken", "fails")
    monkeypatch.setitem(sys.modules, "alexobs.cli.broken", Command(failure))
    assert main(["broken"]) == code
    assert capsys.readouterr().err == message


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipe")
def test_a_closed_pipe_is_no_traceback() -> None:
    code = "import sys; from alexobs.cli import main; sys.exit(main(['config', 'show']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1
