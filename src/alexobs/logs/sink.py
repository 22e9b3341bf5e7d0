"""The queue between the calls and the stream, and its drain: redact, format, write, hand on."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from alexobs.logs.compose import Composer, record_of
from alexobs.logs.formats import formatter
from alexobs.logs.lines import LINE_BYTES
from alexobs.logs.stream import StreamWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.logs.compose import Redactor
    from alexobs.logs.lines import Entry
    from alexobs.records import LogRecord

Format = Literal["json", "text", "pretty"]

_SLICE_LINES: Final = 256  # 0.5 ms of work: the drain lets other threads run between slices
_SLICE_BYTES: Final = 512 * 1024
# How long a line of level error waits for a slow reader; after one wait in vain none waits again
# until the reader has caught up.
_LATE_LINES: Final = 8  # lines that a signal handler, or redaction itself, writes amid a drain
_ERROR_WAIT_S: Final = 0.1
_LOCK_WAIT_S: Final = 1.0


class LogSink:
    """Takes entries from any thread without work, and writes them as lines.

    Args:
        stream_of: returns the stream to write to; asked at every line, so a replaced
            ``sys.stdout`` (pytest, notebooks, ``redirect_stdout``) gets the lines written
            while it stands.
        format: ``json``, ``text`` or ``pretty``.
        redactor: removes secrets; None writes what it gets.
        on_records: takes the redacted records of each slice after they are written.
        wake: asks somebody to call `drain` within moments; without it every line is drained
            by the call that wrote it.
        on_fault: takes a fault of ours: where, and the exception.
        now_ns: returns Unix nanoseconds; tests replace it.
        max_records: lines that may wait; the oldest are dropped, and counted, beyond.
        max_bytes: estimated bytes that may wait.

    Attributes:
        dropped: lines that the queue dropped because it was full.
    """

    def __init__(
        self,
        stream_of: Callable[[], Any],
        format: Format = "json",  # noqa: A002 - the setting's name
        *,
        redactor: Redactor | None = None,
        on_records: Callable[[list[LogRecord]], None] | None = None,
        wake: Callable[[], None] | None = None,
        on_fault: Callable[[str, BaseException], None] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        max_records: int = 65_536,
        max_bytes: int = 67_108_864,
    ) -> None:
        self.stream_of = stream_of
        self.now_ns = now_ns
        self.on_records = on_records
        self.dropped = 0
        self.entries: deque[Entry] = deque()
        self.waiting_bytes = 0
        # The hot path calls `attend` when more than this waits: -1 while the drain sleeps.
        self.attend_above_bytes = -1
        self._max_bytes = min(max_bytes, max_records * LINE_BYTES)
        self._wake = wake
        self._on_fault = on_fault
        self._composer = Composer(redactor, self.fault)
        self._lock = threading.Lock()
        self._busy: set[int] = set()  # threads in the drain
        self._done: list[list[LogRecord]] = []  # written, not yet handed on
        self._held = False
        self._reader_is_stuck = False
        self._lost_lines = 0
        self.stream = stream_of()
        self._open(self.stream)
        self.set_format(format)
        _living.add(self)

    # -- the caller's side -------------------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """Append one entry; the hot path does the same inline."""
        self.entries.append(entry)
        self.waiting_bytes += entry[7]
        if self.waiting_bytes > self.attend_above_bytes or self.stream_of() is not self.stream:
            self.attend()

    def attend(self) -> None:
        """Do what the hot path leaves to rare moments: wake, switch streams, drop. Never raises."""
        try:
            stream = self.stream_of()
            if stream is not self.stream:
                self._switch(stream)
            if self._immediate or self._wake is None:
                self.drain()
                return
            if self.waiting_bytes > self._max_bytes:
                self._drop_oldest()
            if self.attend_above_bytes < 0:
                self.attend_above_bytes = self._max_bytes
                self._wake()
        except Exception as fault:
            self.fault("logging", fault)

    def write_now(self) -> None:
        """Write everything that waits before returning, unless the reader is stuck."""
        try:
            self.flush(0.0 if self._reader_is_stuck else _ERROR_WAIT_S)
        except Exception as fault:
            self.fault("logging", fault)

    # -- the drain's side --------------------------------------------------------------------------

    @property
    def redactor(self) -> Redactor | None:
        """What removes secrets; may be replaced while running."""
        return self._composer.redactor

    @redactor.setter
    def redactor(self, redactor: Redactor | None) -> None:
        self._composer = Composer(redactor, self.fault)

    @property
    def waiting(self) -> int:
        """Lines that wait in the queue."""
        return len(self.entries)

    @property
    def blocked(self) -> bool:
        """Whether formatted lines wait for a slow reader; `drain` again within moments."""
        return self._writer.blocked

    @property
    def lost(self) -> int:
        """Lines that the stream did not take: closed, broken, or stuck for too long."""
        return self._lost_lines + self._writer.lost_lines

    @property
    def unread(self) -> int:
        """Lines that wait for a reader who does not read."""
        return self._writer.waiting_lines if self.blocked else 0

    def set_format(self, name: Format) -> None:
        """Write later lines in another format."""
        self._format_name: Format = name
        self._immediate = self._writer.immediate or name == "pretty"
        self._format = formatter(name, colours=self._writer.colours)

    def drain(self, max_records: int = 65_536) -> int:
        """Write up to `max_records` lines, in order, and return how many were taken."""
        return self._drain(max_records, 0.0)

    def flush(self, timeout_s: float) -> bool:
        """Write all lines; return False when the reader has not taken them in `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        self._drain(len(self.entries) or 1, timeout_s)
        while self.entries or self.blocked:
            rest_s = deadline_s - time.monotonic()
            if rest_s <= 0 or threading.get_ident() in self._busy:
                return False
            time.sleep(min(rest_s, 0.001))  # the stream may be in use by the code we interrupted
            self._drain(len(self.entries) or 1, rest_s)
        return True

    def hand_over(self, timeout_s: float) -> bool:
        """Write all lines, and wait until whoever takes their records has those of other threads.

        Nobody who holds a lock that the taker needs may call this.
        """
        deadline_s = time.monotonic() + timeout_s
        written = self.flush(timeout_s)
        others = self._busy - {threading.get_ident()}
        while others & self._busy and time.monotonic() < deadline_s:
            time.sleep(0.0005)
        return written

    def close(self, timeout_s: float = 1.0) -> bool:
        """Write all lines and let go of the process; lines that come later are still written."""
        flushed = self.flush(timeout_s)
        self._wake = None
        self.attend_above_bytes = -1
        return flushed

    def hold(self) -> None:
        """Let no drain run until `release`: a fork amid one would copy locks that are held."""
        if not self._held and threading.get_ident() not in self._busy:
            self._held = self._lock.acquire(timeout=_LOCK_WAIT_S)

    def release(self) -> None:
        """Let drains run again."""
        if self._held:
            self._held = False
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start empty: what waited is the parent's to write."""
        self.entries.clear()
        self.waiting_bytes = 0
        self.attend_above_bytes = -1
        self._busy.clear()
        self._done = []
        self._writer.forget()
        self._held = False
        self._lock = threading.Lock()

    def _drain(self, max_records: int, wait_s: float) -> int:
        thread = threading.get_ident()
        if thread in self._busy:  # a line written by the drain itself, or by a signal amid it
            return 0
        self._busy.add(thread)
        try:
            if not self._lock.acquire(timeout=_LOCK_WAIT_S):
                return 0
            try:
                self._writer.push()
                taken = self._drain_slices(min(max_records, len(self.entries) + _LATE_LINES))
                if self._writer.push(wait_s):
                    self._reader_is_stuck = False
                elif wait_s:
                    self._reader_is_stuck = True
                done, self._done = self._done, []
            finally:
                self._lock.release()
            self._hand_on(done)
        finally:
            self._busy.discard(thread)
        self._sleep()
        return taken

    def _hand_on(self, slices: list[list[LogRecord]]) -> None:
        """Give records to whoever takes them, without our lock: they will take their own."""
        for records in slices:
            try:
                if self.on_records is not None:
                    self.on_records(records)
            except Exception as fault:
                self.fault("log records", fault)

    def _drain_slices(self, limit: int) -> int:
        taken = 0
        while taken < limit:
            entries = self._take(min(_SLICE_LINES, limit - taken))
            if not entries:
                break
            taken += len(entries)
            try:
                self._emit(entries)
            except Exception:
                self._emit_each(entries)
        return taken

    def _emit_each(self, entries: list[Entry]) -> None:
        """Write a slice line by line: what is wrong with one entry costs that line alone."""
        for entry in entries:
            try:
                self._emit([entry])
            except Exception as fault:
                self._lost_lines += 1
                self.fault("log lines", fault)

    def _take(self, limit: int) -> list[Entry]:
        taken: list[Entry] = []
        size_bytes = 0
        pop = self.entries.popleft
        with contextlib.suppress(IndexError):
            while len(taken) < limit and size_bytes < _SLICE_BYTES:
                entry = pop()
                taken.append(entry)
                size_bytes += entry[7]
        self.waiting_bytes -= size_bytes
        return taken

    def _sleep(self) -> None:
        """Ask the next line to wake us; a line that came too early to do so does it now."""
        self.attend_above_bytes = -1
        if not self.entries:
            self.waiting_bytes = 0  # threads without a common lock may have miscounted a little
        elif self._wake is not None:
            self._wake()

    def _emit(self, entries: list[Entry]) -> None:
        lines = self._composer.compose(entries)
        self._writer.write(self._format(lines), len(entries))
        if self.on_records is not None:
            _, heads, events, fields = lines
            self._done.append(list(map(record_of, entries, heads, events, fields)))

    # -- streams, faults ---------------------------------------------------------------------------

    def _open(self, stream: Any) -> None:
        self.stream = stream
        self._writer = StreamWriter(stream)

    def _switch(self, stream: Any) -> None:
        """Go on with another stream; what waits belongs to the old one."""
        thread = threading.get_ident()
        if thread in self._busy:  # the next line will see to it
            return
        newest = None
        with contextlib.suppress(IndexError):
            newest = self.entries.pop()
        self.drain()
        if self._lock.acquire(timeout=_LOCK_WAIT_S):
            self._writer.give_up()
            self._lost_lines += self._writer.lost_lines
            self._open(stream)
            self.set_format(self._format_name)
            self._lock.release()
        if newest is not None:
            self.entries.append(newest)

    def _drop_oldest(self) -> None:
        while self.waiting_bytes > self._max_bytes:
            try:
                self.waiting_bytes -= self.entries.popleft()[7]
            except IndexError:
                self.waiting_bytes = 0
                return
            self.dropped += 1

    def fault(self, where: str, fault: BaseException) -> None:
        """Report a fault of ours; never raises."""
        with contextlib.suppress(Exception):
            if self._on_fault is not None:
                self._on_fault(where, fault)


_living: weakref.WeakSet[LogSink] = weakref.WeakSet()


def _close_all() -> None:
    for sink in list(_living):
        sink.close()


def _hold_all() -> None:
    for sink in list(_living):
        sink.hold()


def _release_all() -> None:
    for sink in list(_living):
        sink.release()


def _restart_all() -> None:
    for sink in list(_living):
        sink.after_fork_in_child()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_restart_all)
