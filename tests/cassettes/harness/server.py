"""A server that answers from recorded interactions, matched by method, path, query and body."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.recording import Interaction

Key = tuple[str, str, str, str]


class ReplayServer:
    """Answers requests from one file at a time.

    Equal requests get their responses in the order of the file. A request that differs from all
    recorded ones in its body alone gets the response of the most similar one that has not been
    used, and the difference is noted in `differences`.
    """

    def __init__(self) -> None:
        self._by_key: dict[Key, list[Interaction]] = defaultdict(list)
        self.served: list[Interaction] = []
        self.differences: list[str] = []
        self._server = LoopbackServer(self._answer)
        self.url = self._server.url

    def close(self) -> None:
        self._server.close()

    def load(self, interactions: Iterable[Interaction]) -> None:
        self._by_key.clear()
        self.served = []
        self.differences = []
        for item in interactions:
            self._by_key[recorded_key(item)].append(item)

    def _answer(self, request: Request) -> Response:
        query = canonical_query(dict(parse_qsl(request.query)))
        key = (request.method, request.path, query, canonical(request.content))
        found = self._take(key) or self._nearest(key)
        if found is None:
            body = {"error": {"message": f"not recorded: {request.method} {request.path}?{query}"}}
            return Response(418, json.dumps(body).encode(), {"Content-Type": "application/json"})
        self.served.append(found)
        return recorded_response(found)

    def _take(self, key: Key) -> Interaction | None:
        left = self._by_key.get(key)
        if not left:
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    def _nearest(self, key: Key) -> Interaction | None:
        near = [other for other in self._by_key if other[:3] == key[:3]]
        fresh = [other for other in near if not set(self._by_key[other]) & set(self.served)]
        if not near:
            return None
        words = set(re.findall(r"\w+", key[3]))
        best = max(fresh or near, key=lambda other: len(words & set(re.findall(r"\w+", other[3]))))
        self.differences.append(difference(best[3], key[3]))
        return self._take(best)


def recorded_key(item: Interaction) -> Key:
    query = canonical_query(dict(item.query))
    return (item.method, item.path, query, canonical(item.request_body))


def recorded_response(item: Interaction) -> Response:
    if not item.is_event_stream:
        return Response(item.status, item.response_body, dict(item.response_headers))
    # One write per event, as a provider sends them; the bytes are the recorded ones.
    chunks = re.findall(rb".+?(?:\r?\n\r?\n|\Z)", item.response_body, re.DOTALL)
    return Response(item.status, headers=dict(item.response_headers), chunks=chunks)


def canonical_query(query: dict[str, str]) -> str:
    # The Anthropic package says "beta" in the query up to version 1 and not from 2 on.
    names = sorted(name for name in query if name != "beta")
    return "&".join(f"{name}={query[name]}" for name in names)


def canonical(body: bytes) -> str:
    """Return a body in a form in which equal requests are equal texts.

    JSON keys in either case style count as one; nulls, empty objects and ``stream: false`` count
    as absent, because the packages differ in them from one version to the next.
    """
    if not body.strip():
        return ""
    try:
        parsed = json.loads(body)
    except ValueError:
        return body.decode("latin-1")
    return json.dumps(_plain(parsed), sort_keys=True)


def difference(recorded: str, sent: str) -> str:
    """Return which top-level members of two canonical bodies differ."""
    old, new = json.loads(recorded or "{}"), json.loads(sent or "{}")
    names = sorted({*old, *new})
    return ", ".join(name for name in names if old.get(name) != new.get(name))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z0-9])", lambda hit: hit[1].upper(), name): _plain(item)
            for name, item in value.items()
            if item not in (None, {}) and not (name == "stream" and item is False)
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
