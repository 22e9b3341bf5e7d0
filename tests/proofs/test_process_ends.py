"""However a process ends, what it has recorded arrives, once."""

from __future__ import annotations

import signal
import socket
import sys
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from alexobs.testing.otlp import OTLPSink

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and POSIX signals")

INIT = """
import os, signal, sys, threading, time
import alexobs
obs = alexobs.init(settings)
def record(name, count=1):
    for _ in range(count):
        with obs.session("s"), obs.span(name):
            obs.logger.info("line of " + name)
"""
RECORDED = Counter({"work": 3})


def names(sink: OTLPSink) -> Counter[str]:
    return Counter(span.name for span in sink.spans() if not span.name.startswith("alex."))


def finish(process: subprocess.Popen[str], timeout_s: float = 30) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=timeout_s)
    return process.returncode, stderr


def replay(settings: dict[str, Any]) -> None:
    """What the next process does with the leftovers of a dead one."""
    with Observability(settings) as obs:
        with obs.span("the next process"):
            pass
        assert obs.flush(10.0)


ENDS = {
    "normal": ("record('work', 3)", 0),
    "sys.exit in the middle": ("record('work', 3)\nsys.exit(3)\nrecord('never')", 3),
    "exception": ("record('work', 3)\nraise LookupError('unhandled')", 1),
    "sys.exit within a span": ("record('work', 2)\nwith obs.span('work'):\n    sys.exit(4)", 4),
    "keyboard interrupt": (
        "record('work', 2)\nobs.flush(5)\nrecord('work')\nsignal.raise_signal(signal.SIGINT)",
        -signal.SIGINT,
    ),
    "SIGTERM": ("record('work', 3)\nsignal.raise_signal(signal.SIGTERM)\nrecord('never')", -15),
    "SIGTERM in a thread's time": (
        (
            "record('work', 3)\n"
            "threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()\n"
            "time.sleep(60)"
        ),
        -15,
    ),
    "own handler that exits": (
        (
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
            "record('work', 3)\nsignal.raise_signal(signal.SIGTERM)"
        ),
        7,
    ),
    "own handler that goes on": (
        (
            "signal.signal(signal.SIGTERM, lambda *_: record('work'))\n"
            "record('work', 2)\nsignal.raise_signal(signal.SIGTERM)"
        ),
        0,
    ),
    "thread that outlives the main one": (
        "threading.Thread(target=lambda: (time.sleep(0.2), record('work', 3))).start()",
        0,
    ),
    "atexit before ours": ("import atexit\natexit.register(record, 'work', 3)", 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_everything_arrives_once(start: Start, sink: OTLPSink, end: str) -> None:
    program, code = ENDS[end]
    found, stderr = finish(start(INIT + program))
    assert found == code, stderr
    assert names(sink) == RECORDED
    assert Counter(str(log.body) for log in sink.logs())["line of work"] >= 2
    assert ("Traceback" in stderr) == (end in {"exception", "keyboard interrupt"})


def test_os_exit_loses_only_what_was_not_spooled(
    start: Start, sink: OTLPSink, settings: dict[str, Any]
) -> None:
    sink.stop()
    program = """
    record("work", 3)
    obs._engine.pipeline.spool_all()
    record("lost")
    os._exit(9)
    """
    assert finish(start(INIT + program.replace("\n    ", "\n")))[0] == 9
    sink.start()
    replay(settings)
    assert names(sink) - Counter(["lost"]) == RECORDED + Counter(["the next process"])


def test_sigterm_while_the_main_thread_holds_the_locks(start: Start, sink: OTLPSink) -> None:
    # The signal arrives where saving cannot begin until the main thread goes on.
    program = """
from alexobs import lifecycle
lifecycle.SAVE_S = 0.5
record("work", 3)
pipeline = obs._engine.pipeline
with pipeline.lock, pipeline.queue._lock:
    signal.raise_signal(signal.SIGTERM)
time.sleep(60)
"""
    began = time.monotonic()
    code, stderr = finish(start(INIT + program))
    assert code == -signal.SIGTERM, stderr
    assert time.monotonic() - began < 20
    assert names(sink) == RECORDED


def test_sigterm_under_load(start: Start, sink: OTLPSink) -> None:
    program = """
import itertools
print("ready", flush=True)
for number in itertools.count():
    with obs.span("work", number=number):
        obs.metrics.counter("things").add(1)
    with open("count", "w") as file:
        file.write(str(number))
"""
    process = start(INIT + program)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)  # the moment does not matter
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == -signal.SIGTERM
    numbers = [span.attributes["number"] for span in sink.spans()]
    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) > 10


