"""Zipkin's v2 JSON, by OpenTelemetry's mapping to Zipkin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from alexobs.exporters.collector import CollectorExporter
from alexobs.exporters.values import attribute_text, json_ready, repaired_span, safe_text
from alexobs.records import Batch
from alexobs.semconv import SERVER_ADDRESS, SERVER_PORT, SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alexobs.exporters.endpoints import Endpoint
    from alexobs.records import Resource, SpanData, SpanEvent

_KINDS = {2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}  # internal has none
_STATUSES = {1: "OK", 2: "ERROR"}
_ERROR = 2


class ZipkinExporter(CollectorExporter):
    """Posts spans to Zipkin's v2 collector."""

    encoding = "zipkin"
    content_type = "application/json"

    def __init__(self, endpoint: Endpoint, *, gzip: bool = True) -> None:
        super().__init__(endpoint, gzip=gzip)

    def encode_spans(self, spans: Sequence[SpanData], resource: Resource) -> bytes:
        """Return a JSON list of spans."""
        service = safe_text(resource.attributes.get(SERVICE_NAME) or "unknown_service")
        return msgspec.json.encode([_span(repaired_span(span), service) for span in spans])

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by spans, or None for one span."""
        try:
            spans = msgspec.json.decode(batch.body, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            return None
        middle = len(spans) // 2
        if not middle:
            return None
        return _batch(batch, spans[:middle]), _batch(batch, spans[middle:])


def _batch(batch: Batch, spans: list[msgspec.Raw]) -> Batch:
    return Batch(batch.signal, batch.encoding, len(spans), msgspec.json.encode(spans))


def _span(span: SpanData, service: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "traceId": f"{span.trace_id:032x}",
        "id": f"{span.span_id:016x}",
        "name": span.name,
        "timestamp": span.start_ns // 1000,
        # Zipkin takes 0 for "unknown".
        "duration": max((span.end_ns - span.start_ns) // 1000, 1),
        "localEndpoint": {"serviceName": service},
        "tags": _tags(span),
    }
    if span.parent_span_id:
        document["parentId"] = f"{span.parent_span_id:016x}"
    if span.kind in _KINDS:
        document["kind"] = _KINDS[span.kind]
    if span.events:
        document["annotations"] = [_annotation(event) for event in span.events]
    remote = _remote_endpoint(span.attributes)
    if remote:
        document["remoteEndpoint"] = remote
    return document


def _tags(span: SpanData) -> dict[str, str]:
    tags = {key: attribute_text(value) for key, value in span.attributes.items()}
    if span.status_code in _STATUSES:
        tags["otel.status_code"] = _STATUSES[span.status_code]
    if span.status_code == _ERROR:
        tags["error"] = span.status_message or "true"  # Zipkin shows the tag, not its value
    own = {
        "otel.scope.name": span.scope.name,
        "otel.scope.version": span.scope.version,
        "w3c.tracestate": span.trace_state,
        "otel.dropped_attributes_count": span.dropped_attributes,
        "otel.dropped_events_count": span.dropped_events,
        "otel.dropped_links_count": span.dropped_links,
    }
    return tags | {key: str(value) for key, value in own.items() if value}


def _annotation(event: SpanEvent) -> dict[str, Any]:
    value = event.name
    if event.attributes:
        value = msgspec.json.encode({event.name: json_ready(event.attributes)}).decode()
    return {"timestamp": event.time_ns // 1000, "value": value}


def _remote_endpoint(attributes: Mapping[str, Any]) -> dict[str, Any]:
    address = attributes.get(SERVER_ADDRESS)
    port = attributes.get(SERVER_PORT)
    if not address:
        return {}
    endpoint: dict[str, Any] = {"serviceName": attribute_text(address)}
    if type(port) is int and 0 < port < 65536:
        endpoint["port"] = port
    return endpoint
