"""What only a process of its own can show: exit, pipes that close, forks, terminals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest

PRELUDE = """
import os, sys, threading
from alexobs.logger import Logger
from alexobs.logs.sink import LogSink
sink = LogSink(lambda: sys.stdout, "json", wake=lambda: None)
log = Logger(sink)
"""


def run(body: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(body)],
        text=True,
        timeout=30,
        check=False,
        stderr=subprocess.PIPE,
        **({"stdout": subprocess.PIPE} | options),
    )


def events(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line)["event"] for line in done.stdout.splitlines()]


def test_all_lines_are_written_at_exit() -> None:
    assert events(run("for n in range(500): log.info(str(n))")) == [str(n) for n in range(500)]


def test_all_lines_are_written_when_the_program_fails() -> None:
    done = run("log.info('before'); raise SystemExit(3)")
    assert done.returncode == 3
    assert json.loads(done.stdout)["event"] == "before"


def test_an_error_is_written_before_the_process_is_killed() -> None:
    done = run("log.info('one'); log.error('two'); log.info('lost'); os._exit(9)")
    assert done.returncode == 9
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["one", "two"]


def test_a_closed_stdout_harms_neither_output_nor_exit_code() -> None:
    done = run("sys.stdout.close(); log.info('x'); log.error('y')")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_without_stdout_runs() -> None:
    done = run("log.info('x'); log.error('y')", stdout=None, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_harms_neither_stderr_nor_exit_code() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PRELUDE
            + "log.error('one')\nsys.stdin.readline()\nlog.error('two')\nlog.info('three')\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    assert "one" in process.stdout.readline()
    process.stdout.close()
    process.stdin.write("go on\n")
    process.stdin.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_reader_that_never_reads_does_not_hold_the_exit() -> None:
    read_fd, write_fd = os.pipe()
    body = "for n in range(5000): log.info('x' * 100)\nlog.error('y')"
    try:
        assert run(body, stdout=write_fd).returncode == 0
    finally:
        os.close(read_fd)
        os.close(write_fd)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_writes_the_parents_lines_once() -> None:
    body = """
        log.info('parent before')
        pid = os.fork()
        if pid == 0:
            log.info('child')
            sys.exit(0)
        os.waitpid(pid, 0)
        log.info('parent after')
    """
    assert sorted(events(run(body))) == ["child", "parent after", "parent before"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_amid_busy_threads_neither_hang_nor_repeat() -> None:
    body = """
        import warnings
        warnings.simplefilter('ignore')
        stop = threading.Event()
        def drain():
            while not stop.is_set():
                sink.drain()
        worker = threading.Thread(target=drain)
        worker.start()
        pids = []
        for number in range(20):
            log.info(f'parent {number}')
            pid = os.fork()
            if pid == 0:
                log.error(f'child {number}')
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        stop.set()
        worker.join()
    """
    expected = [f"{who} {number}" for who in ("child", "parent") for number in range(20)]
    assert sorted(events(run(body))) == sorted(expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_amid_a_write_leaves_the_childs_stdout_usable() -> None:
    body = """
        import io, warnings
        warnings.simplefilter('ignore')
        writing = threading.Event()
        class Slow(io.FileIO):
            def write(self, data):
                writing.set()
                threading.Event().wait(0.2)
                return super().write(data)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(Slow(1, 'w', closefd=False)))
        log.info('parent')
        worker = threading.Thread(target=sink.drain)
        worker.start()
        writing.wait()
        pid = os.fork()
        if pid == 0:
            log.error('child')
            os._exit(0)
        os.waitpid(pid, 0)
        worker.join()
    """
    assert events(run(body)) == ["parent", "child"]


def test_a_line_from_a_signal_handler_amid_a_line_is_written() -> None:
    body = """
        import signal
        signal.signal(signal.SIGALRM, lambda *_: log.error('from the handler'))
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for number in range(800):
            log.error('x', number=number)
        signal.setitimer(signal.ITIMER_REAL, 0)
    """
    if not hasattr(os, "fork"):
        pytest.skip("this system has no interval timers")
    read = events(run(body))
    assert read.count("x") == 800
    assert "from the handler" in read


def test_a_line_from_a_signal_handler_amid_a_print_harms_neither() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no interval timers")
    body = """
        import signal
        signal.signal(signal.SIGALRM, lambda *_: log.error('from the handler'))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for number in range(30000):
            print('printed', number)
        signal.setitimer(signal.ITIMER_REAL, 0)
        log.error('end')
        print(sink.lost, 'lost', flush=True)
    """
    done = run(body)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 lost" in done.stdout
    # `print` writes text and newline apart, so a line may come between them, whoever writes it.
    objects = re.findall(r"\{.*?\}\n", done.stdout)
    assert {json.loads(line)["event"] for line in objects} == {"from the handler", "end"}
    printed = re.sub(r"\{.*?\}\n", "", done.stdout).splitlines()
    assert printed == [f"printed {number}" for number in range(30000)] + ["0 lost"]


def test_a_terminal_gets_lines_at_once_between_prints() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    body = """
        sink.set_format('pretty')
        print('first')
        log.info('second', value='a\\x1b[31mb')
        print('third', flush=True)
        os._exit(0)
    """
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    done = run(body, stdout=slave, env=environment | {"TERM": "xterm"})
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0, done.stderr
    first, second, third, _ = shown.split("\r\n")
    assert (first, third) == ("first", "third")
    assert "\x1b[1msecond\x1b[0m" in second
    assert "\x1b[31mb" not in second


def test_no_color_is_honoured() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    done = run(
        "sink.set_format('pretty'); log.info('x')",
        stdout=slave,
        env=dict(os.environ) | {"NO_COLOR": "1", "TERM": "xterm"},
    )
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in shown
