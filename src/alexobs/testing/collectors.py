"""Small sinks for Jaeger's Thrift collector and for Zipkin."""

from __future__ import annotations

from typing import Any

from alexobs.testing.loopback import Request, Response
from alexobs.testing.sink import Fault, Sink

THRIFT_TYPES = ("application/x-thrift", "application/vnd.apache.thrift.binary")


class JaegerSink(Sink):
    """Jaeger's collector: ``POST /api/traces`` with a Thrift batch, kept as raw bytes."""

    @property
    def endpoint(self) -> str:
        """The collector's URL."""
        return f"{self.url}/api/traces"

    @property
    def bodies(self) -> list[bytes]:
        """The accepted batches, decompressed, not decoded."""
        return [request.http.content for request in self.requests if request.accepted]

    def accept(self, request: Request, fault: Fault) -> Response:
        """Accept a batch as Jaeger does: by path and content type."""
        if request.path != "/api/traces":
            return Response(404)
        if request.headers.get("content-type") not in THRIFT_TYPES:
            return Response(400, b"Unsupported content type")
        return Response(202)


class ZipkinSink(Sink):
    """Zipkin's v2 collector: ``POST /api/v2/spans`` with a JSON list."""

    @property
    def endpoint(self) -> str:
        """The collector's URL."""
        return f"{self.url}/api/v2/spans"

    def spans(self) -> list[dict[str, Any]]:
        """Return the accepted spans, as parsed JSON."""
        accepted = [request.http.json() for request in self.requests if request.accepted]
        return [span for batch in accepted for span in batch]

    def accept(self, request: Request, fault: Fault) -> Response:
        """Accept a list of spans; ValueError when the body is none."""
        if request.path != "/api/v2/spans":
            return Response(404)
        if not isinstance(request.json(), list):
            return Response(400, b"expected a list of spans")
        return Response(202)
