"""Celery's prefork pool: every task of every worker is seen once, recycled workers included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from alexobs import Observability

if TYPE_CHECKING:
    from pathlib import Path

    from alexobs.testing.otlp import OTLPSink

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="celery's prefork pool needs forks"),
    pytest.mark.slow,
]

TASKS = 16  # of which the broker of files may lose one
ENOUGH = 10
PER_CHILD = 3
APP = """
import os
import celery
import alexobs

obs = alexobs.init({settings!r})
app = celery.Celery("jobs")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={{"data_folder_in": {folder!r}, "data_folder_out": {folder!r},
                              "control_folder": {folder!r} + "-control"}},
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)

@app.task
def work(number):
    with open("ran.txt", "a") as ran:
        ran.write(f"{{number}} ")
    with obs.session("a task"), obs.span("work", number=number, pid=os.getpid()):
        obs.logger.info("line of work")
"""


def test_prefork_workers_that_are_recycled(
    settings: dict[str, Any], sink: OTLPSink, tmp_path: Path
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    app = tmp_path / "jobs.py"
    app.write_text(APP.format(settings=settings, folder=str(folder)))
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "celery", "-A", "jobs", "worker", "--pool", "prefork"]
    command += ["-c", "2", "--max-tasks-per-child", str(PER_CHILD), "--loglevel", "error"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (
        (tmp_path / "celery.log").open("w") as log,
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log) as worker,
    ):
        try:
            send = f"import jobs\nfor n in range({TASKS}): jobs.work.delay(n)"
            subprocess.run(
                [sys.executable, "-c", send], cwd=tmp_path, env=environment, check=True, timeout=30
            )
            assert sink.wait_until(lambda s: len(s.spans("work")) >= ENOUGH, timeout_s=15)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(20)
    printed = (tmp_path / "celery.log").read_text()
    assert worker.returncode == 0, printed
    assert "Traceback" not in printed
    with Observability(settings) as obs:  # takes up what a recycled worker may have left
        assert obs.flush(10.0)
    ran = (tmp_path / "ran.txt").read_text().split()
    assert len(ran) >= ENOUGH
    # A worker that is killed while an answer is on its way is replayed by the next one: the same
    # span, which back ends know by its id.
    spans = list({span.span_id: span for span in sink.spans("work")}.values())
    assert sorted(str(span.attributes["number"]) for span in spans) == sorted(ran)
    processes = Counter(span.attributes["pid"] for span in spans)
    assert len(processes) >= 3  # at least one worker has been recycled
    assert max(processes.values()) <= PER_CHILD
    lines = {log.span_id for log in sink.logs() if log.body == "line of work"}
    assert lines == {span.span_id for span in spans}
