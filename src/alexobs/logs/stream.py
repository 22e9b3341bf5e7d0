"""Writes text to a stream that may be closed, full, slow, broken, replaced, or no file at all.

A pipe or socket whose reader is slow is never waited for, unless the caller says how long: what
does not fit stays here, bounded, and goes out later. Text goes through the stream's own buffer,
and leaves it at once, so that lines never end up inside somebody's half-flushed ``print``.
"""

from __future__ import annotations

import io
import os
import re
import select
import stat
import time
from collections import deque
from typing import Any, NamedTuple

MAX_WAITING_BYTES = 8 * 1024 * 1024
# POSIX: a pipe that polls as writable takes this much without blocking.
_PIECE_BYTES = 4096
_CAN_POLL = hasattr(select, "poll")
_FAILED = (select.POLLERR | select.POLLNVAL) if _CAN_POLL else 0
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class _Chunk(NamedTuple):
    text: str
    lines: int


class StreamWriter:
    """A stream, and the text that waits for it.

    Attributes:
        stream: any object with ``write``; None when there is none.
        lost_lines: lines that the stream refused, or that waited for too long.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost_lines = 0
        self._waiting: deque[_Chunk] = deque()
        self._waiting_chars = 0
        self._offset = 0  # characters of the first chunk that are written
        self._fd = _descriptor(stream)

    @property
    def blocked(self) -> bool:
        """Whether text waits for a slow reader."""
        return bool(self._waiting)

    @property
    def waiting_lines(self) -> int:
        """Lines that wait for a slow reader."""
        return sum(chunk.lines for chunk in self._waiting)

    @property
    def immediate(self) -> bool:
        """Whether somebody watches: a terminal, a notebook, or a replacement that captures."""
        if self.stream is None:
            return False
        if self._fd is None or not isinstance(self.stream, io.TextIOWrapper):
            return True
        return self.isatty()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        try:
            return bool(self.stream.isatty())
        except Exception:
            return False

    @property
    def colours(self) -> bool:
        """Whether colours make sense (https://no-color.org)."""
        return self.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def write(self, text: str, lines: int, wait_s: float = 0.0) -> bool:
        """Write `text`; return False when some of it waits for the reader."""
        self._waiting.append(_Chunk(text, lines))
        self._waiting_chars += len(text)
        return self.push(wait_s)

    def push(self, wait_s: float = 0.0) -> bool:
        """Write what waits, for `wait_s` seconds at most; return whether all is written."""
        if not self._waiting:
            return True
        try:
            return self._push(time.monotonic() + wait_s)
        except RuntimeError:  # a signal handler's line amid a print: the buffer is in use
            return False
        except BlockingIOError:  # non-blocking stdout, full of what others printed
            return self._wait_for_reader()
        except Exception:  # closed, broken, or not a stream at all
            self.give_up()
            return True

    def forget(self) -> None:
        """Drop what waits without counting it: it belongs to the parent process."""
        self._waiting.clear()
        self._waiting_chars = self._offset = 0

    def _push(self, deadline_s: float) -> bool:
        pollable = self._fd is not None and _may_block(self._fd)
        if not pollable:
            while self._waiting:
                self._put(self._waiting[0].text[self._offset :])
                self._done()
            self._flush()
            return True
        if not self._writable(deadline_s):
            return self._wait_for_reader()
        self._flush()  # what others printed before comes first, and empties the buffer
        while self._waiting:
            text = self._waiting[0].text
            while self._offset < len(text):
                if not self._writable(deadline_s):
                    return self._wait_for_reader()
                end = _piece_end(text, self._offset)
                piece, self._offset = text[self._offset : end], end
                self._put(piece)
                self._flush()  # when it cannot take all, the stream keeps the rest
            self._done()
        return True

    def _put(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            self.stream.write(_NOT_ASCII.sub(_escaped, text))

    def _flush(self) -> None:
        flush = getattr(self.stream, "flush", None)
        if flush is not None:
            flush()

    def _done(self) -> None:
        chunk = self._waiting.popleft()
        self._waiting_chars -= len(chunk.text)
        self._offset = 0

    def _writable(self, deadline_s: float) -> bool:
        poll = select.poll()
        poll.register(self._fd or 0, select.POLLOUT)
        events = poll.poll(max(0.0, (deadline_s - time.monotonic()) * 1000))
        if events and events[0][1] & _FAILED:
            # Nothing is put into the stream's buffer: it would make the interpreter's last flush
            # fail, and with it the exit code.
            raise BrokenPipeError
        return bool(events)

    def _wait_for_reader(self) -> bool:
        while self._waiting_chars > MAX_WAITING_BYTES and len(self._waiting) > 1:
            oldest = 1 if self._offset else 0  # a line that is half written goes on
            chunk = self._waiting[oldest]
            del self._waiting[oldest]
            self._waiting_chars -= len(chunk.text)
            self.lost_lines += chunk.lines
        return not self._waiting

    def give_up(self) -> None:
        """Count what waits as lost."""
        self.lost_lines += self.waiting_lines
        self.forget()


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except Exception:
        return None


def _may_block(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return _CAN_POLL and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def _piece_end(text: str, start: int) -> int:
    """Return where the next piece ends: after a line where possible, within `_PIECE_BYTES`."""
    end = start + _PIECE_BYTES
    if not text.isascii():
        end = start + _PIECE_BYTES // 4
    if end >= len(text):
        return len(text)
    return text.rfind("\n", start, end) + 1 or end


def _escaped(match: re.Match[str]) -> str:
    """Return a character as JSON escapes it, for consoles whose encoding lacks it."""
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
