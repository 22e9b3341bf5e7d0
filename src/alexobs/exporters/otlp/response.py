"""What an OTLP back end says: partial success, status messages, when to come again.

Nothing here raises: an answer that makes no sense says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from alexobs.exporters.otlp.reader import VARINT, fields

if TYPE_CHECKING:
    from alexobs.exporters.transport import Answer

_REJECTED_KEYS = ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")
_INT64_MAX = (1 << 63) - 1


class PartialSuccess(NamedTuple):
    """How many records were refused, and why."""

    rejected: int = 0
    message: str = ""


def partial_success(body: bytes) -> PartialSuccess:
    """Return the partial success in an ``Export…ServiceResponse`` in protobuf.

    All three signals' responses share their numbers: ``partial_success = 1`` of
    ``{rejected_… = 1, error_message = 2}``.
    """
    rejected, message = 0, ""
    try:
        for outer in fields(body):
            if outer.number != 1:
                continue
            inner_body = outer.payload(body)
            for inner in fields(inner_body):
                if inner.number == 1 and inner.wire_type == VARINT:
                    rejected = inner.value if inner.value <= _INT64_MAX else 0
                elif inner.number == 2:
                    message = inner.payload(inner_body).decode("utf-8", "replace")
    except ValueError:
        return PartialSuccess()
    return PartialSuccess(rejected, message)


def partial_success_of(answer: Answer) -> PartialSuccess:
    """Return the partial success in an HTTP answer, in protobuf or JSON."""
    if not answer.body:
        return PartialSuccess()
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _from_json(answer.body)
    if kind in {"", "application/x-protobuf", "application/protobuf"}:
        return partial_success(answer.body)
    return PartialSuccess()


def _from_json(body: bytes) -> PartialSuccess:
    partial = _object(_object(_parsed(body)).get("partialSuccess"))
    try:
        rejected = max(int(partial.get(key) or 0) for key in _REJECTED_KEYS)
    except (TypeError, ValueError):
        rejected = 0
    return PartialSuccess(max(rejected, 0), str(partial.get("errorMessage") or ""))


def error_message(answer: Answer) -> str:
    """Return the message of a ``google.rpc.Status`` in protobuf or JSON, or the body as text."""
    if 300 <= answer.status < 400:
        return "a redirect, which is not followed; configure the address that it leads to"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-protobuf", "application/protobuf"}:
        return status_of(answer.body).message
    if kind == "application/json":
        message = _object(_parsed(answer.body)).get("message")
        if isinstance(message, str):
            return message
    return answer.body.decode("utf-8", "replace")


class RpcStatus(NamedTuple):
    """A ``google.rpc.Status``: its message, and the delay of a ``RetryInfo`` in its details."""

    message: str = ""
    retry_delay_s: float | None = None


def status_of(body: bytes) -> RpcStatus:
    """Parse a ``google.rpc.Status`` (``message = 2``, ``details = 3`` of ``Any``)."""
    message, delay_s = "", None
    try:
        for part in fields(body):
            if part.number == 2:
                message = part.payload(body).decode("utf-8", "replace")
            elif part.number == 3:
                found = _retry_delay_s(part.payload(body))
                delay_s = found if found is not None else delay_s
    except ValueError:
        pass
    return RpcStatus(message, delay_s)


def _retry_delay_s(detail: bytes) -> float | None:
    """Return the delay of an ``Any`` (``type_url = 1``, ``value = 2``) that is a RetryInfo."""
    parts = {part.number: part.payload(detail) for part in fields(detail)}
    if not parts.get(1, b"").endswith(b"/google.rpc.RetryInfo"):
        return None
    info = parts.get(2, b"")
    for part in fields(info):
        if part.number == 1:
            duration = part.payload(info)
            numbers = {n.number: n.value for n in fields(duration) if n.wire_type == VARINT}
            return _signed(numbers.get(1, 0)) + _signed(numbers.get(2, 0)) / 1e9
    return 0.0


def _signed(number: int) -> int:
    return number - (1 << 64) if number > _INT64_MAX else number


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
