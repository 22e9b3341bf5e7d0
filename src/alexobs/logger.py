"""The calls that write log lines: a hot path, and the switch of levels.

A call takes what it was given by reference, with the time and the current context, and appends it
to the sink's queue. Each root logger and the loggers bound from it share a class of their own: a
level that is on is a method of that class, a level that is off is the inherited `return None`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from alexobs.context import current_context
from alexobs.logs.lines import (
    ERROR_SEVERITY,
    SEVERITIES,
    Origin,
    failure_of,
    level_name,
    severity_of_stdlib,
)
from alexobs.logs.snapshot import plain_fields, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.logs.lines import Failure
    from alexobs.logs.sink import LogSink

__all__ = ["Logger"]

OFF = 1 << 20  # above every severity

_METHODS = {
    "debug": 5,
    "info": 9,
    "warn": 13,
    "warning": 13,
    "error": 17,
    "exception": 17,
    "critical": 21,
}
_LEVELS = {**SEVERITIES, "warning": 13, "fatal": 21, "off": OFF}


class Logger(Origin):
    """Writes structured lines: an event, and fields.

    Args:
        sink: takes the lines.
        level: lowest level that is written: ``debug``, ``info``, ``warn``, ``error``,
            ``critical`` or ``off``.
        name: value of the key ``logger`` on every line.
        bound: fields of every line.

    The methods never raise and return None. ``exc_info`` (True, an exception, or what
    ``sys.exc_info()`` returns) adds an exception to any line. Positional arguments after the
    event are interpolated with ``%``, as the standard library's loggers do.
    """

    __slots__ = ()

    sink: LogSink
    _threshold: int

    def __new__(cls, sink: LogSink, **_: Any) -> Self:
        """Return an instance of a new subclass, whose methods are those of its level."""
        own: Any = type(cls.__name__, (cls,), {"__slots__": (), "__module__": cls.__module__})
        own.sink = sink
        own._threshold = OFF  # noqa: SLF001 - the class made here
        made: Self = object.__new__(own)
        return made

    def __init__(
        self,
        sink: LogSink,
        *,
        level: str | int = "info",
        name: str = "alexobs",
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, *plain_fields(bound or {}))
        self.set_level(level)

    # Bodies of levels that are off.

    def debug(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``debug``."""
        return

    def info(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``info``."""
        return

    def warn(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``warn``."""
        return

    def warning(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``warn``."""
        return

    def error(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``error``; it is on the stream when this returns."""
        return

    def exception(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``error`` with the exception that is being handled."""
        return

    def critical(self, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of level ``critical``; it is on the stream when this returns."""
        return

    def log(self, level: str | int, event: str, /, *args: Any, **fields: Any) -> None:
        """Write a line of a level that is known only now: a name, or a number of `logging`."""
        severity = _severity(level)
        if severity >= self._threshold:
            getattr(self, level_name(severity))(event, *args, **fields)

    def bind(self, /, **fields: Any) -> Self:
        """Return a logger whose lines all carry `fields` as well."""
        return self._derived(self.scope.name, {**self.fields, **fields})

    def unbind(self, *keys: str) -> Self:
        """Return a logger without the bound fields of these names."""
        kept = {key: value for key, value in self.fields.items() if key not in keys}
        return self._derived(self.scope.name, kept)

    def named(self, name: str) -> Self:
        """Return a logger with the same fields and another name."""
        return self._derived(name, self.fields)

    @property
    def level(self) -> str:
        """The lowest level that is written."""
        return "off" if self._threshold >= OFF else level_name(self._threshold)

    def set_level(self, level: str | int) -> None:
        """Change the lowest level, for this logger, its root, and all that is bound from it.

        Raises:
            ValueError: there is no level of this name.
        """
        threshold = _severity(level)
        own = type(self)
        for method, severity in _METHODS.items():
            if severity >= threshold:
                setattr(own, method, _writer(self.sink, severity, method))
            elif method in vars(own):
                delattr(own, method)
        own._threshold = threshold  # noqa: SLF001 - the class made in `__new__`

    def isEnabledFor(self, level: str | int) -> bool:  # noqa: N802 - the name `logging` gave it
        """Return whether lines of this level are written."""
        return _severity(level) >= self._threshold

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<Logger {self.scope.name!r} level={self.level} fields={list(self.fields)}>"

    def _derived(self, name: str, fields: Mapping[str, Any]) -> Self:
        derived = object.__new__(type(self))
        Origin.__init__(derived, name, *plain_fields(fields))
        return derived


def _severity(level: str | int) -> int:
    """Return OpenTelemetry's number for a level's name, or for a number of `logging`."""
    if isinstance(level, int):
        return severity_of_stdlib(level)
    try:
        return _LEVELS[level.lower()]
    except (KeyError, AttributeError):
        raise ValueError(
            f"unknown log level {level!r}: expected debug, info, warn, error, critical or off"
        ) from None


def _writer(sink: LogSink, severity: int, name: str) -> Callable[..., None]:
    """Return the method of a level that is on.

    Its body is one call's whole cost, 0.9 µs with five fields, and so written for speed: names
    bound here, no call but those needed, one comparison for all that is rare.
    """
    append = sink.entries.append
    attend = sink.attend
    write_now = sink.write_now
    now_ns = sink.now_ns
    with_exception = name == "exception"
    at_once = severity >= ERROR_SEVERITY

    def write(self: Logger, event: str, /, *args: Any, **fields: Any) -> None:
        try:
            text: Any = event
            failure = None
            if type(event) is not str or args or with_exception or "exc_info" in fields:
                text, failure, size_bytes = _unusual_call(event, args, fields, with_exception)
                size_bytes += self.size_bytes
            else:
                size_bytes = self.size_bytes + len(event)
            own_bytes = size_bytes
            for value in fields.values():
                kind = type(value)
                if kind is str:
                    size_bytes += len(value)
                elif (
                    kind is not int
                    and kind is not bool
                    and value is not None
                    and (kind is not float or value - value != 0.0)
                ):
                    fields, more_bytes = plain_fields(fields)
                    size_bytes = own_bytes + more_bytes
                    break
            append((now_ns(), severity, text, fields, self, current_context(), failure, size_bytes))
            sink.waiting_bytes = waiting_bytes = sink.waiting_bytes + size_bytes
            if waiting_bytes > sink.attend_above_bytes or sink.stream_of() is not sink.stream:
                attend()
            if at_once:
                write_now()
        except Exception as fault:
            sink.fault("logging", fault)

    write.__name__ = name
    write.__qualname__ = f"Logger.{name}"
    write.__doc__ = getattr(Logger, name).__doc__
    return write


def _unusual_call(
    event: object, args: tuple[Any, ...], fields: dict[str, Any], with_exception: bool
) -> tuple[Any, Failure | None, int]:
    """Return the event as text, or with its arguments; the exception asked for; the bytes."""
    failure = failure_of(fields.pop("exc_info", with_exception))
    text = event if type(event) is str else text_of(event)
    if not args:
        return text, failure, len(text)
    plain, size_bytes = plain_fields({str(index): value for index, value in enumerate(args)})
    return (text, tuple(plain.values())), failure, len(text) + size_bytes
