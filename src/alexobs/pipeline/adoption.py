"""What dead processes left in the spool: who takes it over, and what a person can see of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from alexobs.pipeline import frames
from alexobs.pipeline.folder import LOCK_NAME, ProcessFolder, is_live
from alexobs.pipeline.segment import Segment
from alexobs.pipeline.spool import SPOOL_AGE, SPOOL_FULL, SPOOL_LOST, Pending, read_body
from alexobs.pipeline.ticket import Ticket
from alexobs.records import Batch, Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Each spool that is taken over holds two descriptors.
ADOPTED_AT_ONCE: Final = 8


class AdoptedSpool:
    """The spool of a dead process, held by this one until ``close``.

    Attributes:
        tickets: its batches that were not delivered, oldest first.
        damaged_bytes: bytes in which no batch could be found.
        left_alone: files that are not ours to read, such as a newer version's.
    """

    def __init__(self, folder: ProcessFolder, dropped: Callable[[Signal, str, int], None]) -> None:
        self.path = folder.path
        self.tickets: list[Ticket] = []
        self.damaged_bytes = 0
        self.left_alone: list[str] = []
        self._folder = folder
        self._dropped = dropped
        self._segments: list[Segment] = []
        for name in folder.names():
            self._load(name)

    @classmethod
    def claim(cls, path: Path, dropped: Callable[[Signal, str, int], None]) -> AdoptedSpool | None:
        """Take over one process's folder, or return None when it lives or somebody else has it."""
        folder = ProcessFolder.claim(path)
        if folder is None:
            return None
        try:
            return cls(folder, dropped)
        except OSError:
            folder.forget()
            return None

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def read(self, ticket: Ticket) -> Batch | None:
        """Return the batch of a ticket, or None when it is damaged, which is accounted.

        Raises:
            SpoolError: it cannot be read just now.
        """
        frame = ticket.frame
        body = read_body(ticket)
        if ticket.segment is not None:
            ticket.segment.close()
        if body is None:
            self.drop(ticket, SPOOL_LOST)
            return None
        return Batch(frame.signal, frame.encoding, frame.records, body)

    def ack(self, ticket: Ticket) -> None:
        """Forget a batch that was delivered or refused."""
        if ticket.state == "waiting":
            ticket.state = "done"
            self._forget(ticket)

    def drop(self, ticket: Ticket, reason: str) -> None:
        """Give up a batch, and account it."""
        if ticket.state == "waiting":
            ticket.state = "dropped"
            self._forget(ticket)
            self._dropped(ticket.frame.signal, reason, ticket.frame.records)

    def close(self) -> None:
        """Give the spool back, or remove it when nothing waits in it."""
        for segment in self._segments:
            segment.close()
            if not segment.waiting:
                segment.remove()
        self._folder.release()

    def after_fork(self) -> None:
        """Close it in a forked child; it stays the parent's."""
        for segment in self._segments:
            segment.close()
        self._folder.forget()
        self.tickets = []

    def _load(self, text: str) -> None:
        name = frames.SegmentName.parse(text)
        if name is None or name.version != frames.VERSION:
            if text != LOCK_NAME:
                self.left_alone.append(text)
            return
        try:
            segment = Segment.load(self._folder, name)
        except OSError:
            self.left_alone.append(text)
            return
        self._segments.append(segment)
        for found in segment.scan():
            if isinstance(found, frames.Damage):
                self._note_damage(found)
            elif not found.done:
                ticket = Ticket(found, segment=segment)
                segment.waiting[found.offset] = ticket
                self.tickets.append(ticket)
        segment.close()

    def _note_damage(self, damage: frames.Damage) -> None:
        self.damaged_bytes += damage.size
        if damage.signal is not None:
            self._dropped(damage.signal, SPOOL_LOST, damage.records)

    def _forget(self, ticket: Ticket) -> None:
        segment = ticket.segment
        if segment is None:
            return
        ticket.segment = None
        del segment.waiting[ticket.frame.offset]
        with contextlib.suppress(OSError):
            if segment.waiting:
                segment.mark_done(ticket.frame)
                segment.close()
            else:
                segment.remove()


