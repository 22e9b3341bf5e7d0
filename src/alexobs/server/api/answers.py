"""Requests to handlers, and what they return to responses."""

from __future__ import annotations

import gzip
import hashlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from alexobs.server.api.encoding import encode, error_response
from alexobs.server.api.endpoints import ENDPOINTS
from alexobs.server.api.faults import ApiError
from alexobs.server.api.live import LIVE_PATH, live_route
from alexobs.server.api.openapi import document
from alexobs.server.api.parameters import read_all
from alexobs.server.security import is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from alexobs.server.api.endpoints import Endpoint
    from alexobs.server.app import Context

    Handler = Callable[[Context, dict[str, Any]], Any]
    Answer = Callable[[Request], Awaitable[Response]]

# A megabyte takes 8 ms to compress, which pays on a network and not within one machine.
COMPRESSED_FROM_BYTES: Final = 1400
MAX_REQUEST_BYTES: Final = 1 << 20


def api_routes(context: Context) -> list[BaseRoute]:
    """Return a route for each endpoint, one for the description, and one for all other paths."""
    found: list[BaseRoute] = [
        _route(endpoint, context) for endpoint in ENDPOINTS if endpoint.path != LIVE_PATH
    ]
    found.append(live_route(context))
    paths = {endpoint.path: endpoint.method for endpoint in ENDPOINTS}
    found += [
        Route(_starlette_path(path), _only(method), methods=_OTHERS - {method, "HEAD"})
        for path, method in paths.items()
    ]
    found.append(Route("/api/openapi.json", _described))
    found.append(Route("/api/{path:path}", _nothing, methods=_OTHERS))
    return found


_OTHERS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def _route(endpoint: Endpoint, context: Context) -> Route:
    return Route(
        _starlette_path(endpoint.path), _answering(endpoint, context), methods=[endpoint.method]
    )


def _starlette_path(path: str) -> str:
    """Let names and session ids hold slashes."""
    return path.replace("{session_id}", "{session_id:path}").replace("{name}", "{name:path}")


def handler_of(endpoint: Endpoint) -> Handler:
    """Return the function that answers."""
    module, _, name = endpoint.handler.partition(":")
    handler: Handler = getattr(import_module(f"alexobs.server.api.{module}"), name)
    return handler


def _answering(endpoint: Endpoint, context: Context) -> Answer:
    handler = handler_of(endpoint)

    async def answer(request: Request) -> Response:
        try:
            values = read_all(
                endpoint.parameters, request.path_params, request.query_params.multi_items()
            )
            if endpoint.method == "POST":
                values["body"] = await _body(request)
            found = await run_in_threadpool(handler, context, values)
        except ApiError as error:
            return error_response(error)
        if isinstance(found, Response):
            return found
        return await run_in_threadpool(json_response, request, found)

    return answer


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, "unsupported_media_type", f"{kind[:80] or 'no content type'} is not taken here",
            "Send application/json.",
        )  # fmt: skip
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            raise ApiError(413, "too_large", f"the request is over {MAX_REQUEST_BYTES} bytes")
    return bytes(body)


def json_response(request: Request, value: Any) -> Response:
    """Return `value` as JSON; unchanged since the client's copy, nothing; far away, compressed."""
    body = encode(value)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.method in {"GET", "HEAD"} and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if len(body) >= COMPRESSED_FROM_BYTES and _wants_gzip(request):
        body = gzip.compress(body, 5, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


def _wants_gzip(request: Request) -> bool:
    near = request.client is not None and is_loopback(request.client.host)
    return not near and "gzip" in request.headers.get("accept-encoding", "")


def _only(method: str) -> Answer:
    async def refuse(request: Request) -> Response:
        message = f"{request.method} is not taken here"
        return error_response(ApiError(405, "method_not_allowed", message, f"{method} is."))

    return refuse


async def _nothing(request: Request) -> Response:
    path = request.url.path[:200]
    return error_response(
        ApiError(404, "not_found", f"there is no {path}", "See /api/openapi.json.")
    )


async def _described(request: Request) -> Response:
    return json_response(request, document())
