"""Recorded HTTP interactions (VCR files), decoded as their headers say."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).parents[3]
RECORDINGS = Path(os.environ.get("ALEXOBS_CASSETTES") or REPOSITORY.parent / "shared" / "cassettes")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HOP_BY_HOP = {
    "connection",
    "content-encoding",  # bodies are kept decoded
    "content-length",
    "keep-alive",
    "set-cookie",
    "transfer-encoding",
}


@dataclass(frozen=True, slots=True, eq=False)
class Interaction:
    """One request and the response that was recorded for it. Header names are lower case."""

    number: int
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes

    @property
    def asked(self) -> dict[str, Any]:
        """The request's JSON body; empty when there is none."""
        body = self.request_body.strip()
        parsed = json.loads(body) if body else {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def is_event_stream(self) -> bool:
        """Whether the response is a stream of server-sent events."""
        return "text/event-stream" in self.response_headers.get("content-type", "")

    @property
    def events(self) -> list[Any]:
        """The JSON payloads of a streamed response, in order."""
        payloads = []
        for block in self.response_body.replace(b"\r\n", b"\n").split(b"\n\n"):
            lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
            text = b"\n".join(lines)
            if text and text != b"[DONE]":
                payloads.append(json.loads(text))
        return payloads

    @property
    def answered(self) -> Any:
        """The JSON body of a plain response; None when it is none."""
        try:
            return json.loads(self.response_body)
        except ValueError:
            return None


def recordings() -> list[Path]:
    """Return the recorded files that are there."""
    return sorted(RECORDINGS.rglob("*.yaml"))


def load(path: Path) -> list[Interaction]:
    """Return the interactions of a file, in its order."""
    recorded = yaml.load(path.read_bytes(), LOADER)["interactions"]
    return [_interaction(number, item) for number, item in enumerate(recorded, 1)]


def _interaction(number: int, item: Mapping[str, Any]) -> Interaction:
    request, response = item["request"], item["response"]
    address = urlsplit(request["uri"])
    response_headers = _headers(response["headers"])
    body = response.get("body") or {}
    content = body.get("string", body.get("base64_string", b"")) if isinstance(body, dict) else body
    request_headers = _headers(request["headers"])
    return Interaction(
        number=number,
        method=request["method"],
        host=address.netloc,
        path=address.path,
        query=dict(parse_qsl(address.query)),
        request_headers=request_headers,
        request_body=_decoded(_bytes(request.get("body")), request_headers),
        status=int(response["status"]["code"]),
        response_headers={
            name: value for name, value in response_headers.items() if name not in HOP_BY_HOP
        },
        response_body=_decoded(_bytes(content), response_headers),
    )


def _headers(recorded: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    for name, value in recorded.items():
        first = value[0] if isinstance(value, list) and value else value
        headers[str(name).lower()] = first.decode() if isinstance(first, bytes) else str(first)
    return headers


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value).encode()


def _decoded(body: bytes, headers: Mapping[str, str]) -> bytes:
    # Recorders often keep the header and decode the body, so the bytes decide.
    encoding = headers.get("content-encoding", "")
    if body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body)
    if encoding == "deflate" and body[:1] == b"\x78":
        return zlib.decompress(body)
    return body
