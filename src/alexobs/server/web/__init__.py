"""The web page: static files, served as they stand; there is no build step.

``index.html`` loads ``main.js``; ``state.js`` keeps everything that a link should keep in the URL
(``#/traces/<id>?span=…``), so the server knows one page only. ``vendor/`` holds third-party modules
as published; ``scripts/vendor_web.py`` takes them from their packages and records their hashes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

FOLDER: Final = Path(__file__).parent
PAGES: Final = ("overview", "traces", "sessions", "logs", "costs", "health")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}


def routes(_context: Any) -> list[Route]:
    """Return a route for each file, and redirects so that ``/traces/<id>`` is a link as well."""
    files = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in _TYPES]
    found = [Route("/", _file(FOLDER / "index.html"))]
    found += [Route(f"/{path.relative_to(FOLDER).as_posix()}", _file(path)) for path in files]
    found += [Route(f"/{page}", _to_page) for page in PAGES]
    found += [Route(f"/{page}/{{id:path}}", _to_page) for page in PAGES]
    return found


def _file(path: Path) -> Any:
    """Return an endpoint that answers with the file, or that the browser has it already."""
    media_type = _TYPES[path.suffix]

    def endpoint(request: Request) -> Response:
        body = path.read_bytes()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return endpoint


async def _to_page(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/#{quote(request.url.path)}{query}", 307)
