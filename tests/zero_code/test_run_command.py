"""`alexobs run -- COMMAND`: the program is observed, and otherwise as it was."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import alexobs.cli
from alexobs import semconv
from alexobs.instrumentation.packages import PACKAGES

if TYPE_CHECKING:
    from conftest import Run

    from alexobs.testing.otlp import OTLPSink

AUTOLOAD = Path(alexobs.cli.__file__).parent / "autoload" / "sitecustomize.py"
OBSERVED = ("alexobs", "run", "--")
PYTHON = sys.executable


def calls(sink: OTLPSink) -> int:
    return len(sink.spans(semconv.SPAN_LLM))


def lines(stderr: str) -> list[str]:
    """Return what is on stderr besides log lines."""
    return [line for line in stderr.splitlines() if not line.startswith("{")]


def test_a_script_is_observed_and_prints_what_it_printed(
    run: Run, agent: Path, sink: OTLPSink
) -> None:
    bare = run(PYTHON, str(agent), "a", "b c")
    seen = run(*OBSERVED, PYTHON, str(agent), "a", "b c")
    assert (seen.returncode, seen.stdout) == (0, bare.stdout)
    assert seen.stdout == "hello a b c\n"
    assert lines(seen.stderr) == []
    assert json.loads(seen.stderr)["event"] == "llm call"
    assert calls(sink) == 1


@pytest.mark.slow
def test_a_module_is_observed(run: Run, agent: Path, sink: OTLPSink) -> None:
    seen = run(*OBSERVED, PYTHON, "-m", agent.stem)
    assert seen.stdout == "hello\n"
    assert calls(sink) == 1


def test_the_program_names_its_service(run: Run, agent: Path, sink: OTLPSink) -> None:
    run("alexobs", "run", "--service-name", "reviewer", "--", PYTHON, str(agent))
    (span,) = sink.spans(semconv.SPAN_LLM)
    assert span.origin.resource["service.name"] == "reviewer"


WIDE_AGENT = """
import os, subprocess, sys, threading
import openai

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], api_key="unused", max_retries=0)
def ask():
    client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "hi"}])
ask()
thread = threading.Thread(target=ask)
thread.start()
thread.join()
if sys.argv[1:]:
    raise ValueError(sys.argv[1])
