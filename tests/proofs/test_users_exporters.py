"""Exporters of the OpenTelemetry SDK take our spans as they take the SDK's own."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from alexobs import Observability
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

LINKED = Link(SpanContext(1, 2, is_remote=True), {"why": "batch"})


def record(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer"):
        span = tracer.start_span("inner", kind=SpanKind.CLIENT, links=[LINKED], attributes={"n": 1})
        span.add_event("said", {"to": "all", "list": [1, 2]})
        span.set_status(Status(StatusCode.ERROR, "refused"))
        span.end()


def test_the_otlp_exporter_of_the_sdk(settings: dict[str, Any], sink: OTLPSink) -> None:
    with OTLPSink() as theirs, Observability(settings) as obs:
        exporter = OTLPSpanExporter(f"{theirs.endpoint}/v1/traces")
        obs.add_span_processor(SimpleSpanProcessor(exporter))
        record(obs.tracer)
        assert obs.flush(5)
        exporter.shutdown()
        inner, outer = theirs.spans()
        assert (inner.name, outer.name) == ("inner", "outer")
        assert inner.parent_span_id == outer.span_id
        assert inner.attributes == {"n": 1}
        assert [(e.name, dict(e.attributes)) for e in inner.events] == [
            ("said", {"to": "all", "list": [1, 2]})
        ]
        assert len(inner.links) == 1
        assert inner.status_message == "refused"
        assert sorted(span.name for span in sink.spans()) == ["inner", "outer"]


def test_the_console_exporter_of_the_sdk(settings: dict[str, Any]) -> None:
    ours, theirs = io.StringIO(), io.StringIO()

    def shape(printed: str) -> Any:
        shown = json.loads(printed)
        for key in ("start_time", "end_time", "parent_id", "context", "resource"):
            assert type(shown.pop(key)) in (str, dict)
        for event in shown["events"]:
            assert event.pop("timestamp").endswith("Z")
        return shown

    def lines(span: Any) -> str:
        return str(span.to_json(indent=None)) + "\n"

    with Observability(settings) as obs:
        obs.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=ours, formatter=lines)))
        record(obs.tracer)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        SimpleSpanProcessor(ConsoleSpanExporter(out=theirs, formatter=lines))
    )
    record(provider.get_tracer("theirs"))
    assert shape(ours.getvalue().splitlines()[0]) == shape(theirs.getvalue().splitlines()[0])
