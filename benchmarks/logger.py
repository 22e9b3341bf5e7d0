"""One log line with five fields, and a call below the level: ours, structlog + orjson, stdlib.

All write to /dev/null in the form their documentation recommends for speed. Bias: ours writes many
lines with one system call and does most of its work in the drain, so `cpu_us` (which includes the
drain) is the fair figure and `caller_us` the one that an agent feels. Ours also removes secrets,
which the others do not: the case without that is listed as well.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson
import structlog
from harness import Case, Group, compare, main

from alexobs.config.model import RedactionConfig
from alexobs.logger import Logger
from alexobs.logs.sink import LogSink
from alexobs.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def run_of(log: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for number in range(calls):
            log.info(
                "operation completed",
                duration=1.25,
                status="success",
                tokens=number,
                model="gpt-5-mini",
                cached=False,
            )

    return run


def run_of_bare(log: Any) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            log.info("operation completed")

    return run


class Ours:
    """A logger with a worker that drains it, as `init()` sets it up."""

    def __init__(self, redaction: Redactor | None) -> None:
        self._stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - see close
        self._due = threading.Event()
        self._stopped = threading.Event()
        self.sink = LogSink(lambda: self._stream, "json", redactor=redaction, wake=self._due.set)
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._due.wait()
            self._due.clear()
            self._stopped.wait(0.01)  # as the pipeline gathers
            while self.sink.drain(512):
                pass

    def close(self) -> None:
        self._stopped.set()
        self._due.set()
        self._worker.join()
        self._stream.close()

    def case(self, name: str) -> Case:
        log = Logger(self.sink)
        return Case(name, run_of(log), lambda: self.sink.flush(60), self.close)


def structlog_logger(stream: IO[bytes], level: int) -> Any:
    return structlog.wrap_logger(
        structlog.BytesLogger(stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    ).bind()


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": self.formatTime(record),
            "level": record.levelname,
            "event": record.getMessage(),
            **record.fields,  # type: ignore[attr-defined]
        }
        return orjson.dumps(line).decode()


class Stdlib:
    """The standard library's logger with the others' way of passing fields."""

    def __init__(self, stream: IO[str], level: int) -> None:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonFormatter())
        self._log = logging.Logger("benchmark", level)  # noqa: LOG001 - outside the tree
        self._log.addHandler(handler)

    def info(self, event: str, **fields: Any) -> None:
        self._log.info(event, extra={"fields": fields})


def groups() -> Iterator[Group]:
    text = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - lives as long as we do
    raw = Path(os.devnull).open("wb")  # noqa: SIM115
    yield compare(
        "log line, 5 fields, JSON",
        [
            Ours(Redactor(RedactionConfig())).case("alexobs"),
            Ours(None).case("alexobs, redaction off"),
            Case("structlog + orjson", run_of(structlog_logger(raw, logging.INFO))),
            Case("logging + orjson", run_of(Stdlib(text, logging.INFO))),
        ],
    )
    quiet = Logger(LogSink(lambda: text), level="warn")
    silent = structlog_logger(raw, logging.WARNING)
    for name, run in (
        ("filtered call", run_of_bare),
        ("filtered call, 5 fields", run_of),
    ):
        yield compare(
            name,
            [
                Case("alexobs", run(quiet)),
                Case("structlog", run(silent)),
                Case("logging", run(Stdlib(text, logging.WARNING)._log))  # noqa: SLF001
                if run is run_of_bare
                else Case("logging", run(Stdlib(text, logging.WARNING))),
            ],
            calls=100_000,
        )


if __name__ == "__main__":
    main("logger", groups)
