"""What stands on a line: its keys, their order, and where each value comes from."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from alexobs.logs.snapshot import text_of
from alexobs.records import LogRecord, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.context import Context

    from alexobs.context import RunContext

TIMESTAMP: Final = "timestamp"
LEVEL: Final = "level"
EVENT: Final = "event"
LOGGER: Final = "logger"
TRACE_ID: Final = "trace_id"
SPAN_ID: Final = "span_id"
SESSION_ID: Final = "session_id"
RUN_ID: Final = "run_id"
PARENT_RUN_ID: Final = "parent_run_id"
ITERATION: Final = "iteration"
EXCEPTION: Final = "exception"

RESERVED: Final = frozenset(
    {
        TIMESTAMP,
        LEVEL,
        EVENT,
        LOGGER,
        TRACE_ID,
        SPAN_ID,
        SESSION_ID,
        RUN_ID,
        PARENT_RUN_ID,
        ITERATION,
        EXCEPTION,
    }
)
PREFIX: Final = "field."  # a field with a reserved name comes out as "field.<name>"

# OpenTelemetry's severity numbers.
SEVERITIES: Final[Mapping[str, int]] = {
    "debug": 5,
    "info": 9,
    "warn": 13,
    "error": 17,
    "critical": 21,
}
ERROR_SEVERITY: Final = 17
_LEVEL_NAMES: Final = {number: name for name, number in SEVERITIES.items()}

# What an entry takes in memory with five fields, rounded up. Counting every line for at least this
# much makes one bound of both: max_bytes / LINE_BYTES lines.
LINE_BYTES: Final = 1024
MAX_TEXT_CHARS: Final = 65_536
# Redaction sees this much more than is kept, so that the cut never halves a secret it would find.
_CUT_MARGIN_CHARS: Final = 4096
_STACKTRACE_TAIL_CHARS: Final = 49_152
_MAX_FRAMES: Final = 64


class Origin:
    """Who writes a line: the name of the logger, and the fields bound to it.

    ``size_bytes`` is what a line of it counts for in the queue before its own fields are added.
    """

    __slots__ = ("fields", "scope", "size_bytes")

    def __init__(self, name: str, fields: dict[str, Any], fields_bytes: int = 0) -> None:
        self.scope = Scope(name)
        self.fields = fields
        self.size_bytes = LINE_BYTES + fields_bytes


class Failure:
    """An exception as text and positions: taken at the call, formatted later, no frames kept."""

    __slots__ = ("_stack", "message", "type_name")

    def __init__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        module = kind.__module__
        name = kind.__qualname__
        self.type_name = name if module == "builtins" else f"{module}.{name}"
        self.message = text_of(error)
        self._stack = traceback.TracebackException(
            kind, error, trace, limit=-_MAX_FRAMES, lookup_lines=False, compact=True
        )

    def as_fields(self) -> dict[str, str]:
        """Return the value of the key `exception`."""
        try:
            stacktrace = "".join(self._stack.format())
        except Exception:
            stacktrace = f"{self.type_name}: {self.message}"
        if len(stacktrace) > MAX_TEXT_CHARS:
            head = MAX_TEXT_CHARS - _STACKTRACE_TAIL_CHARS
            stacktrace = f"{stacktrace[:head]}\n[cut]\n{stacktrace[-_STACKTRACE_TAIL_CHARS:]}"
        return {"type": self.type_name, "message": self.message, "stacktrace": stacktrace}


# One line as the caller's thread leaves it, all by reference: time in Unix nanoseconds, severity,
# event (with its arguments when there are any), fields, who wrote it, the context it was written
# in, exception, estimated bytes. A plain tuple: a NamedTuple takes 0.3 µs more to make.
Entry = tuple[
    int,
    int,
    "str | tuple[str, tuple[Any, ...]]",
    dict[str, Any],
    Origin,
    "Context",
    Failure | None,
    int,
]


def payload_of(entry: Entry) -> dict[str, Any]:
    """Return what the user said on this line, to be redacted: event, fields, exception."""
    _, _, event, fields, origin, _, failure, size_bytes = entry
    if origin.fields:
        fields = {**origin.fields, **fields}
    if not RESERVED.isdisjoint(fields):
        fields = {PREFIX + key if key in RESERVED else key: fields[key] for key in fields}
    fields[EVENT] = event if type(event) is str else _interpolated(*event)
    if failure is not None:
        fields[EXCEPTION] = failure.as_fields()
    if size_bytes > MAX_TEXT_CHARS:
        return {key: shortened(fields[key], MAX_TEXT_CHARS + _CUT_MARGIN_CHARS) for key in fields}
    return fields


def _interpolated(event: str, arguments: tuple[Any, ...]) -> str:
    """Return ``event % arguments`` as the standard library's loggers do, or both side by side."""
    values: Any = arguments
    if len(arguments) == 1 and isinstance(arguments[0], dict) and arguments[0]:
        values = arguments[0]
    try:
        return str(event % values)
    except Exception:
        return f"{event} {text_of(arguments)}"


