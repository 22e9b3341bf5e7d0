"""Checks a request and brings it to the form that the writer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from alexobs.server.ingest import proto

if TYPE_CHECKING:
    from alexobs.records import Signal
    from alexobs.server.ingest.normalise import Normaliser

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class BadRequestError(Exception):
    """A request that cannot be taken, ever; the message says why."""


class Checked(NamedTuple):
    """A request that can be written.

    ``payload`` is an encoded trace request, or a parsed logs or metrics request; ``rejected``
    further ones of it are left out, for the reason in ``message``.
    """

    signal: Signal
    payload: Any
    records: int
    rejected: int = 0
    message: str = ""


class Checker:
    """Parses requests, rejects what has no identity, and removes secrets from others' logs."""

    def __init__(self, normaliser: Normaliser) -> None:
        self._normaliser = normaliser

    def check(self, signal: Signal, body: bytes) -> Checked:
        """Return the request, ready to be written.

        Raises:
            BadRequestError: the body is no OTLP request of this signal.
        """
        try:
            request = proto.REQUESTS[signal].FromString(body)
        except DecodeError as error:
            raise BadRequestError(f"the body is no OTLP {signal} request: {error}") from None
        return self.check_message(signal, request, body)

    def check_message(self, signal: Signal, request: Any, body: bytes | None = None) -> Checked:
        """Return a parsed request, ready to be written; `body` is its encoded form if known."""
        if signal == "traces":
            return self._traces(request, body)
        if signal == "logs":
            count = sum(len(s.log_records) for r in request.resource_logs for s in r.scope_logs)
            self._normaliser.redact_logs(request)
            return Checked(signal, request, count)
        return Checked(signal, request, count_points(request))

    def _traces(self, request: Any, body: bytes | None) -> Checked:
        count = rejected = 0
        changed = body is None
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                spans = scope_spans.spans
                bad = [i for i, span in enumerate(spans) if not _has_identity(span)]
                for index in reversed(bad):
                    del spans[index]
                rejected += len(bad)
                count += len(spans)
                changed = changed or bool(bad)
        if changed:
            request.DiscardUnknownFields()
            body = request.SerializeToString()
        message = "spans without a valid trace id and span id were left out" if rejected else ""
        return Checked("traces", body, count, rejected, message)


def _has_identity(span: Any) -> bool:
    trace_id, span_id = span.trace_id, span.span_id
    return (
        len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN
    )


def plain_form(body: bytes) -> bytes:
    """Return an encoded trace request that the column-wise reader takes.

    Unknown fields are gone, each field is there once, and a span with endless attributes, events
    or links has the first of them, and says in its counters how many were dropped.
    """
    request = proto.TraceRequest.FromString(body)
    request.DiscardUnknownFields()
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                for name, most in _MOST.items():
                    items = getattr(span, name)
                    if len(items) > most:
                        counter = f"dropped_{name}_count"
                        dropped = getattr(span, counter) + len(items) - most
                        setattr(span, counter, min(dropped, 2**32 - 1))
                        del items[most:]
    encoded: bytes = request.SerializeToString()
    return encoded


_MOST: Final = {"attributes": 1000, "events": 500, "links": 250}


def count_points(request: Any) -> int:
    """Return the number of data points in a metrics request."""
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("choice")) is not None
    )