subprocess.run([sys.executable, "agent.py"], check=True)
"""


@pytest.mark.slow
def test_a_run_can_be_one_session_over_its_threads_and_children(
    run: Run, agent: Path, sink: OTLPSink
) -> None:
    agent.with_name("wide.py").write_text(WIDE_AGENT, encoding="utf-8")
    seen = run("alexobs", "run", "--session", "--", PYTHON, "wide.py")
    assert (seen.returncode, seen.stdout) == (0, "hello\n")
    (session,) = sink.spans(semconv.SPAN_SESSION)
    assert session.attributes[semconv.ALEX_TASK] == f"{PYTHON} wide.py"
    llm = sink.spans(semconv.SPAN_LLM)
    assert len(llm) == 3
    assert {span.trace_id for span in llm} == {session.trace_id}
    assert {span.parent_span_id for span in llm} == {session.span_id}
    ids = {span.attributes[semconv.ALEX_SESSION_ID] for span in (session, *llm)}
    assert len(ids) == 1


@pytest.mark.slow
def test_a_run_that_is_a_session_tells_what_the_program_died_of(
    run: Run, agent: Path, sink: OTLPSink
) -> None:
    agent.with_name("wide.py").write_text(WIDE_AGENT, encoding="utf-8")
    seen = run("alexobs", "run", "--session-id", "mine", "--", PYTHON, "wide.py", "boom")
    assert seen.returncode == 1
    (session,) = sink.spans(semconv.SPAN_SESSION)
    assert session.attributes[semconv.ALEX_SESSION_ID] == "mine"
    assert (session.status_code, session.status_message) == (2, "boom")
    assert session.attributes["error.type"] == "ValueError"


@pytest.mark.slow
def test_the_users_choice_of_stream_counts(run: Run, agent: Path) -> None:
    seen = run(*OBSERVED, PYTHON, str(agent), env={"ALEX_LOGGING_STREAM": "stdout"})
    assert '"event":"llm call"' in seen.stdout
    assert seen.stderr == ""


@pytest.mark.slow
def test_child_processes_are_observed_once_they_ask_a_model(
    run: Run, agent: Path, sink: OTLPSink, tmp_path: Path
) -> None:
    parent = tmp_path / "parent.py"
    idle = "import sys; print('alexobs' in sys.modules)"
    parent.write_text(
        "import subprocess, sys\n"
        "import openai\n"
        "def run(*args):\n"
        "    command = [sys.executable, *args]\n"
        "    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)\n"
        "    print(done.stdout, end='')\n"
        f"run({str(agent)!r})\n"
        f"run('-c', {idle!r})\n",
        encoding="utf-8",
    )
    seen = run(*OBSERVED, PYTHON, str(parent), env={"OTEL_EXPORTER_PROMETHEUS_PORT": "9090"})
    assert seen.stdout == "hello\nFalse\n"
    assert [line for line in lines(seen.stderr) if "9090" not in line] == []
    assert calls(sink) == 1


def test_every_provider_wakes_a_child_process() -> None:
    for statement in ast.parse(AUTOLOAD.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "PROVIDERS":
            assert isinstance(statement.value, ast.Call)
            assert set(ast.literal_eval(statement.value.args[0])) == set(PACKAGES.values())
            return
    pytest.fail("PROVIDERS is not there")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "import nothing_of_this_name\n", "1 / 0\n"])
def test_the_environments_own_sitecustomize_runs_as_ever(
    run: Run, agent: Path, sink: OTLPSink, tmp_path: Path, ending: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(
        "import sys\nsys.argv_at_start = 'customized'\n" + ending, encoding="utf-8"
    )
    agent.write_text(agent.read_text(encoding="utf-8") + "print(sys.argv_at_start)\n")
    env = {"PYTHONPATH": str(own)}
    bare = run(PYTHON, str(agent), env=env)
    seen = run(*OBSERVED, PYTHON, str(agent), env=env)
    assert seen.stdout == bare.stdout == "hello\ncustomized\n"
    # `alexobs run` is a Python program too, and says it once as well.
    assert lines(seen.stderr) == 2 * lines(bare.stderr)
    assert calls(sink) == 1


def test_the_path_is_as_it_was(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    show = "import sys; print(sys.path); print('sitecustomize' in sys.modules)"
    env = {"PYTHONPATH": str(other)}
    bare = run(PYTHON, "-c", show, env=env)
    seen = run(*OBSERVED, PYTHON, "-c", show, env=env)
    assert seen.stdout.splitlines()[0] == bare.stdout.splitlines()[0]
    assert str(other) in seen.stdout


def test_an_environment_without_alexobs_runs_and_is_told_once(run: Run, tmp_path: Path) -> None:
    venv.create(tmp_path / "elsewhere", symlinks=True)
    python = str(tmp_path / "elsewhere" / "bin" / "python")
    program = f"import subprocess; subprocess.run([{python!r}, '-c', 'print(2)'])"
    seen = run(*OBSERVED, python, "-c", f"print(1, flush=True); {program}")
    assert (seen.returncode, seen.stdout) == (0, "1\n2\n")
    (line,) = seen.stderr.splitlines()
    assert "not observed" in line
    assert str(tmp_path / "elsewhere") in line


def test_the_exit_code_is_the_programs(run: Run) -> None:
    assert run(*OBSERVED, PYTHON, "-c", "raise SystemExit(3)").returncode == 3


def test_an_exception_looks_as_it_did(run: Run) -> None:
    bare = run(PYTHON, "-c", "1 / 0")
    seen = run(*OBSERVED, PYTHON, "-c", "1 / 0")
    assert (seen.returncode, seen.stderr) == (bare.returncode, bare.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_reach_the_program(environment: dict[str, str], number: signal.Signals) -> None:
    text = "import time; print('ready', flush=True); time.sleep(60)"
    outcomes = []
    for prefix in ((), OBSERVED):
        process = subprocess.Popen(
            [*prefix, PYTHON, "-c", text],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            outcomes.append(process.wait(20))
    assert outcomes[0] == outcomes[1] == -number


def test_an_unusable_configuration_is_told_once_and_before_the_start(run: Run, agent: Path) -> None:
    seen = run(*OBSERVED, PYTHON, str(agent), env={"ALEX_LOGGING_LEVEL": "loud"})
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr.count("ALEX_LOGGING_LEVEL") == 1


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (["no-such-program"], 127, "no-such-program: no such program"),
        (["agent.py", "x"], 127, "did you mean: alexobs run -- python agent.py x"),
        ([], 2, "name a program"),
    ],
)
def test_what_cannot_be_run_is_named(
    run: Run, agent: Path, command: list[str], code: int, told: str
) -> None:
    seen = run(*OBSERVED, *command)
    assert seen.returncode == code
    (line,) = seen.stderr.splitlines()
    assert told in line


def test_a_child_that_asks_nothing_pays_nothing(run: Run) -> None:
    program = (
        "import subprocess, sys, time\n"
        "def least(*more):\n"
        "    took = []\n"
        "    for _ in range(7):\n"
        "        start = time.perf_counter()\n"
        "        subprocess.run([sys.executable, *more, '-c', 'pass'])\n"
        "        took.append(time.perf_counter() - start)\n"
        "    return min(took)\n"
        "print(least() - least('-E'))\n"  # -E ignores PYTHONPATH
    )
    seen = run(*OBSERVED, PYTHON, "-c", program)
    assert float(seen.stdout) < 0.1
