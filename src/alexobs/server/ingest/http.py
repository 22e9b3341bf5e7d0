"""OTLP over HTTP: protobuf and JSON, plain or compressed, answered as the specification says."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.ingest import proto
from alexobs.server.ingest.compression import ENCODINGS, TooLargeError, unpack
from alexobs.server.ingest.decode import BadRequestError
from alexobs.server.ingest.intake import COMMIT_TIMEOUT_S, RETRY_AFTER_S
from alexobs.server.ingest.json_form import message_from_json
from alexobs.server.ingest.writer import FullError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from starlette.types import Receive, Scope, Send

    from alexobs.records import Signal
    from alexobs.server.ingest.decode import Checked
    from alexobs.server.ingest.intake import Intake

PATHS: Final[dict[str, Signal]] = {
    "/v1/traces": "traces",
    "/v1/logs": "logs",
    "/v1/metrics": "metrics",
}
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
# What is rejected, by signal, in JSON's spelling.
REJECTED: Final = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}
_SMALL: Final = 16 << 10  # bodies below this are parsed on the event loop: 30 µs


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """An answer other than 200."""

    def __init__(self, status: int, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry


class OtlpApp:
    """The ASGI application of the OTLP port."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        try:
            signal = _signal(scope, kind)
            body = await self._body(receive, headers)
            checked = await self._take(signal, kind, body)
        except Refusal as refusal:
            await _answer_refusal(send, kind, refusal)
            return
        await _answer(send, 200, kind, _success(kind, checked))

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        if encoding and encoding not in ENCODINGS:
            raise Refusal(415, f"content-encoding {encoding[:40]!r}; taken: {', '.join(ENCODINGS)}")
        limit = self._intake.max_body
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise Refusal(413, _too_large(limit))
        if declared.isdigit() and not self._intake.writer.has_room(int(declared)):
            raise Refusal(429, "the server has more to write than it can hold", retry=True)
        body = await _read(receive, limit)
        if not encoding or encoding == "identity":
            return body
        try:
            return await asyncio.to_thread(unpack, body, encoding, limit)
        except TooLargeError:
            raise Refusal(413, _too_large(limit)) from None
        except BadRequestError as error:
            raise Refusal(400, str(error)) from None

    async def _take(self, signal: Signal, kind: str, body: bytes) -> Checked:
        try:
            if kind == JSON or len(body) > _SMALL:
                checked, done = await asyncio.to_thread(self._check, signal, kind, body)
            else:
                checked, done = self._check(signal, kind, body)
            await asyncio.wait_for(asyncio.wrap_future(done), COMMIT_TIMEOUT_S)
        except BadRequestError as error:
            raise Refusal(400, str(error)) from None
        except FullError:
            message = "the server has more to write than it can hold"
            raise Refusal(429, message, retry=True) from None
        except TimeoutError:
            raise Refusal(503, "not written in time", retry=True) from None
        except Exception as error:
            message = f"not written: {type(error).__name__}: {error}"
            raise Refusal(503, message[:300], retry=True) from None
        return checked

    def _check(self, signal: Signal, kind: str, body: bytes) -> tuple[Checked, Future[None]]:
        if kind == JSON:
            checked = self._intake.checker.check_message(signal, message_from_json(signal, body))
            return self._intake.queue(checked, len(body))
        return self._intake.take(signal, body)


def _signal(scope: Scope, kind: str) -> Signal:
    signal = PATHS.get(scope["path"].rstrip("/"))
    if signal is None:
        raise Refusal(404, f"OTLP is taken at {', '.join(PATHS)}")
    if scope["method"] != "POST":
        raise Refusal(405, "only POST is taken")
    if kind not in (PROTOBUF, JSON):
        raise Refusal(415, f"content-type {kind[:60]!r}; taken: {PROTOBUF}, {JSON}")
    return signal


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the client went away")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise Refusal(413, _too_large(limit))
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit >> 20} MiB: send smaller batches"


def _success(kind: str, checked: Checked) -> bytes:
    if kind == JSON:
        partial: dict[str, Any] = {}
        if checked.rejected:
            rejected = REJECTED[checked.signal]
            partial = {
                "partialSuccess": {rejected: checked.rejected, "errorMessage": checked.message}
            }
        return json.dumps(partial).encode()
    response = proto.Response()
    if checked.rejected:
        response.partial_success.rejected = checked.rejected
        response.partial_success.error_message = checked.message
    encoded: bytes = response.SerializeToString()
    return encoded


async def _answer_refusal(send: Send, kind: str, refusal: Refusal) -> None:
    message = str(refusal)
    if kind == JSON:
        body = json.dumps({"message": message}).encode()
    else:
        kind, body = PROTOBUF, proto.RPCStatus(message=message).SerializeToString()
    extra = [(b"retry-after", b"%d" % RETRY_AFTER_S)] if refusal.retry else []
    if refusal.status == 405:
        extra.append((b"allow", b"POST"))
    await _answer(send, refusal.status, kind, body, extra)


async def _answer(
    send: Send, status: int, kind: str, body: bytes, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        (b"content-type", kind.encode("latin-1")),
        (b"content-length", b"%d" % len(body)),
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
