"""The write-ahead spool: every batch is on disk before it is sent for the first time.

One process writes one folder of segment files, and holds its lock. What a process leaves behind,
however it ended, another one takes over (``alexobs.pipeline.adoption``). Without a disk, or when
the disk fails, batches wait in memory and are bounded there; nothing here raises because of it.

Called by one thread at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from alexobs.errors import SpoolError
from alexobs.pipeline import frames
from alexobs.pipeline.folder import ProcessFolder
from alexobs.pipeline.segment import Segment
from alexobs.pipeline.ticket import Ticket
from alexobs.records import Batch, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alexobs.pipeline.frames import Frame

SPOOL_FULL: Final = "spool_full"
SPOOL_AGE: Final = "spool_age"
SPOOL_LOST: Final = "spool_lost"
MEMORY_FULL: Final = "memory_full"

# An emptied segment beyond this size gives its space back, before the system writes it to disk.
_CLEAR_BYTES: Final = 262_144
_SEGMENT_MIN_BYTES: Final = 65_536
_SEGMENT_MAX_BYTES: Final = 16_777_216
# Bodies on disk that stay in memory too, so that a batch that is sent at once is not read back.
_HELD_BYTES: Final = 8_388_608
_MEMORY_MAX_BYTES: Final = 33_554_432
_DISK_RETRY_NS: Final = 30_000_000_000
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})


class Pending(NamedTuple):
    """What waits of one signal."""

    batches: int = 0
    records: int = 0
    size_bytes: int = 0


def _ignore_drop(signal: Signal, reason: str, count: int) -> None: ...


def _ignore_message(message: str) -> None: ...


class Spool:
    """Keeps encoded batches until they are delivered.

    Args:
        directory: the folder of all processes' spools; None keeps everything in memory. Nothing
            is made there before the first batch.
        max_bytes: bytes on disk at most; the oldest batches are dropped beyond.
        max_age_s: seconds after which ``expire`` drops a batch.
        memory_max_bytes: bytes at most that wait in memory when there is no disk for them.
        dropped: told the signal, the reason and the number of records that were given up.
        say: told, once per trouble, in a sentence what went wrong.
        clock_ns: Unix time in nanoseconds.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        max_bytes: int = 268_435_456,
        max_age_s: float = 604_800.0,
        memory_max_bytes: int = _MEMORY_MAX_BYTES,
        dropped: Callable[[Signal, str, int], None] = _ignore_drop,
        say: Callable[[str], None] = _ignore_message,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.directory = directory
        self.trouble = ""
        self._max_bytes = max_bytes
        self._max_age_ns = int(max_age_s * 1e9)
        self._memory_max_bytes = memory_max_bytes
        self._segment_bytes = min(_SEGMENT_MAX_BYTES, max(_SEGMENT_MIN_BYTES, max_bytes // 16))
        self._dropped = dropped
        self._say = say
        self._clock_ns = clock_ns
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._folder: ProcessFolder | None = None
        self._segments: deque[Segment] = deque()
        self._made = 0
        self._in_memory: dict[int, Ticket] = {}
        self._held: dict[int, Ticket] = {}
        self._body_bytes = 0
        self._next_id = 0
        self._disk_again_ns = 0
        self._counts: dict[Signal, Pending] = {}

    @property
    def place(self) -> str:
        """Where batches are kept, as a person would say it."""
        if self.directory is None:
            return "memory"
        home, directory = str(Path.home()), str(self.directory)
        return f"~{directory.removeprefix(home)}" if directory.startswith(home) else directory

    @property
    def folder(self) -> Path | None:
        """The folder of this process, once there is one."""
        return self._folder.path if self._folder is not None else None

    @property
    def durable(self) -> bool:
        """Whether everything that waits, and is not volatile, would outlive this process."""
        return all(ticket.volatile for ticket in self._in_memory.values())

    def pending(self) -> dict[Signal, Pending]:
        """Return what waits, by signal."""
        return dict(self._counts)

    def append(self, batch: Batch, *, destination: int = 0, volatile: bool = False) -> Ticket:
        """Keep a batch; when this returns, it outlives the process, unless ``trouble`` says why.

        Args:
            batch: what to keep.
            destination: a number for where it goes; see ``Frame``.
            volatile: keep it in memory, because no later process is to have it.
        """
        if os.getpid() != self._pid:
            self.after_fork()
        self._next_id += 1
        frame = frames.Frame(
            -1,
            batch.signal,
            batch.encoding,
            batch.count,
            self._clock_ns(),
            self._next_id,
            len(batch.body),
            destination=destination,
        )
        ticket = Ticket(frame, volatile=volatile)
        self._count(frame, 1)
        if not self._store(ticket, batch.body):
            self._hold_in_memory(ticket, batch.body)
        elif self._body_bytes + len(batch.body) <= _HELD_BYTES:
            self._held[frame.batch_id] = ticket
            self._hold(ticket, batch.body)
        return ticket

    def read(self, ticket: Ticket) -> Batch | None:
        """Return the batch of a waiting ticket, or None when it is lost, which is accounted.

        Raises:
            SpoolError: it cannot be read just now.
        """
        body = ticket.body
        frame = ticket.frame
        if body is None:
            body = read_body(ticket)
            self._close_unless_current(ticket.segment)
        if body is None:
            self._drop(ticket, SPOOL_LOST)
            self._say(f"spool: {frame.records} {frame.signal} records could not be read back")
            return None
        return Batch(frame.signal, frame.encoding, frame.records, body)

    def ack(self, ticket: Ticket) -> None:
        """Forget a batch that was delivered or refused."""
        if ticket.state == "waiting":
            ticket.state = "done"
            self._forget(ticket)

    def replace(self, ticket: Ticket, halves: tuple[Batch, Batch]) -> tuple[Ticket, Ticket]:
        """Keep two batches in the place of one; a crash in between leaves both, never neither."""
        waiting, ticket.state = ticket.state, "done"
        first, second = (
            self.append(half, destination=ticket.frame.destination, volatile=ticket.volatile)
            for half in halves
        )
        if waiting == "waiting":
            self._forget(ticket)
        return first, second

    def expire(self) -> None:
        """Drop what is too old, and put on disk what had to stay in memory, if it can be."""
        now_ns = self._clock_ns()
        for ticket in self._oldest_first():
            if now_ns - ticket.frame.created_ns <= self._max_age_ns:
                break
            self._drop(ticket, SPOOL_AGE)
        if self._in_memory and self.directory is not None and now_ns >= self._disk_again_ns:
            self._move_to_disk()

    def close(self) -> None:
        """Leave what waits to another process, or leave nothing.

        What is only in memory is dropped, for reason ``shutdown``, if no disk takes it now.
        """
        if self._in_memory and self.directory is not None:
            self._disk_again_ns = 0
            self._move_to_disk()
        for ticket in list(self._in_memory.values()):
            self._drop(ticket, "shutdown")
        for segment in self._segments:
            segment.close()
            if not segment.waiting:
                segment.remove()
        if self._folder is not None:
            self._folder.release()
        counts = self._counts
        self._start()
        self._counts = counts  # what is left behind still waits

    def after_fork(self) -> None:
        """Start empty in a forked child; what waits is the parent's to deliver."""
        for segment in self._segments:
            segment.close()
        if self._folder is not None:
            self._folder.forget()
        self._start()

    # -- disk ------------------------------------------------------------------------------------

    def _store(self, ticket: Ticket, body: bytes) -> bool:
        now_ns = self._clock_ns()
        if self.directory is None or ticket.volatile or now_ns < self._disk_again_ns:
            return False
        if frames.HEADER_BYTES + len(body) > self._max_bytes:
            return False
        try:
            self._write(ticket, body)
        except (OSError, SpoolError) as error:
            self._disk_again_ns = now_ns + _DISK_RETRY_NS
            if not self.trouble:
                self.trouble = f"{error.strerror}" if isinstance(error, OSError) else f"{error}"
                self._say(
                    f"spool: cannot write to {self.directory} ({error});"
                    " telemetry waits in memory and would be lost with this process"
                )
            return False
        if self.trouble:
            self.trouble = ""
            self._say(f"spool: {self.directory} can be written again")
        return True

    def _write(self, ticket: Ticket, body: bytes) -> None:
        segment = self._segment_for(frames.HEADER_BYTES + len(body))
        frame = frames.sealed(ticket.frame, body, segment.size)
        segment.append(frames.encode_header(frame, segment.name.nonce), body)
        ticket.frame, ticket.segment = frame, segment
        segment.waiting[frame.batch_id] = ticket

    def _segment_for(self, size: int) -> Segment:
        if self._segments and self._segments[-1].deleted:
            self._rescue()
        if self._folder is None:
            assert self.directory is not None  # noqa: S101 - the caller has looked
            self._folder = ProcessFolder.create(
                self.directory, pid=self._pid, now_ns=self._clock_ns()
            )
        while self._segments and self._disk_bytes() + size > self._max_bytes:
            self._give_up_oldest()
        if self._segments:
            current = self._segments[-1]
            if current.size + size > self._segment_bytes and not current.waiting:
                current.clear()
            if not current.torn and (
                current.size + size <= self._segment_bytes or not current.size
            ):
                return current
            current.close()
        segment = Segment.create(self._folder, self._made)
        self._made += 1
        self._segments.append(segment)
        return segment

    def _disk_bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    def _give_up_oldest(self) -> None:
        segment = self._segments.popleft()
        for ticket in list(segment.waiting.values()):
            ticket.segment = None
            self._drop(ticket, SPOOL_FULL)
        segment.remove()

    def _rescue(self) -> None:
        """Take into memory what is left of a folder that somebody has deleted."""
        self._say(f"spool: {self.folder} was deleted; starting another")
        for segment in self._segments:
            for ticket in list(segment.waiting.values()):
                body = ticket.body if ticket.body is not None else read_body(ticket)
                if body is None:
                    self._drop(ticket, SPOOL_LOST)
                else:
                    self._release(ticket)
                    ticket.segment = None
                    self._hold_in_memory(ticket, body)
            segment.close()
        self._segments.clear()
        if self._folder is not None:
            self._folder.release()
            self._folder = None

    def _move_to_disk(self) -> None:
        for ticket in list(self._in_memory.values()):
            if ticket.body is not None and self._store(ticket, ticket.body):
                self._in_memory.pop(ticket.frame.batch_id, None)
                self._release(ticket)

    # -- memory ----------------------------------------------------------------------------------

    def _hold(self, ticket: Ticket, body: bytes) -> None:
        ticket.body = body
        self._body_bytes += len(body)

    def _release(self, ticket: Ticket) -> None:
        if ticket.body is not None:
            self._body_bytes -= len(ticket.body)
            ticket.body = None
        self._held.pop(ticket.frame.batch_id, None)

    def _hold_in_memory(self, ticket: Ticket, body: bytes) -> None:
        self._in_memory[ticket.frame.batch_id] = ticket
        self._hold(ticket, body)
        for held in list(self._held.values()):
            if self._body_bytes <= self._memory_max_bytes:
                return
            self._release(held)
        while self._in_memory and self._body_bytes > self._memory_max_bytes:
            self._drop(next(iter(self._in_memory.values())), MEMORY_FULL)

    # -- giving up and forgetting ----------------------------------------------------------------

    def _oldest_first(self) -> Iterator[Ticket]:
        for segment in list(self._segments):
            yield from list(segment.waiting.values())
        yield from list(self._in_memory.values())

    def _drop(self, ticket: Ticket, reason: str) -> None:
        if ticket.state != "waiting":
            return
        ticket.state = "dropped"
        self._forget(ticket)
        self._dropped(ticket.frame.signal, reason, ticket.frame.records)

    def _forget(self, ticket: Ticket) -> None:
        self._count(ticket.frame, -1)
        self._in_memory.pop(ticket.frame.batch_id, None)
        self._release(ticket)
        segment = ticket.segment
        if segment is None:
            return
        ticket.segment = None
        del segment.waiting[ticket.frame.batch_id]
        with contextlib.suppress(OSError):
            self._note_done(segment, ticket.frame)

    def _note_done(self, segment: Segment, frame: Frame) -> None:
        if not segment.waiting and not self._is_current(segment):
            segment.remove()
            with contextlib.suppress(ValueError):
                self._segments.remove(segment)
        elif not segment.waiting and segment.size >= _CLEAR_BYTES:
            segment.clear()
        else:
            segment.mark_done(frame)
            self._close_unless_current(segment)

    def _close_unless_current(self, segment: Segment | None) -> None:
        if segment is not None and not self._is_current(segment):
            segment.close()

    def _is_current(self, segment: Segment) -> bool:
        return bool(self._segments) and segment is self._segments[-1]

    def _count(self, frame: Frame, sign: int) -> None:
        old = self._counts.get(frame.signal, Pending())
        self._counts[frame.signal] = Pending(
            old.batches + sign,
            old.records + sign * frame.records,
            old.size_bytes + sign * frame.body_bytes,
        )


def read_body(ticket: Ticket) -> bytes | None:
    """Return the body that a ticket has on disk, or None when it is gone or damaged.

    Raises:
        SpoolError: it cannot be read just now.
    """
    segment, frame = ticket.segment, ticket.frame
    if segment is None:
        return None
    try:
        body = segment.read_at(frame.offset + frames.HEADER_BYTES, frame.body_bytes)
    except OSError as error:
        if error.errno in _PASSING:
            raise SpoolError(f"{segment.name}: {error.strerror}") from error
        return None
    return body if frames.intact(body, frame) else None