def trim(
    directory: Path,
    *,
    max_bytes: int,
    max_age_s: float,
    now_ns: int,
    dropped: Callable[[Signal, str, int], None],
) -> None:
    """Drop what dead processes left that is too old, and the oldest of what is too much.

    Args:
        directory: the folder of all processes' spools.
        max_bytes: bytes that dead processes' spools may take together.
        max_age_s: age in seconds at which a batch is given up.
        now_ns: Unix time in nanoseconds.
        dropped: told the signal, the reason and the number of records that were given up.
    """
    room = max_bytes
    for path in reversed(process_folders(directory)):
        spool = AdoptedSpool.claim(path, dropped)
        if spool is None:
            continue
        room -= spool.size_bytes
        for ticket in spool.tickets:
            if room < 0:
                spool.drop(ticket, SPOOL_FULL)
            elif now_ns - ticket.frame.created_ns > max_age_s * 1e9:
                spool.drop(ticket, SPOOL_AGE)
        spool.close()


def adopt(
    directory: Path,
    *,
    wanted: Callable[[frames.Frame], bool],
    dropped: Callable[[Signal, str, int], None],
    limit: int = ADOPTED_AT_ONCE,
) -> list[AdoptedSpool]:
    """Take over what dead processes left, oldest first, at most `limit` spools at a time.

    A spool that holds nothing wanted is given back.

    Args:
        directory: the folder of all processes' spools.
        wanted: tells what can be sent.
        dropped: told the signal, the reason and the number of records that were lost.
        limit: how many.
    """
    kept: list[AdoptedSpool] = []
    for path in process_folders(directory):
        if len(kept) >= limit:
            break
        spool = AdoptedSpool.claim(path, dropped)
        if spool is None:
            continue
        if any(wanted(ticket.frame) for ticket in spool.tickets):
            kept.append(spool)
        else:
            spool.close()
    return kept


def process_folders(directory: Path) -> list[Path]:
    """Return the processes' folders, oldest first."""
    try:
        found = [path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []
    return sorted(found, key=_start_order)


def _start_order(path: Path) -> tuple[int, str]:
    parts = path.name.split("-")
    try:
        return int(parts[1], 16), path.name
    except (IndexError, ValueError):
        return 0, path.name


@dataclass(slots=True)
class Listing:
    """One process's spool, as a person sees it."""

    process: str
    live: bool
    size_bytes: int = 0
    damaged_bytes: int = 0
    oldest_ns: int | None = None
    waiting: dict[str, dict[Signal, Pending]] = field(default_factory=dict)
    left_alone: list[str] = field(default_factory=list)


def scan(directory: Path) -> Iterator[Listing]:
    """Yield what every process has in the spool, without taking or changing anything."""
    for path in process_folders(directory):
        with contextlib.suppress(OSError):
            yield _list(path)


def _list(path: Path) -> Listing:
    listing = Listing(path.name, live=is_live(path))
    for file in sorted(path.iterdir()):
        name = frames.SegmentName.parse(file.name)
        if name is None or name.version != frames.VERSION:
            if file.name != LOCK_NAME:
                listing.left_alone.append(file.name)
            continue
        _list_segment(file, name, listing)
    return listing


def _list_segment(file: Path, name: frames.SegmentName, listing: Listing) -> None:
    size = file.stat().st_size
    listing.size_bytes += size
    with file.open("rb", buffering=0) as stream:

        def read_at(offset: int, count: int) -> bytes:
            stream.seek(offset)
            return stream.read(count)

        for found in frames.read_frames(read_at, size, name.nonce):
            if isinstance(found, frames.Damage):
                listing.damaged_bytes += found.size
            elif not found.done:
                _count(listing, found)


def _count(listing: Listing, frame: frames.Frame) -> None:
    signals = listing.waiting.setdefault(frame.encoding, {})
    old = signals.get(frame.signal, Pending())
    signals[frame.signal] = Pending(
        old.batches + 1, old.records + frame.records, old.size_bytes + frame.body_bytes
    )
    if listing.oldest_ns is None or frame.created_ns < listing.oldest_ns:
        listing.oldest_ns = frame.created_ns
