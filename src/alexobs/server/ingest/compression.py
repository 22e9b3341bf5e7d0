"""Unpacks request bodies, never beyond a bound."""

from __future__ import annotations

import zlib

import zstandard

from alexobs.server.ingest.decode import BadRequestError

ENCODINGS = ("identity", "gzip", "deflate", "zstd")


class TooLargeError(Exception):
    """A body that is, or unpacks to, more than is taken."""


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the unpacked body.

    Raises:
        TooLargeError: it would be more than `max_bytes`; no more than that is ever unpacked.
        BadRequestError: it is damaged.
    """
    if encoding in ("", "identity"):
        return body
    try:
        if encoding == "zstd":
            return _unpack_zstd(body, max_bytes)
        return _unpack_zlib(body, 47 if encoding == "gzip" else 15, max_bytes)
    except (zlib.error, zstandard.ZstdError) as error:
        raise BadRequestError(f"the body is no {encoding}: {error}") from None


def _unpack_zlib(body: bytes, window: int, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:  # a gzip file may have several members
        machine = zlib.decompressobj(window)
        parts.append(machine.decompress(body, max_bytes - size + 1))
        size += len(parts[-1])
        if size > max_bytes:
            raise TooLargeError
        if not machine.eof:
            raise BadRequestError("the body is truncated")
        body = machine.unused_data
    return b"".join(parts)


def _unpack_zstd(body: bytes, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        body, read_across_frames=True
    ) as reader:
        while part := reader.read(1 << 20):
            size += len(part)
            if size > max_bytes:
                raise TooLargeError
            parts.append(part)
    return b"".join(parts)
