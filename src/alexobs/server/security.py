"""Who may ask, and what every answer carries."""

from __future__ import annotations

import hmac
import ipaddress
import json
from typing import TYPE_CHECKING, Any, Final

from alexobs import __version__, semconv
from alexobs.errors import ServerError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing from elsewhere, nothing inline, no frames: markup in telemetry has nothing to run with.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = [
    (semconv.SERVER_HEADER.encode(), __version__.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_WEB_HEADERS: Final = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
_PAGE_FILES: Final = (".html", ".js", ".css", ".svg", ".woff2")
_PAGE_LINKS: Final = ("/overview", "/traces", "/sessions", "/logs", "/costs", "/health")
COOKIE: Final = "alexobs-token"


def check_host(host: str, token: str) -> None:
    """Refuse to listen beyond this machine without a token.

    Raises:
        ServerError: `host` is no loopback address and there is no token.
    """
    if not token and not is_loopback(host):
        raise ServerError(
            f"--host {host} can be reached from other machines: give --token as well, or listen "
            "on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware: Host, Origin, token, and the headers of every answer.

    Args:
        app: what is guarded.
        token: asked for as ``Authorization: Bearer …`` (and by the page as a cookie); empty: none.
        host: the address that is listened on.
        web: whether browsers are served, which get the content security policy.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str, web: bool) -> None:
        self._app = app
        self._token = token.encode()
        self._any_host = not is_loopback(host)
        self._web = web
        self._headers = _HEADERS + (_WEB_HEADERS if web else [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        headers = dict(scope["headers"])
        refusal = self._refusal(scope["path"], headers, scope.get("query_string", b""))
        if refusal is not None:
            await send_error(send_with_headers, *refusal)
            return
        await self._app(scope, receive, send_with_headers)

    def _refusal(
        self, path: str, headers: dict[bytes, bytes], query: bytes
    ) -> tuple[int, str, str, str] | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._any_host and _name_of(host) not in _LOOPBACK_NAMES:
            hint = "a page elsewhere may be trying to reach this server through your browser"
            return 403, "foreign_host", f"this server is not called {host[:100]!r}", hint
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != host:
            hint = "requests from other web pages are refused"
            return 403, "foreign_origin", f"origin {origin[:100]!r} is refused", hint
        if self._token and not self._is_open(path) and not self._knows_token(headers):
            return 401, "unauthorized", "the token is missing or wrong", "Authorization: Bearer …"
        return None

    def _is_open(self, path: str) -> bool:
        """Whether `path` needs no token: health, and the page's files, which then ask for it."""
        if path in _OPEN_PATHS:
            return True
        of_page = path == "/" or path.endswith(_PAGE_FILES) or path.startswith(_PAGE_LINKS)
        return self._web and of_page and not path.startswith(("/api/", "/metrics"))

    def _knows_token(self, headers: dict[bytes, bytes]) -> bool:
        given = headers.get(b"authorization", b"")
        if given[:7].lower() == b"bearer ":
            return hmac.compare_digest(given[7:], self._token)
        for pair in headers.get(b"cookie", b"").split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if name == COOKIE.encode():
                return hmac.compare_digest(value, self._token)
        return False


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def error_body(code: str, message: str, hint: str = "") -> dict[str, Any]:
    """Return the one shape in which the API reports errors."""
    error = {"code": code, "message": message}
    return {"error": error | {"hint": hint} if hint else error}


async def send_error(send: Send, status: int, code: str, message: str, hint: str = "") -> None:
    """Answer with an error, below Starlette."""
    body = json.dumps(error_body(code, message, hint)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
