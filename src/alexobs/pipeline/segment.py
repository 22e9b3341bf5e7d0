"""One file of the spool: frames are added at its end, read anywhere, and marked when delivered."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from alexobs.pipeline import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.pipeline.folder import ProcessFolder
    from alexobs.pipeline.ticket import Ticket


class Segment:
    """A segment file. It is opened when needed and may be closed at any time.

    ``waiting`` holds the tickets of its batches that are not delivered, oldest first. A ``torn``
    segment ends in half a frame that could not be taken back; nothing is added after it.
    """

    def __init__(self, folder: ProcessFolder, name: frames.SegmentName, size: int) -> None:
        self.name = name
        self.size = size
        self.torn = False
        self.waiting: dict[int, Ticket] = {}
        self._folder = folder
        self._fd = -1

    @classmethod
    def create(cls, folder: ProcessFolder, number: int) -> Segment:
        """Make a new, empty segment file."""
        name = frames.SegmentName(number, os.urandom(8), frames.VERSION)
        segment = cls(folder, name, 0)
        segment._fd = folder.open(str(name), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        return segment

    @classmethod
    def load(cls, folder: ProcessFolder, name: frames.SegmentName) -> Segment:
        """Open a segment file that is there."""
        segment = cls(folder, name, 0)
        segment._fd = folder.open(str(name), os.O_RDWR)
        segment.size = os.fstat(segment._fd).st_size
        return segment

    @property
    def deleted(self) -> bool:
        """Whether somebody has removed the file while it is open."""
        return self._fd >= 0 and os.fstat(self._fd).st_nlink == 0

    def scan(self) -> Iterator[frames.Frame | frames.Damage]:
        """Yield what the file holds."""
        return frames.read_frames(self.read_at, self.size, self.name.nonce)

    def append(self, header: bytes, body: bytes) -> int:
        """Add one frame and return its offset.

        Raises:
            OSError: it could not be written whole.
        """
        offset = self.size
        try:
            _write_all(self._open(), offset, header, body)
        except OSError:
            self.torn = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._open(), offset)
                self.torn = False
            raise
        self.size = offset + len(header) + len(body)
        return offset

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes."""
        return _read_at(self._open(), offset, size)

    def mark_done(self, frame: frames.Frame) -> None:
        """Note on disk that a frame was delivered."""
        mark = frames.done_mark(frame.batch_id, frame.body_crc)
        _write_all(self._open(), frame.offset + frames.DONE_OFFSET, mark)

    def clear(self) -> None:
        """Empty the file."""
        os.ftruncate(self._open(), 0)
        self.size = 0

    def close(self) -> None:
        """Close the file; it is opened again when it is next needed."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Delete the file."""
        self.close()
        self._folder.unlink(str(self.name))

    def _open(self) -> int:
        if self._fd < 0:
            self._fd = self._folder.open(str(self.name), os.O_RDWR)
        return self._fd


def _write_all(fd: int, offset: int, *parts: bytes) -> None:
    written = 0
    if hasattr(os, "pwritev"):
        # Header and body in one call, and without the file position, which a fork would share.
        written = os.pwritev(fd, parts, offset)
        if written == sum(map(len, parts)):
            return
    rest = memoryview(b"".join(parts))[written:]
    os.lseek(fd, offset + written, os.SEEK_SET)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _read_at(fd: int, offset: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)
