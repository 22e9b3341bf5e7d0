"""What is kept of an exception: enough to describe it, nothing that keeps it alive.

A reference to the exception would keep its frames, and everything their locals hold, until the
worker gets to it. So the caller's thread takes the type, the message and the frames' positions
(about 0.3 µs a frame) and leaves reading source lines and formatting to the worker.
"""

from __future__ import annotations

import concurrent.futures
import linecache
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

MAX_FRAMES = 64  # of each exception: the newest are kept, as a deep recursion repeats itself
MAX_CAUSES = 8  # exceptions in a chain

_CANCELLED_TYPES = (concurrent.futures.CancelledError, GeneratorExit, KeyboardInterrupt)

_Frame = tuple[str, int, str]


class Failure:
    """An exception as text and positions."""

    __slots__ = ("_cause", "_frames", "_suppressed", "cancelled", "message", "type_name")

    def __init__(self, error: BaseException, _depth: int = 0) -> None:
        self.type_name = type_name(error)
        self.message = message_of(error)
        self.cancelled = is_cancellation(error)
        self._frames = _frames(error.__traceback__)
        following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        self._suppressed = error.__cause__ is not None
        self._cause: Failure | None = None
        if following is not None and _depth < MAX_CAUSES:
            self._cause = Failure(following, _depth + 1)

    def stacktrace(self) -> str:
        """Return the text that `traceback.print_exception` would print, without locals."""
        parts = []
        if self._cause is not None:
            parts.append(self._cause.stacktrace())
            parts.append(
                "\nThe above exception was the direct cause of the following exception:\n\n"
                if self._suppressed
                else "\nDuring handling of the above exception, another exception occurred:\n\n"
            )
        if self._frames:
            parts.append("Traceback (most recent call last):\n")
            parts.extend(_format_frame(frame) for frame in self._frames)
        parts.append(f"{self.type_name}: {self.message}\n" if self.message else self.type_name)
        return "".join(parts)


def is_cancellation(error: BaseException) -> bool:
    """Tell whether `error` means that somebody stopped the work, not that it failed."""
    if isinstance(error, _CANCELLED_TYPES):
        return True
    # Who was cancelled by asyncio has imported it; for all others that would be 10 ms.
    raised_by = sys.modules.get("asyncio.exceptions")
    if raised_by is not None and isinstance(error, raised_by.CancelledError):
        return True
    return type(error).__name__ == "Cancelled" and type(error).__module__.startswith("trio")


def type_name(error: BaseException) -> str:
    """Return the exception's qualified type name; builtins stand without their module."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, or a note when that itself raises."""
    try:
        return str(error)
    except Exception as broken:
        return f"<message unavailable: {type(broken).__name__}>"


def _frames(traceback: TracebackType | None) -> list[_Frame]:
    frames: list[_Frame] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append((code.co_filename, traceback.tb_lineno, code.co_qualname))
        traceback = traceback.tb_next
    return frames[-MAX_FRAMES:]


def _format_frame(frame: _Frame) -> str:
    filename, line_number, name = frame
    line = linecache.getline(filename, line_number).strip()
    head = f'  File "{filename}", line {line_number}, in {name}\n'
    return f"{head}    {line}\n" if line else head