def test_sigterm_decides_the_traces_that_wait_for_their_end(
    start: Start, sink: OTLPSink, settings: dict[str, Any]
) -> None:
    settings["tracing"] |= {"sample_rate": 0.0, "tail": {"keep_errors": True}}
    program = """
with obs.session("s"):
    try:
        with obs.span("work"):
            raise ValueError
    except ValueError:
        pass
    with obs.span("work"): pass
    with obs.span("work"): pass
    signal.raise_signal(signal.SIGTERM)
"""
    finish(start(INIT + program))
    assert names(sink) == RECORDED


@pytest.mark.parametrize("exit_how", ["return", "os._exit", "exec"])
def test_fork(start: Start, sink: OTLPSink, exit_how: str) -> None:
    ending = {
        "return": "sys.exit(0)",
        "os._exit": "assert obs.flush(10)\n    os._exit(0)",
        "exec": "assert obs.flush(10)\n    os.execv(sys.executable, [sys.executable, '-c', ''])",
    }[exit_how]
    program = f"""
record("work", 2)
span = obs.span("open over the fork").__enter__()
pid = os.fork()
if pid == 0:
    assert obs.health().signals["traces"].created == 0
    record("child", 3)
    span.end()                    # the parent's
    thread = threading.Thread(target=record, args=("child in a thread",))
    thread.start()
    thread.join()
    {ending}
assert os.waitpid(pid, 0)[1] == 0
record("work")
span.end()
assert obs.health().balanced
"""
    code, stderr = finish(start(INIT + program))
    assert code == 0, stderr
    expected = {"child": 3, "child in a thread": 1, "open over the fork": 1}
    assert names(sink) == RECORDED + Counter(expected)
    processes = {span.origin.resource["process.pid"] for span in sink.spans()}
    assert len(processes) == 2


def test_forks_amid_a_storm_of_records(start: Start, sink: OTLPSink) -> None:
    # Locks are held by other threads at most moments of these forks.
    program = """
stop = threading.Event()
def storm():
    while not stop.is_set():
        record("storm")
        obs.metrics.counter("storms").add(1, {"n": os.urandom(1).hex()})
        obs.logger.error("now")
        time.sleep(0.001)
threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads: thread.start()
children = []
for number in range(15):
    pid = os.fork()
    if pid == 0:
        record("work")
        obs.metrics.counter("storms").add(1, {"n": "child"})
        obs.logger.error("child")
        os._exit(0 if obs.flush(20) else 1)
    children.append(pid)
    time.sleep(0.01)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
for thread in threads: thread.join()
assert codes == [0] * 15, codes
assert obs.flush(20) and obs.health().balanced
created = obs.health().signals["traces"].created
print(created, flush=True)
"""
    process = start(INIT + program)
    out, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    found = names(sink)
    assert found["work"] == 15
    assert found["storm"] * 2 == int(out)
    assert len({span.span_id for span in sink.spans()}) == len(sink.spans())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(start: Start, sink: OTLPSink, method: str) -> None:
    program = """
import multiprocessing
import alexobs
def child(number):
    obs = alexobs.init(settings)
    with obs.session("s"), obs.span("work", number=number):
        pass
if __name__ == "__main__":
    obs = alexobs.init(settings)
    context = multiprocessing.get_context(METHOD)
    with obs.span("parent"):
        children = [context.Process(target=child, args=(n,)) for n in range(3)]
        for one in children: one.start()
        for one in children: one.join()
    assert [one.exitcode for one in children] == [0, 0, 0]
"""
    code, stderr = finish(start(program.replace("METHOD", repr(method))), 60)
    assert code == 0, stderr
    assert names(sink) == RECORDED + Counter(["parent"])


def test_a_pool_and_an_executor(start: Start, sink: OTLPSink, settings: dict[str, Any]) -> None:
    program = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
import alexobs
obs = alexobs.init(settings)
def child(number):
    with obs.span("work"): pass
    return number
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:                 # leaving the block terminates its workers
    assert pool.map(child, range(2)) == [0, 1]
with ProcessPoolExecutor(1, mp_context=context) as pool:
    assert pool.submit(child, 2).result() == 2
"""
    code, stderr = finish(start(program), 60)
    assert code == 0, stderr
    if names(sink) != RECORDED:  # a worker that was terminated has left it in its spool
        replay(settings)
    assert names(sink) - Counter(["the next process"]) == RECORDED


def test_a_back_end_that_hangs_holds_the_end_no_longer_than_configured(
    start: Start, sink: OTLPSink, settings: dict[str, Any]
) -> None:
    settings["pipeline"] |= {"shutdown_timeout_s": 1.0, "timeout_s": 60.0}
    sink.slow(30.0, times=None)
    program = """
import atexit, time
atexit.register(lambda: print(time.monotonic() - ended))
"""
    program += INIT + "record('work', 3)\nended = time.monotonic()\n"
    process = start(program)
    out, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert float(out) < 2.5  # the configured second, and as much for what is not waiting
    assert "wait in the spool" in stderr


def test_records_of_logging_are_written_until_the_very_end(
    start: Start, sink: OTLPSink, settings: dict[str, Any]
) -> None:
    settings["logging"] |= {"stdlib": True, "stream": "stdout"}
    program = """
