"""One HTTP client for all back ends: persistent connections, deadlines, no surprises.

urllib3 is imported at the first request, not before: a process that exports nothing pays nothing.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
import zlib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context as otel_context

from alexobs.exporters.endpoints import Certificates, Endpoint
from alexobs.forks import unforked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import urllib3

# Level 1 takes 1 ms for 200 KB of spans and makes them 5.3 times smaller; level 6 takes 2.5 ms
# for 5.5 times (decision record 0007). zlib releases the interpreter while it works.
GZIP_LEVEL = 1
_GZIP_MIN_BYTES = 512
_ANSWER_MAX_BYTES = 65_536
_REDIRECTS_SAME_METHOD = (307, 308)
# What instrumentations of HTTP clients look for, in the order of their age.
_SUPPRESSION_KEYS = (
    "suppress_instrumentation",
    otel_context._SUPPRESS_INSTRUMENTATION_KEY,  # noqa: SLF001 - the API's only name for it
    getattr(otel_context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation"),
)


class Answer(NamedTuple):
    """A back end's answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnreachableError(Exception):
    """There was no answer; the message says why and holds neither headers nor credentials."""


@cache
def import_what_requests_need() -> None:
    """Import it where no fork can come between: see `alexobs.forks`."""
    with unforked():
        for module in ("encodings.idna", "urllib3", "urllib.request", "email.utils"):
            import_module(module)
        user_agent()


@cache
def user_agent() -> str:
    """Return how we introduce ourselves, as ``alexobs/1.2 Python/3.11.7``."""
    from importlib import metadata  # noqa: PLC0415 - 6 ms, at the first request

    try:
        version = metadata.version("alexobs")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return f"alexobs/{version} Python/{platform.python_version()}"


@contextlib.contextmanager
def no_instrumentation() -> Iterator[None]:
    """Keep other people's instrumentation from recording what we send."""
    context = otel_context.get_current()
    for key in _SUPPRESSION_KEYS:
        context = otel_context.set_value(key, True, context)
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)


def compress(body: bytes) -> bytes:
    """Return `body` in gzip format."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


def redacted(text: str, headers: Mapping[str, str]) -> str:
    """Return `text` without the values of `headers`, whole or without their scheme."""
    for value in headers.values():
        for secret in (value, value.rpartition(" ")[2]):
            if len(secret) >= 4:
                text = text.replace(secret, "[redacted]")
    return text


class HttpTransport:
    """Posts bodies to one origin.

    Args:
        endpoint: whose origin is spoken to.
        headers: sent with every request; names in lower case.
        gzip: compress bodies that are worth it.
        certificates: for https.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str] | None = None,
        *,
        gzip: bool = True,
        certificates: Certificates | None = None,
    ) -> None:
        self._origin = endpoint.origin
        self._headers = dict(headers or {})
        if endpoint.authorization:
            self._headers.setdefault("authorization", endpoint.authorization)
        self._gzip = gzip
        self._certificates = certificates or Certificates()
        # No lock: one that another thread held when a process forked would stay shut in the child.
        self._pool: tuple[int, urllib3.PoolManager] | None = None

    def post(self, endpoint: Endpoint, body: bytes, content_type: str, timeout_s: float) -> Answer:
        """Send `body` and return the answer, whatever its status.

        A redirect that keeps the method is followed once, and only within the origin.

        Raises:
            UnreachableError: when there is no answer within `timeout_s`.
        """
        import_what_requests_need()
        headers = {"user-agent": user_agent(), **self._headers, "content-type": content_type}
        if self._gzip and len(body) >= _GZIP_MIN_BYTES:
            body = compress(body)
            headers["content-encoding"] = "gzip"
        deadline = time.monotonic() + timeout_s
        try:
            with no_instrumentation():
                answer = self._request(endpoint.target, body, headers, deadline)
                location = self._same_origin(answer)
                if location:
                    answer = self._request(location, body, headers, deadline)
        except Exception as error:
            raise UnreachableError(f"{endpoint.display}: {_reason(error)}") from None
        return answer

    def close(self) -> None:
        """Close the connections, unless they belong to the process we were forked from."""
        pool, self._pool = self._pool, None
        if pool is not None and pool[0] == os.getpid():
            pool[1].clear()

    def redact(self, text: str) -> str:
        """Return `text` without the values of our headers, should a server echo them."""
        return redacted(text, self._headers)

    def _request(
        self, target: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> Answer:
        import urllib3  # noqa: PLC0415 - see the module's docstring

        left_s = max(deadline - time.monotonic(), 0.001)
        response = self._connected().request(
            "POST",
            self._origin + target,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(total=left_s),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        answer_headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, answer_headers, _read(response, deadline))

    def _connected(self) -> urllib3.PoolManager:
        pool = self._pool
        if pool is None or pool[0] != os.getpid():
            # A forked child must not write into its parent's connections.
            pool = self._pool = (os.getpid(), self._new_pool())
        return pool[1]

    def _new_pool(self) -> urllib3.PoolManager:
        import urllib3  # noqa: PLC0415 - see the module's docstring
        from urllib3.util import parse_url  # noqa: PLC0415 - as above

        options: dict[str, Any] = {"num_pools": 4, "maxsize": 2}
        files = self._certificates
        if files.trusted:
            options["ca_certs"] = files.trusted
        if files.client:
            options |= {"cert_file": files.client, "key_file": files.client_key or None}
        proxy = _proxy_for(self._origin)
        if not proxy:
            return urllib3.PoolManager(**options)
        credentials = parse_url(proxy).auth
        proxy_headers = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
        return urllib3.ProxyManager(proxy, proxy_headers=proxy_headers, **options)

    def _same_origin(self, answer: Answer) -> str:
        location = answer.headers.get("location", "")
        if answer.status not in _REDIRECTS_SAME_METHOD:
            return ""
        if location.startswith(self._origin + "/"):
            return location[len(self._origin) :]
        return location if location.startswith("/") and not location.startswith("//") else ""


def _proxy_for(origin: str) -> str:
    """Return the proxy that the environment names for `origin`, or nothing."""
    from urllib import request  # noqa: PLC0415 - 10 ms, at the first request

    scheme, _, authority = origin.partition("://")
    if request.proxy_bypass(authority):
        return ""
    proxy = request.getproxies().get(scheme, "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Read the answer as far as it matters; what is too long or too late is left.

    The status has arrived: a body that breaks off does not change what it says.
    """
    body = bytearray()
    complete = False
    with contextlib.suppress(Exception):
        while len(body) < _ANSWER_MAX_BYTES and time.monotonic() < deadline:
            chunk = response.read1(_ANSWER_MAX_BYTES)
            if not chunk:
                complete = True
                break
            body += chunk
    if complete:
        response.release_conn()
    else:
        response.close()
    return bytes(body[:_ANSWER_MAX_BYTES])


def _reason(error: BaseException) -> str:
    """Say what went wrong, in words that hold no header, query or credential."""
    cause: BaseException | None = error
    for _ in range(8):
        if isinstance(cause, TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        following = getattr(cause, "reason", None)
        if not isinstance(following, BaseException):
            following = cause.__cause__ or cause.__context__ if cause is not None else None
        if following is None:
            break
        cause = following
    name = type(cause or error).__name__
    return "no answer in time" if "Timeout" in name else name
