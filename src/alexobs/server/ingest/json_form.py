"""OTLP in JSON: hexadecimal ids, numbers of 64 bits as text, unknown members ignored."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import msgspec
from google.protobuf import json_format

from alexobs.server.ingest import proto
from alexobs.server.ingest.decode import BadRequestError

if TYPE_CHECKING:
    from alexobs.records import Signal

_IDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
_ENUMS: Final = {"kind", "code", "severityNumber", "aggregationTemporality"}
_MAX_DEPTH: Final = 64


def message_from_json(signal: Signal, body: bytes) -> Any:
    """Return the request in `body`.

    Raises:
        BadRequestError: it is no OTLP request of this signal.
    """
    try:
        plain = msgspec.json.decode(body)
        if not isinstance(plain, dict):
            raise BadRequestError("the body is no JSON object")
        _use_base64(plain, 0)
        message = proto.REQUESTS[signal]()
        json_format.ParseDict(
            plain, message, ignore_unknown_fields=True, max_recursion_depth=_MAX_DEPTH
        )
    except (msgspec.DecodeError, json_format.ParseError, RecursionError, ValueError) as error:
        raise BadRequestError(f"the body is no OTLP {signal} request: {error}"[:500]) from None
    return message


def _use_base64(node: Any, depth: int) -> None:
    """Turn ids from hexadecimal text into base64, which protobuf's JSON has for bytes."""
    if depth > 2 * _MAX_DEPTH:
        raise BadRequestError("the body is nested too deeply")
    if isinstance(node, list):
        for item in node:
            _use_base64(item, depth + 1)
    elif isinstance(node, dict):
        for name in _IDS:
            value = node.get(name)
            if isinstance(value, str):
                node[name] = base64.b64encode(_from_hex(value)).decode()
        for name, value in node.items():
            if isinstance(value, (dict, list)):
                _use_base64(value, depth + 1)
            elif name in _ENUMS and isinstance(value, str) and value.startswith(_PREFIXES):
                node[name] = _number_of(value)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b"?"  # no valid length, so that the record is rejected and its neighbours are not


_PREFIXES: Final = (
    "SPAN_KIND_",
    "STATUS_CODE_",
    "SEVERITY_NUMBER_",
    "AGGREGATION_TEMPORALITY_",
)
_NAMES: Final = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(
        ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
    )
} | {
    "STATUS_CODE_UNSET": 0,
    "STATUS_CODE_OK": 1,
    "STATUS_CODE_ERROR": 2,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}


def _number_of(name: str) -> int:
    """Return the number of an enum's name, which older exporters write."""
    levels = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    level = name.removeprefix("SEVERITY_NUMBER_")
    if level.rstrip("234") in levels:
        return levels.index(level.rstrip("234")) * 4 + int(level[-1] if level[-1] in "234" else 1)
    return _NAMES.get(name, 0)
