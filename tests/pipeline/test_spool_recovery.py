from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alexobs.pipeline import frames
from alexobs.pipeline.adoption import AdoptedSpool
from alexobs.pipeline.spool import Spool
from alexobs.records import Batch

NONCE = b"\x01spool\xff\x02"


def ignore(*_: Any) -> None: ...


def lay_out(bodies: list[bytes]) -> tuple[bytes, list[range]]:
    """Return a segment's bytes, and where each frame is in it."""
    content, places = b"", []
    for i, body in enumerate(bodies):
        frame = frames.Frame(-1, "traces", "otlp", i + 1, 5, i, len(body))
        sealed = frames.sealed(frame, body, len(content))
        content += frames.encode_header(sealed, NONCE) + body
        places.append(range(sealed.offset, len(content)))
    return content, places


def recover(content: bytes) -> tuple[list[bytes], int]:
    """Return the bodies found, and the bytes reported as damaged."""

    def read_at(offset: int, size: int) -> bytes:
        return content[offset : offset + size]

    found, damaged = [], 0
    for one in frames.read_frames(read_at, len(content), NONCE):
        if isinstance(one, frames.Damage):
            damaged += one.size
            continue
        body = read_at(one.offset + frames.HEADER_BYTES, one.body_bytes)
        if not one.done and frames.intact(body, one):
            found.append(body)
    return found, damaged


# Bodies hold pieces of headers too, as a prompt about this very file might.
body = st.one_of(st.binary(max_size=300), st.just(NONCE[1:] * 9), st.just(lay_out([b"x"])[0][1:]))


@settings(max_examples=300, deadline=None)
@given(
    bodies=st.lists(body, min_size=1, max_size=8),
    data=st.data(),
)
def test_every_intact_frame_is_found_and_none_invented(
    bodies: list[bytes], data: st.DataObject
) -> None:
    # Each body starts with its number, so that equal contents cannot hide a mistake.
    bodies = [b"%d:" % i + one for i, one in enumerate(bodies)]
    content, places = lay_out(bodies)
    flips = data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5))
    length = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    damaged = bytearray(content)
    for position in flips:
        damaged[position] ^= data.draw(st.integers(1, 255))
    found, _ = recover(bytes(damaged[:length]))
    untouched = [
        body
        for body, place in zip(bodies, places, strict=True)
        if place.stop <= length and not any(position in place for position in flips)
    ]
    assert [one for one in found if one in untouched] == untouched
    assert set(found) <= set(bodies)
    assert len(found) == len(set(found))


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 400), tail=st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_frames_after_a_torn_one_are_found(cut: int, tail: list[bytes]) -> None:
    torn, _ = lay_out([bytes(4000)])
    content, _ = lay_out(tail)
    found, _ = recover(torn[:cut] + content)
    assert found == tail


def test_a_torn_frame_says_what_was_in_it() -> None:
    content, _ = lay_out([b"whole", b"cut in two"])
    cut = content[:-1]
    found = list(
        frames.read_frames(lambda offset, size: cut[offset : offset + size], len(cut), NONCE)
    )
    assert isinstance(found[1], frames.Damage)
    assert (found[1].signal, found[1].records) == ("traces", 2)


def test_no_single_damaged_bit_passes_for_a_delivery() -> None:
    content, _ = lay_out([b"body"])
    start = frames.DONE_OFFSET
    for bit in range(64):
        damaged = bytearray(content)
        damaged[start + bit // 8] ^= 1 << bit % 8
        assert recover(bytes(damaged))[0] == [b"body"]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=12),
    delivered=st.sets(st.integers(0, 11)),
    noise=st.binary(max_size=200),
    at_end=st.booleans(),
)
def test_a_spool_on_disk_survives_noise(
    sizes: list[int], delivered: set[int], noise: bytes, *, at_end: bool
) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        spool = Spool(root)
        bodies = [b"%d:" % i + os.urandom(size) for i, size in enumerate(sizes)]
        for i, one in enumerate(bodies):
            ticket = spool.append(Batch("logs", "otlp", 1, one))
            if i in delivered:
                spool.ack(ticket)
        assert spool.folder is not None
        path = spool.folder
        spool._folder.forget()  # type: ignore[union-attr]
        for file in path.glob("*.seg"):
            content = file.read_bytes()
            file.write_bytes(content + noise if at_end else noise + content)
        adopted = AdoptedSpool.claim(path, ignore)
        assert adopted is not None
        read = [adopted.read(ticket) for ticket in adopted.tickets]
        expected = [one for i, one in enumerate(bodies) if i not in delivered]
        assert [one.body for one in read if one is not None] == expected
        assert adopted.damaged_bytes == len(noise) or not expected
        adopted.close()
    finally:
        shutil.rmtree(root)