def shortened(value: Any, limit_chars: int = MAX_TEXT_CHARS) -> Any:
    """Return plain data with its long texts cut, and marked as such."""
    if isinstance(value, str):
        if len(value) <= limit_chars:
            return value
        if limit_chars > MAX_TEXT_CHARS:
            return value[:limit_chars]
        return f"{value[:limit_chars]} [cut at {limit_chars} characters]"
    if isinstance(value, dict):
        return {key: shortened(item, limit_chars) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item, limit_chars) for item in value]
    return value


class Lines:
    """Builds lines, and remembers what consecutive lines share: the second, the span, the run."""

    def __init__(self) -> None:
        self._second = -1
        self._second_text = ""
        self._span: Any = None
        self._span_fields: dict[str, str] = {}
        self._run: RunContext | None = None
        self._run_fields: dict[str, Any] = {}

    def timestamp(self, time_ns: int) -> str:
        """Return RFC 3339 in UTC with microseconds."""
        second, rest_ns = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._second_text}{rest_ns // 1000:06d}Z"

    def line(
        self, entry: Entry, payload: dict[str, Any], span: Any, run_fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the line of `entry` from its redacted payload, keys in their documented order."""
        severity = entry[1]
        line = {
            TIMESTAMP: self.timestamp(entry[0]),
            LEVEL: _LEVEL_NAMES.get(severity) or level_name(severity),
            EVENT: None,
            LOGGER: entry[4].scope.name,
        }
        if span is not None:
            line.update(self.span_fields(span))
        if run_fields:
            line.update(run_fields)
        line.update(payload)
        return line

    def span_fields(self, span: Any) -> dict[str, str]:
        """Return the ids of a span as lower-case hexadecimal; nothing for an invalid one."""
        if span is not self._span:
            self._span, self._span_fields = span, _ids_of(span)
        return self._span_fields


def _ids_of(span: Any) -> dict[str, str]:
    trace_id, span_id, _ = ids(span)
    if not trace_id:
        return {}
    return {TRACE_ID: f"{trace_id:032x}", SPAN_ID: f"{span_id:016x}"}


def ids(span: Any) -> tuple[int, int, int]:
    """Return trace id, span id and flags of a span, whoever made it; zeros when it has none."""
    try:
        context = span.get_span_context()
        return context.trace_id, context.span_id, int(context.trace_flags)
    except Exception:
        return 0, 0, 0


def run_fields(run: RunContext) -> dict[str, Any]:
    """Return the keys that a run gives to its lines."""
    fields: dict[str, Any] = {SESSION_ID: run.session_id, RUN_ID: run.run_id}
    if run.parent_run_id:
        fields[PARENT_RUN_ID] = run.parent_run_id
    if run.iteration:
        fields[ITERATION] = run.iteration
    return fields


def level_name(severity: int) -> str:
    """Return the name of the level that a severity number belongs to."""
    names = [name for name, number in SEVERITIES.items() if number <= severity]
    return names[-1] if names else "debug"


def record_of(
    entry: Entry, payload: dict[str, Any], span: Any, run_fields: dict[str, Any]
) -> LogRecord:
    """Return the redacted line as exporters take it."""
    trace_id, span_id, flags = (0, 0, 0) if span is None else ids(span)
    attributes = dict(payload)
    body = attributes.pop(EVENT, "")
    exception = attributes.pop(EXCEPTION, None)
    for key, value in run_fields.items():
        attributes[f"alex.{key}"] = value
    return LogRecord(
        time_ns=entry[0],
        severity=entry[1],
        body=body,
        attributes=attributes,
        scope=entry[4].scope,
        trace_id=trace_id,
        span_id=span_id,
        flags=flags,
        exception=None
        if not isinstance(exception, dict)
        else (exception["type"], exception["message"], exception["stacktrace"]),
    )
