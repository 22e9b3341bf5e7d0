"""Server-sent events: what commits bring, as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from alexobs.server.api.encoding import encode, error_response
from alexobs.server.api.endpoints import ENDPOINTS
from alexobs.server.api.faults import ApiError
from alexobs.server.api.logs import log_of
from alexobs.server.api.parameters import read_all
from alexobs.server.api.windows import ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from alexobs.server.app import Context

MAX_CLIENTS: Final = 64
# A client that has missed more than this loads anew; that is cheaper for both.
MAX_MISSED_COMMITS: Final = 1000
MAX_SPANS: Final = 2000
MAX_LOGS: Final = 500
# A person sees no difference, and a busy server makes one query of several commits.
LOOK_S: Final = 0.1
KEEP_ALIVE_S: Final = 15.0
LIVE_PATH: Final = "/api/live"
_SAME: Final = (
    "trace_id", "parent_span_id", "session_id", "name", "kind", "status", "error", "service",
    "model", "provider", "tool", "agent", "iteration", "ttft_ms", "input_tokens",
    "output_tokens", "cost_usd", "unpriced",
)  # fmt: skip


def live_route(context: Context) -> BaseRoute:
    """Return the route of the stream."""
    return Route(LIVE_PATH, _Live(context).answer, methods=["GET"])


class _Live:
    """Streams to a bounded number of clients."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clients = 0
        self._endpoint = next(one for one in ENDPOINTS if one.path == LIVE_PATH)

    async def answer(self, request: Request) -> Response:
        """Answer ``/api/live``."""
        try:
            values = self._admitted(request)
        except ApiError as error:
            return error_response(error)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        last = request.headers.get("last-event-id", "")
        if last.isascii() and last.isdigit() and len(last) < 19:
            values["after"] = int(last)
        return StreamingResponse(
            self._events(values), media_type="text/event-stream", headers=headers
        )

    def _admitted(self, request: Request) -> dict[str, Any]:
        if self._clients >= MAX_CLIENTS:
            message = f"{MAX_CLIENTS} clients follow already"
            raise ApiError(503, "too_many_clients", message, "Close a page or a tail.")
        return read_all(self._endpoint.parameters, {}, request.query_params.multi_items())

    async def _events(self, values: dict[str, Any]) -> AsyncIterator[bytes]:
        self._clients += 1
        try:
            async for event in self._follow(values):
                yield event
        finally:
            self._clients -= 1

    async def _follow(self, values: dict[str, Any]) -> AsyncIterator[bytes]:
        store, stopping = self._context.store, self._context.stopping
        loop = asyncio.get_running_loop()
        seen = store.committed if values["after"] is None else values["after"]
        end_s = loop.time() + values["max_s"]
        quiet_s = loop.time()
        yield b"retry: 1000\n: this is alexobs\n\n"
        while not stopping.is_set():
            committed = store.committed
            if committed != seen:
                for event in await run_in_threadpool(self._between, values, seen, committed):
                    yield event
                seen, quiet_s = committed, loop.time()
            elif loop.time() - quiet_s > KEEP_ALIVE_S:
                quiet_s = loop.time()
                yield b": still here\n\n"
            if loop.time() >= end_s:
                return
            await asyncio.sleep(min(LOOK_S, max(end_s - loop.time(), 0)))

    def _between(self, values: dict[str, Any], seen: int, committed: int) -> list[bytes]:
        """Return the events for the commits after `seen`."""
        missed = committed - seen
        if not 0 < missed <= MAX_MISSED_COMMITS:
            return [_event("reset", committed, {"missed_commits": max(missed, 0)})]
        asked = {
            "after_seq": seen,
            "until_seq": committed,
            "trace_id": values["trace"],
            "session": values["session"],
        }
        store = self._context.store
        spans = store.query("api_live_spans", **asked, limit=MAX_SPANS + 1).dicts()
        logs = store.query("api_logs", **asked, sign=1, limit=MAX_LOGS + 1).dicts()
        if len(spans) > MAX_SPANS or len(logs) > MAX_LOGS:
            return [_event("reset", committed, {"missed_commits": missed})]
        events = []
        if spans:
            events.append(_event("spans", committed, {"spans": [*map(_span_of, spans)]}))
        if logs:
            events.append(_event("logs", committed, {"logs": [*map(log_of, logs)]}))
        return events


def _span_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "span_id": row["span_hex"],
        "start_ms": ms(row["start_ns"]),
        "duration_ms": ms(row["duration_ns"]),
        **{key: row[key] for key in _SAME},
    }


def _event(kind: str, seq: int, data: dict[str, Any]) -> bytes:
    """JSON text has no line ends of its own, so that one data line is enough."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (kind.encode(), seq, encode({"seq": seq, **data}))