import atexit, logging
atexit.register(lambda: logging.getLogger("app").warning("in an early hook"))
import alexobs
obs = alexobs.init(settings)
atexit.register(lambda: logging.getLogger("app").warning("in a late hook"))
logging.getLogger("app").warning("in the program")
"""
    process = start(program)
    out, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
    told = ["in the program", "in a late hook", "in an early hook"]
    assert [line for line in told if line in out] == told
    assert [log.body for log in sink.logs()] == told[:2]


def test_a_notebook_like_loop(start: Start, sink: OTLPSink) -> None:
    program = r"""
cells = [
    "import alexobs; obs = alexobs.init(settings)",
    "obs = alexobs.init(settings)   # run again, as people do",
    "@obs.tool\ndef add(a, b): return a + b",
    "with obs.session('s') as session:\n    with obs.span('work'): add(1, 2)",
    "1 / 0",
    "import asyncio\nasync def main():\n    async with obs.session('s'):\n"
    "        with obs.span('work'): pass\nasyncio.run(main())",
    "with obs.span('work'): raise ValueError('shown by the notebook')",
    "assert obs.flush(10)",
    "assert obs.health().balanced and not obs.health().faults",
]
namespace = {"settings": settings, "__name__": "__main__"}
failures = []
for number, cell in enumerate(cells):
    try:
        exec(compile(cell, f"<cell {number}>", "exec"), namespace)
    except Exception as error:
        failures.append(type(error).__name__)
assert failures == ["ZeroDivisionError", "ValueError"], failures
"""
    code, stderr = finish(start(program))
    assert code == 0, stderr
    assert names(sink) == RECORDED


APP = """
import os
import alexobs
settings = {settings!r}
obs = alexobs.init(settings)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({{"type": message["type"] + ".complete"}})
            if message["type"] == "lifespan.shutdown":
                return
    with obs.span("work", pid=os.getpid()):
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})

def wsgi(environ, start_response):
    with obs.span("work", pid=os.getpid()):
        start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


def ask(port: int, *, tries: int = 200) -> str:
    for attempt in range(tries):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if attempt == tries - 1:
                raise
            time.sleep(0.05)
    raise AssertionError


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_uvicorn(start: Start, sink: OTLPSink, settings: dict[str, Any]) -> None:
    pytest.importorskip("uvicorn")
    port = free_port()
    program = """
open("served.py", "w").write(APP)
import sys, uvicorn
sys.path.insert(0, ".")
uvicorn.run("served:app", port=int(sys.argv[1]), log_level="warning")
"""
    text = program.replace("APP", repr(APP.format(settings=settings)))
    process = start(text, str(port))
    for _ in range(3):
        ask(port)
    process.send_signal(signal.SIGTERM)
    code, stderr = finish(process)
    assert code in {0, -signal.SIGTERM}, stderr
    assert "Traceback" not in stderr
    assert names(sink) == RECORDED


@pytest.mark.slow
@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn_whose_workers_are_recycled(
    start: Start, sink: OTLPSink, settings: dict[str, Any], preload: bool
) -> None:
    pytest.importorskip("gunicorn")
    port = free_port()
    program = """
import sys
open("served.py", "w").write(APP)
sys.path.insert(0, ".")
from gunicorn.app.wsgiapp import run
sys.argv = ["gunicorn", "served:wsgi", "-b", f"127.0.0.1:{sys.argv[1]}", "-w", "2",
            "--max-requests", "3", "--log-level", "error", *sys.argv[2:]]
run()
"""
    text = program.replace("APP", repr(APP.format(settings=settings)))
    process = start(text, str(port), *(["--preload"] if preload else []))
    asked = Counter(ask(port) for _ in range(12))
    assert len(asked) > 2  # at least one worker has been replaced
    process.send_signal(signal.SIGTERM)
    code, stderr = finish(process)
    assert code == 0, stderr
    spans = sink.spans("work")
    served = Counter(str(span.attributes["pid"]) for span in spans)
    assert not asked - served  # a worker may have served what its recycling kept from us
    assert served.total() <= asked.total() + len(served)
    assert len({span.span_id for span in spans}) == len(spans)


def test_the_child_of_a_fork_gives_up_the_metrics_port(
    start: Start, settings: dict[str, Any]
) -> None:
    settings["metrics"] |= {"prometheus": True, "prometheus_port": 0}
    program = """
import socket
address = obs.health().prometheus
port = int(address.rsplit(":", 1)[1].split("/")[0])
pid = os.fork()
if pid == 0:
    sys.stdin.readline()
    os._exit(0)
obs.shutdown()
try:
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    print("still open", flush=True)
except OSError:
    print("closed", flush=True)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
"""
    process = start(INIT + program)
    out, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert out == "closed\n"
