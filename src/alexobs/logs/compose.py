"""From queued entries to redacted lines: where everything that a line says comes together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from alexobs.context import RUN_KEY, SPAN_KEY
from alexobs.logs.formats import Lines
from alexobs.logs.lines import (
    EXCEPTION,
    ITERATION,
    LEVEL,
    LOGGER,
    MAX_TEXT_CHARS,
    PARENT_RUN_ID,
    PREFIX,
    RESERVED,
    RUN_ID,
    SESSION_ID,
    SPAN_ID,
    TRACE_ID,
    ids,
    interpolated,
    level_name,
    shortened,
)
from alexobs.records import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from alexobs.context import RunContext
    from alexobs.logs.lines import Entry, Origin

T = TypeVar("T")

CHECK_FAILED: Final = "[redacted: check failed]"
# Redaction sees this much more than is kept, so that the cut never halves a secret it would find.
_CHECKED_CHARS: Final = MAX_TEXT_CHARS + 4096
_JUST_TEXT: Final = frozenset({str})


class Redactor(Protocol):
    """What log lines ask of redaction."""

    def texts(self, texts: list[str], /) -> list[str]:
        """Return the texts, in order, without their secrets."""
        ...

    def batch(self, mappings: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """Return the mappings, in order, without their secrets."""
        ...


class Head:
    """What consecutive lines share: level, logger, and the ids of the span and the run."""

    __slots__ = ("fields", "run_fields", "severity", "span")

    def __init__(
        self, severity: int, logger: str, span: Any, run_fields: Mapping[str, Any]
    ) -> None:
        self.severity = severity
        self.span = span
        self.run_fields = run_fields
        self.fields: dict[str, Any] = {LEVEL: level_name(severity), LOGGER: logger}
        if span is not None:
            trace_id, span_id, _ = ids(span)
            if trace_id:
                self.fields[TRACE_ID] = f"{trace_id:032x}"
                self.fields[SPAN_ID] = f"{span_id:016x}"
        self.fields.update(run_fields)


class Clock:
    """Writes times as RFC 3339 in UTC with microseconds, and remembers the second."""

    def __init__(self) -> None:
        self._second_ns = -1_000_000_000
        self._text = ""

    def texts(self, times_ns: Sequence[int]) -> list[str]:
        """Return the texts of some times; fastest when all are of one second."""
        second_ns = self._second_ns
        if not (second_ns <= min(times_ns) and max(times_ns) < second_ns + 1_000_000_000):
            return [self._text_of(time_ns) for time_ns in times_ns]
        text = self._text
        # `str` and a cut take half the time of a format with a width.
        return [f"{text}{str(1_000_000 + (t - second_ns) // 1000)[1:]}Z" for t in times_ns]

    def _text_of(self, time_ns: int) -> str:
        rest_ns = time_ns - self._second_ns
        if not 0 <= rest_ns < 1_000_000_000:
            second = time_ns // 1_000_000_000
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._second_ns = second * 1_000_000_000
            rest_ns = time_ns - self._second_ns
        return f"{self._text}{str(1_000_000 + rest_ns // 1000)[1:]}Z"


class Composer:
    """Makes lines of entries, column by column: most columns need one look for a whole slice.

    Args:
        redactor: removes secrets; None writes what it gets.
        fault: takes a fault of ours: where, and the exception.
    """

    def __init__(
        self, redactor: Redactor | None, fault: Callable[[str, BaseException], None]
    ) -> None:
        self.redactor = redactor
        self._fault = fault
        self._clock = Clock()
        self._origin: Origin | None = None
        self._context: Context | None = None
        self._head: Head | None = None
        self._run: RunContext | None = None
        self._run_fields: dict[str, Any] = {}

    def compose(self, entries: Sequence[Entry]) -> Lines:
        """Return the lines of `entries`, redacted and cut."""
        times, severities, said, given, origins, contexts, failures, sizes = zip(
            *entries, strict=True
        )
        events, fields = list(said), list(given)
        if not _JUST_TEXT.issuperset(map(type, events)):
            events = [e if type(e) is str else interpolated(*e) for e in events]
            sizes = tuple(map(max, sizes, map(len, events)))
        if (
            any(failures)
            or any(origin.fields for origin in set(origins))
            or not RESERVED.isdisjoint(set().union(*fields))
        ):
            fields = [fields_of(entry) for entry in entries]
        if any(failures):  # their texts are not in the estimate
            sizes = tuple(
                size if failure is None else MAX_TEXT_CHARS + 1
                for size, failure in zip(sizes, failures, strict=True)
            )
        heads = list(map(self._head_of, severities, origins, contexts))
        lines = Lines(self._clock.texts(times), heads, events, fields)
        return self._redact(lines, sizes)

    def _redact(self, lines: Lines, sizes: Sequence[int]) -> Lines:
        times, heads, events, fields = lines
        long = [index for index, size in enumerate(sizes) if size > MAX_TEXT_CHARS]
        for index in long:
            events[index] = events[index][:_CHECKED_CHARS]
            fields[index] = shortened(fields[index], _CHECKED_CHARS)
        if self.redactor is not None:
            events = self._checked(self.redactor.texts, events, CHECK_FAILED)
            fields = self._checked(self.redactor.batch, fields, {"fields": CHECK_FAILED})
        for index in long:
            events[index] = shortened(events[index])
            fields[index] = shortened(fields[index])
        return Lines(times, heads, events, fields)

    def _head_of(self, severity: int, origin: Origin, context: Context) -> Head:
        head = self._head
        if (
            head is None
            or context is not self._context
            or origin is not self._origin
            or severity != head.severity
        ):
            run: Any = context.get(RUN_KEY)
            of_run = {} if run is None else self._fields_of(run)
            head = Head(severity, origin.scope.name, context.get(SPAN_KEY), of_run)
            self._head, self._origin, self._context = head, origin, context
        return head

    def _fields_of(self, run: RunContext) -> dict[str, Any]:
        if run is not self._run:
            fields = run_fields(run)
            if self.redactor is not None:
                [session] = self._checked(self.redactor.texts, [run.session_id], CHECK_FAILED)
                fields[SESSION_ID] = session
            self._run, self._run_fields = run, fields
        return self._run_fields

    def _checked(self, check: Callable[[list[T]], list[T]], values: list[T], failed: T) -> list[T]:
        """Return `values` without secrets; one that cannot be checked is replaced by `failed`."""
        try:
            redacted = check(values)
            if len(redacted) == len(values):
                return redacted
        except Exception as fault:
            self._fault("redaction", fault)
        return [_checked_alone(check, value, failed) for value in values]


def _checked_alone(check: Callable[[list[T]], list[T]], value: T, failed: T) -> T:
    try:
        [redacted] = check([value])
    except Exception:
        return failed
    return redacted


def fields_of(entry: Entry) -> dict[str, Any]:
    """Return the fields of a line with those bound to its logger, and its exception."""
    fields = entry[3]
    if entry[4].fields:
        fields = {**entry[4].fields, **fields}
    if not RESERVED.isdisjoint(fields):
        fields = {PREFIX + key if key in RESERVED else key: fields[key] for key in fields}
    if entry[6] is not None:
        fields = {**fields, EXCEPTION: entry[6].as_fields()}
    return fields


def run_fields(run: RunContext) -> dict[str, Any]:
    """Return the keys that a run gives to its lines."""
    fields: dict[str, Any] = {SESSION_ID: run.session_id, RUN_ID: run.run_id}
    if run.parent_run_id:
        fields[PARENT_RUN_ID] = run.parent_run_id
    if run.iteration:
        fields[ITERATION] = run.iteration
    return fields


def record_of(entry: Entry, head: Head, event: str, fields: dict[str, Any]) -> LogRecord:
    """Return the redacted line as exporters take it."""
    trace_id, span_id, flags = ids(head.span)
    attributes = dict(fields)
    exception = attributes.pop(EXCEPTION, None)
    for key, value in head.run_fields.items():
        attributes[f"alex.{key}"] = value
    return LogRecord(
        time_ns=entry[0],
        severity=entry[1],
        body=event,
        attributes=attributes,
        scope=entry[4].scope,
        trace_id=trace_id,
        span_id=span_id,
        flags=flags,
        exception=None
        if not isinstance(exception, dict)
        else (exception["type"], exception["message"], exception["stacktrace"]),
    )
