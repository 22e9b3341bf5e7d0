"""The server's API, for commands that ask it, and tables of what it answers."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

import urllib3

from alexobs.errors import AlexobsError
from alexobs.exporters.display import cells, fitted, printable, usd_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

DEFAULT_URL: Final = "http://127.0.0.1:4319"
CONNECT_S: Final = 2.0
READ_S: Final = 60.0
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COLUMN_MAX: Final = 60


class ApiClientError(AlexobsError):
    """The server cannot be asked, or says no; the message says what to do."""


class Client:
    """Asks one server.

    Args:
        url: where the page and the API are.
        token: the server's token; empty for one on this machine.
    """

    def __init__(self, url: str = "", token: str = "") -> None:
        self.url = (url or os.environ.get("ALEX_SERVER_URL", "") or DEFAULT_URL).rstrip("/")
        token = token or os.environ.get("ALEX_SERVER_TOKEN", "")
        self._headers = {"accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S), retries=False
        )

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON at ``/api/<path>``; parameters that are None or empty are left out.

        Raises:
            ApiClientError: no server answers there, or it answers with an error.
        """
        with self.stream(path, **parameters) as response:
            return json.loads(response.read())

    def stream(
        self, path: str, *, headers: dict[str, str] | None = None, **parameters: Any
    ) -> urllib3.BaseHTTPResponse:
        """Return an open response, to be read in pieces and closed."""
        given = {
            name.rstrip("_"): value
            for name, value in parameters.items()
            if value not in (None, "", [])
        }
        query = urllib.parse.urlencode(given, doseq=True)
        return self._ask("GET", f"{path}?{query}" if query else path, headers=headers)

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON that the server answers to `body`."""
        with self._ask("POST", path, body=json.dumps(body).encode()) as response:
            return json.loads(response.read())

    def pages(self, path: str, key: str, limit: int, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield at most `limit` rows of a list, over as many pages as it takes."""
        cursor = None
        while limit > 0:
            page = self.get(path, limit=min(limit, 500), cursor=cursor, **parameters)
            yield from page[key]
            limit -= len(page[key])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            response = self._pool.request(
                method, f"{self.url}/api/{path}", body=body, headers=sent, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiClientError(self._absent(error)) from None
        if response.status >= 400:
            raise ApiClientError(self._refusal(response))
        return response

    def _absent(self, error: Exception) -> str:
        if isinstance(error, urllib3.exceptions.LocationValueError):
            return f"{self.url} is no address of a server: {error}"
        return (
            f"no server answers at {self.url}: start one with `alexobs up`, or say where it is "
            "with --url or ALEX_SERVER_URL"
        )

    def _refusal(self, response: urllib3.BaseHTTPResponse) -> str:
        with response:
            text = response.read(100_000)
        try:
            error = json.loads(text)["error"]
            hint = error.get("hint")
            return str(error["message"]) + (f"\n  {hint}" if hint else "")
        except (ValueError, KeyError, TypeError):
            return f"{self.url} answers {response.status}, and is no alexobs server"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what all commands that ask the server take."""
    parser.add_argument("--url", default="", help=f"the server (default: {DEFAULT_URL})")
    parser.add_argument("--token", default="", help="its token (default: $ALEX_SERVER_TOKEN)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_window(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Add `--since` and `--until`."""
    usual = f" (default: {default})" if default else ""
    forms = "30m, 12h, 7d, or a time as 2026-01-31T09:00"
    parser.add_argument("--since", default=default, help=f"{forms}{usual}")
    parser.add_argument("--until", default="", help="the same; default: now")


def window_of(args: argparse.Namespace) -> dict[str, int | None]:
    """Return the window that was asked for, as the API takes it."""
    return {"from_": moment_ms(args.since), "to": moment_ms(args.until)}


def moment_ms(text: str) -> int | None:
    """Return a moment as Unix milliseconds; ``15m`` is that long ago.

    Raises:
        ApiClientError: `text` is no moment.
    """
    from datetime import datetime  # noqa: PLC0415 - costs time at each start

    if not text:
        return None
    if text[-1] in _UNITS_S and text[:-1].isdecimal():
        return int((time.time() - int(text[:-1]) * _UNITS_S[text[-1]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        message = f"{text!r} is no time: write 30m, 12h, 7d, or 2026-01-31T09:00"
        raise ApiClientError(message) from None


def client_of(args: argparse.Namespace) -> Client:
    """Return the client that the options ask for."""
    return Client(args.url, args.token)


def print_json(value: Any) -> None:
    """Print for programs."""
    print(json.dumps(value, indent=2))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Return a table; columns of which `right` has an ``r`` at their place are flush right."""
    fit = [[fitted(printable(cell), _COLUMN_MAX) for cell in row] for row in (head, *rows)]
    widths = [max(map(cells, column)) for column in zip(*fit, strict=True)]
    return "\n".join(
        "  ".join(
            _filled(cell, width, right[place : place + 1] == "r")
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in fit
    )


def _filled(cell: str, width: int, flush_right: bool) -> str:
    gap = " " * (width - cells(cell))
    return gap + cell if flush_right else cell + gap


def when(time_ms: float) -> str:
    """Return a moment in local time."""
    return time.strftime("%m-%d %H:%M:%S", time.localtime(time_ms / 1000))


def cost_text(row: dict[str, Any]) -> str:
    """Return a cost; what has no price is called so, and never costs nothing."""
    unpriced = row.get("unpriced_calls") or (1 if row.get("unpriced") else 0)
    if row["cost_usd"] is None:
        return "unpriced" if unpriced else "-"
    return usd_text(row["cost_usd"]) + ("+?" if unpriced else "")
