"""The spool's file format: what a batch looks like on disk, and how to find it again.

A segment is a row of frames, each an 80-byte header and the batch's body. Every frame of a segment
starts with the same eight random bytes, which stand in the segment's name: a reader that has lost
its place looks for them, and no body can contain them by accident or by design. The header has a
checksum of its own, so that a damaged body does not hide how many records are lost with it.
The last eight bytes of a header say whether the batch was delivered; they are written in place,
which needs no new disk space.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, get_args
from zlib import crc32

from alexobs.records import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION: Final = 1
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)

# nonce, version, signal, encoding, destination, records, created (Unix ns), batch id, body bytes,
# body checksum
_FIELDS: Final = struct.Struct("<8sHH16sQIQQQI")
_CHECKED: Final = struct.Struct("<I")
_DONE: Final = struct.Struct("<Q")
DONE_OFFSET: Final = _FIELDS.size + _CHECKED.size
HEADER_BYTES: Final = DONE_OFFSET + _DONE.size
_SEARCH_BYTES: Final = 65_536

_SEGMENT_NAME: Final = re.compile(r"(\d{8})-([0-9a-f]{16})\.v(\d{1,4})\.seg\Z")


class SegmentName(NamedTuple):
    """What the name of a segment file says."""

    number: int
    nonce: bytes
    version: int

    def __str__(self) -> str:
        return f"{self.number:08d}-{self.nonce.hex()}.v{self.version}.seg"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """Return the parts of a segment's file name, or None for any other file."""
        match = _SEGMENT_NAME.match(name)
        if match is None:
            return None
        return cls(int(match[1]), bytes.fromhex(match[2]), int(match[3]))


class Frame(NamedTuple):
    """One batch on disk, without its body.

    ``destination`` is a hash of where it was to go: another process sends it nowhere else.
    """

    offset: int
    signal: Signal
    encoding: str
    records: int
    created_ns: int
    batch_id: int
    body_bytes: int
    body_crc: int = 0
    done: bool = False
    destination: int = 0

    @property
    def end(self) -> int:
        """Offset of the first byte after the frame."""
        return self.offset + HEADER_BYTES + self.body_bytes


def encode_header(frame: Frame, nonce: bytes) -> bytes:
    """Return the header of a frame that is not delivered yet."""
    fields = _FIELDS.pack(
        nonce,
        VERSION,
        SIGNALS.index(frame.signal),
        frame.encoding.encode(),
        frame.destination,
        frame.records,
        frame.created_ns,
        frame.batch_id,
        frame.body_bytes,
        frame.body_crc,
    )
    return fields + _CHECKED.pack(crc32(fields)) + bytes(_DONE.size)


def sealed(frame: Frame, body: bytes, offset: int) -> Frame:
    """Return the frame as it stands on disk, at its place and with its checksum."""
    return frame._replace(offset=offset, body_crc=crc32(body))


def done_mark(batch_id: int, body_crc: int) -> bytes:
    """Return the eight bytes that mark a frame as delivered.

    They depend on the frame, so that a damaged byte never passes for a delivery.
    """
    return _DONE.pack((batch_id * 0x9E3779B97F4A7C15 + body_crc + 1) & 0xFFFF_FFFF_FFFF_FFFF)


def decode_header(header: bytes, nonce: bytes, offset: int) -> Frame | None:
    """Return the frame whose header this is, or None when it is none or damaged."""
    if len(header) < HEADER_BYTES or header[:8] != nonce:
        return None
    (checked,) = _CHECKED.unpack_from(header, _FIELDS.size)
    if checked != crc32(header[: _FIELDS.size]):
        return None
    _, version, signal, encoding, *numbers = _FIELDS.unpack_from(header)
    destination, records, created_ns, batch_id, size, body_crc = numbers
    if version != VERSION or signal >= len(SIGNALS):
        return None
    done = header[DONE_OFFSET:HEADER_BYTES] == done_mark(batch_id, body_crc)
    name = encoding.rstrip(b"\0").decode()
    return Frame(
        offset,
        SIGNALS[signal],
        name,
        records,
        created_ns,
        batch_id,
        size,
        body_crc,
        done,
        destination,
    )


class Damage(NamedTuple):
    """Bytes of a segment that hold no whole frame.

    ``signal`` and ``records`` say what was in them when the header of a cut frame tells.
    """

    offset: int
    size: int
    signal: Signal | None = None
    records: int = 0


def read_frames(
    read_at: Callable[[int, int], bytes], size: int, nonce: bytes
) -> Iterator[Frame | Damage]:
    """Yield every frame of a segment whose header is intact, and the gaps between them.

    Bodies are not read: ``intact(body, frame)`` tells later whether one survived.

    Args:
        read_at: returns up to the given number of bytes from the given offset.
        size: bytes in the segment.
        nonce: the eight bytes every frame starts with.
    """
    position = floor = 0
    while position < size:
        frame = decode_header(read_at(position, HEADER_BYTES), nonce, position)
        if frame is not None and frame.end <= size:
            yield frame
            floor, position = position + HEADER_BYTES, frame.end
            continue
        # The next frame may start inside the body of the last one, when that was cut short.
        found = _find(read_at, size, nonce, floor)
        if found == position:
            found = _find(read_at, size, nonce, position + 1)
        following = found if found >= 0 else size
        if following > position:
            cut = (frame.signal, frame.records) if frame is not None else (None, 0)
            yield Damage(position, following - position, *cut)
        floor, position = following + 1, following


def _find(read_at: Callable[[int, int], bytes], size: int, nonce: bytes, start: int) -> int:
    while start < size:
        window = read_at(start, _SEARCH_BYTES)
        index = window.find(nonce)
        if index >= 0:
            return start + index
        if len(window) <= len(nonce):
            return -1
        start += len(window) - len(nonce) + 1
    return -1


def intact(body: bytes, frame: Frame) -> bool:
    """Return whether `body` is what was written for `frame`."""
    return len(body) == frame.body_bytes and crc32(body) == frame.body_crc
