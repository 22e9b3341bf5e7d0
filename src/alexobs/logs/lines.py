"""What stands on a line: its keys, their order, and where each value comes from."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from alexobs.logs.snapshot import text_of
from alexobs.records import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.context import Context


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
_not_reserved: Final = RESERVED.isdisjoint
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

# What an entry takes in memory with five fields, rounded up. Counting every line for at least this
# much makes one bound of both: max_bytes / LINE_BYTES lines.
LINE_BYTES: Final = 1024
MAX_TEXT_CHARS: Final = 65_536
# Redaction sees this much more than is kept, so that the cut never halves a secret it would find.
_CHECKED_CHARS: Final = MAX_TEXT_CHARS + 4096
_STACKTRACE_HEAD_CHARS: Final = 16_000
_STACKTRACE_TAIL_CHARS: Final = 49_000
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
            # Whole rows, so that the cut halves no secret; what went wrong stands at the end.
            head, _, _ = stacktrace[:_STACKTRACE_HEAD_CHARS].rpartition("\n")
            _, _, tail = stacktrace[-_STACKTRACE_TAIL_CHARS:].partition("\n")
            stacktrace = f"{head}\n[cut]\n{tail}"
        return {"type": self.type_name, "message": self.message, "stacktrace": stacktrace}


def failure_of(exc_info: Any) -> Failure | None:
    """Return what is kept of `exc_info`, in any of the forms that `logging` allows."""
    try:
        if isinstance(exc_info, BaseException):
            return Failure(type(exc_info), exc_info, exc_info.__traceback__)
        if not isinstance(exc_info, tuple):
            exc_info = sys.exc_info() if exc_info else (None, None, None)
        kind, error, trace = exc_info
        return None if kind is None else Failure(kind, error, trace)
    except Exception:
        return None


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


def interpolated(event: str, arguments: tuple[Any, ...]) -> str:
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


def ids(span: Any) -> tuple[int, int, int]:
    """Return trace id, span id and flags of a span, whoever made it; zeros when it has none."""
    try:
        return span.trace_id, span.span_id, span.flags  # ours: its context would be made anew
    except AttributeError:
        pass
    try:
        context = span.get_span_context()
        return context.trace_id, context.span_id, int(context.trace_flags)
    except Exception:
        return 0, 0, 0


def level_name(severity: int) -> str:
    """Return the name of the level that a severity number belongs to."""
    names = [name for name, number in SEVERITIES.items() if number <= severity]
    return names[-1] if names else "debug"


def severity_of_stdlib(number: int) -> int:
    """Return OpenTelemetry's number for a level of `logging`; levels in between count down."""
    for lowest, name in ((50, "critical"), (40, "error"), (30, "warn"), (20, "info")):
        if number >= lowest:
            return SEVERITIES[name]
    return SEVERITIES["debug"]
