"""Lines for a person at a terminal: local time, colours, exceptions as Python prints them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from alexobs.logs import lines as keys
from alexobs.logs.formats import logfmt_key, logfmt_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.logs.formats import Lines

_EVENT_WIDTH: Final = 32
_LEVEL_WIDTH: Final = 8
_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_CYAN: Final = "\x1b[36m"
_LEVEL_COLOURS: Final = {
    "debug": "\x1b[34m",
    "info": "\x1b[32m",
    "warn": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
# Ids that a person looks up; the rest of the documented keys stands in its own place, or is left
# to the machine-readable formats.
_SHOWN_IDS: Final = (keys.SESSION_ID, keys.ITERATION, keys.TRACE_ID)
_DEFAULT_LOGGER: Final = "alexobs"


class Pretty:
    """Formats lines for a terminal, with or without colours."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, lines: Lines) -> str:
        """Return the lines as text; only exceptions take more than one row each."""
        return "".join(f"{self._one(line)}\n" for line in lines.whole())

    def _one(self, line: dict[str, Any]) -> str:
        level = str(line.get(keys.LEVEL, ""))
        event = printable(str(line.get(keys.EVENT, "")))
        parts = [
            self._paint(_local_time(str(line.get(keys.TIMESTAMP, ""))), _DIM),
            self._paint(level.ljust(_LEVEL_WIDTH), _LEVEL_COLOURS.get(level, "")),
            self._paint(event, _BOLD),
        ]
        fields = list(self._fields(line))
        if fields:
            parts[-1] += " " * (_EVENT_WIDTH - len(event))
            parts.extend(fields)
        text = " ".join(parts)
        exception = line.get(keys.EXCEPTION)
        if isinstance(exception, dict):
            trace = str(exception.get("stacktrace", "")).rstrip("\n")
            text += "".join(f"\n    {printable(row)}" for row in trace.split("\n"))
        return text

    def _fields(self, line: dict[str, Any]) -> Iterator[str]:
        logger = line.get(keys.LOGGER)
        if logger not in (None, "", _DEFAULT_LOGGER):
            yield self._pair(keys.LOGGER, logger, dim=True)
        for key, value in line.items():
            if key not in keys.RESERVED:
                yield self._pair(key, value)
        for key in _SHOWN_IDS:
            if key in line:
                yield self._pair(key, line[key], dim=True)

    def _pair(self, key: str, value: Any, *, dim: bool = False) -> str:
        text = printable(logfmt_value(value))
        if dim:
            return self._paint(f"{logfmt_key(key)}={text}", _DIM)
        return f"{self._paint(logfmt_key(key), _CYAN)}={text}"

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours and colour else text


def printable(text: str) -> str:
    """Return `text` with everything escaped that a terminal might obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _local_time(timestamp: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(timestamp).astimezone()
    except (ValueError, OverflowError, OSError):
        return timestamp
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
