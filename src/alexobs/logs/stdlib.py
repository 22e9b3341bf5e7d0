"""Records of the standard library's ``logging``, written as lines of ours."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from alexobs.context import RUN_KEY, SPAN_KEY, current_context
from alexobs.logs.lines import (
    ERROR_SEVERITY,
    ITERATION,
    RUN_ID,
    SESSION_ID,
    SPAN_ID,
    TRACE_ID,
    Origin,
    failure_of,
    ids,
    severity_of_stdlib,
)
from alexobs.logs.snapshot import plain_fields, text_of

if TYPE_CHECKING:
    from alexobs.logs.lines import Failure
    from alexobs.logs.sink import LogSink

__all__ = ["StdlibHandler", "TraceContextFilter"]

_MAX_NAMES: Final = 4096
# What every record has; the rest came in by `extra`.
_OWN: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "stack_info"}
)
_CONTEXT_FIELDS: Final = frozenset({TRACE_ID, SPAN_ID, SESSION_ID, RUN_ID, ITERATION})


class StdlibHandler(logging.Handler):
    """Writes records of ``logging`` through a sink: same format, same ids, same redaction.

    Fields given by ``extra`` become fields of the line. Records are formatted (``%`` arguments
    included) after the call, unless an argument could change until then.

    Args:
        sink: takes the lines.
        level: lowest level of ``logging`` that is written.
    """

    def __init__(self, sink: LogSink, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self._sink = sink
        self._origins: dict[str, Origin] = {}
        self._busy = threading.local()

    def install(self, logger: logging.Logger | None = None) -> None:
        """Add this handler to `logger` (default: the root logger); its level is not touched."""
        target = logger or logging.getLogger()
        if self not in target.handlers:
            target.addHandler(self)

    def uninstall(self, logger: logging.Logger | None = None) -> None:
        """Remove this handler from `logger` (default: the root logger)."""
        (logger or logging.getLogger()).removeHandler(self)

    def createLock(self) -> None:  # noqa: N802 - the name `logging` gave it
        """Create no lock: appending to the sink needs none, and a held one would be forked."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Queue a record that passes the filters; `logging` would take the lock first."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def flush(self) -> None:
        """Write what waits in the sink."""
        self._sink.drain()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; never raises, and ignores what is logged while it does so."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self._emit(record)
        except Exception as fault:
            self._sink.fault("logging bridge", fault)
        finally:
            self._busy.now = False

    def _emit(self, record: logging.LogRecord) -> None:
        severity = severity_of_stdlib(record.levelno)
        extra = {key: value for key, value in vars(record).items() if key not in _OWN}
        # Ids that our own filter has put there would only repeat those of the line.
        for key in _CONTEXT_FIELDS.intersection(extra):
            del extra[key]
        if record.stack_info:
            extra["stack"] = record.stack_info
        fields, size_bytes = plain_fields(extra)
        event, more_bytes = _event_of(record)
        origin = self._origin(record.name)
        self._sink.put(
            (
                int(record.created * 1_000_000) * 1000,
                severity,
                event,
                fields,
                origin,
                current_context(),
                _exception_of(record),
                origin.size_bytes + size_bytes + more_bytes,
            )
        )
        if severity >= ERROR_SEVERITY:
            self._sink.write_now()

    def _origin(self, name: str) -> Origin:
        origin = self._origins.get(name)
        if origin is None:
            if len(self._origins) >= _MAX_NAMES:
                self._origins.clear()
            origin = self._origins[name] = Origin(text_of(name), {})
        return origin


class TraceContextFilter(logging.Filter):
    """Adds the ids of the current span and run to records, for handlers and formats of your own.

    Every record gets the attributes ``trace_id``, ``span_id`` (hexadecimal), ``session_id``,
    ``run_id`` (all empty texts when there is none) and ``iteration`` (0 when there is none).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attributes and let the record pass."""
        context = current_context()
        trace_id, span_id, _ = ids(context.get(SPAN_KEY))
        run: Any = context.get(RUN_KEY)
        record.trace_id = f"{trace_id:032x}" if trace_id else ""
        record.span_id = f"{span_id:016x}" if trace_id else ""
        record.session_id = run.session_id if run is not None else ""
        record.run_id = run.run_id if run is not None else ""
        record.iteration = run.iteration if run is not None else 0
        return True


def _event_of(record: logging.LogRecord) -> tuple[Any, int]:
    """Return the message, with its arguments when they cannot change any more."""
    text = record.msg if type(record.msg) is str else text_of(record.msg)
    args: Any = record.args
    if not args:
        return text, len(text)
    if isinstance(args, tuple) and all(type(arg) in (str, int, float, bool) for arg in args):
        return (text, args), len(text) + sum(len(arg) for arg in args if type(arg) is str)
    try:
        text = record.getMessage()
    except Exception:
        text = f"{text} {text_of(args)}"
    return text, len(text)


def _exception_of(record: logging.LogRecord) -> Failure | None:
    return failure_of(record.exc_info) if record.exc_info else None
