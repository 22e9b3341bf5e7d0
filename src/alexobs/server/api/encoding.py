"""Values to JSON, and errors to responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from alexobs.server.api.faults import ApiError


def encode(value: Any) -> bytes:
    """Return JSON; what JSON has no form for, as an answer to SQL may hold, becomes text."""
    try:
        return _encoder.encode(value)
    except (TypeError, OverflowError, ValueError):
        return _encoder.encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _text(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


_encoder: Final = msgspec.json.Encoder(enc_hook=_text)


def error_response(error: ApiError) -> Response:
    """Return an error in the one shape that all have."""
    headers = {"allow": error.hint.partition(" ")[0]} if error.status == 405 else None
    return Response(
        msgspec.json.encode(error.body()), error.status, headers, media_type="application/json"
    )
