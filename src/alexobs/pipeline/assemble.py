"""From spans that have ended to what exporters encode: plain, redacted, final."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from alexobs import semconv
from alexobs.pipeline.enrich import describe
from alexobs.pipeline.messages import plain, to_json
from alexobs.records import SpanData, SpanEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.pipeline.enrich import Enricher, FinishedSpan
    from alexobs.pipeline.messages import ContentEncoder

_OTLP_KIND = (1, 2, 3, 4, 5)  # OpenTelemetry's SpanKind numbers, from INTERNAL on, are one less
_HAS_STACKTRACE = semconv.EXCEPTION_STACKTRACE


class BatchRedactor(Protocol):
    """What is needed of a redactor here."""

    def batch(self, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the mappings without secrets, with one scan over all of them."""
        ...

    def texts(self, values: list[str]) -> list[str]:
        """Return the texts without secrets, with one scan over all of them."""
        ...


class Assembler:
    """Makes `SpanData` of finished spans.

    Args:
        redactor: removes secrets; None when redaction is switched off.
        content: encodes messages, redacting them once each.
        capture: ``full``, ``metadata`` or ``off``.
        max_length: characters per attribute value.
    """

    def __init__(
        self,
        redactor: BatchRedactor | None,
        content: ContentEncoder,
        capture: str,
        max_length: int,
    ) -> None:
        self._redactor = redactor
        self._content = content
        self._capture = capture
        self._max_length = max_length

    def assemble(self, spans: Sequence[FinishedSpan]) -> list[SpanData]:
        """Return the spans in the form that exporters encode."""
        attributes = [describe(span, span.enriched) for span in spans]
        eventful = [(span, event) for span in spans for event in span.own_events]
        event_attributes = [_event_attributes(event) for _, event in eventful]
        texts = [text for span in spans for text in (span.name, span.status_message)]
        texts += [event.name for _, event in eventful]
        link_attributes = [link.attributes for span in spans for link in span.own_links]
        attributes, event_attributes, link_attributes, texts = self._redacted(
            attributes, event_attributes, link_attributes, texts
        )
        names = iter(texts)
        data = [
            self._span(span, attributes[i], next(names), next(names))
            for i, span in enumerate(spans)
        ]
        self._add_events(spans, data, event_attributes, names)
        self._add_links(spans, data, link_attributes)
        return data

    def describe(self, span: FinishedSpan, enricher: Enricher) -> dict[str, Any]:
        """Return all attributes of `span`, content included, for a processor in this process."""
        enriched = enricher.enrich(span) if span.call is not None and span.end_time else None
        attributes = describe(span, enriched)
        if enriched is not None and self._capture == "full":
            for key, value in enriched.facts.content.items():
                if value is not None:
                    attributes[key] = self._content.fresh().encode(value)
        return attributes

    def _redacted(
        self,
        attributes: list[dict[str, Any]],
        events: list[dict[str, Any]],
        links: list[dict[str, Any]],
        texts: list[str],
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]], list[str]]:
        redactor = self._redactor
        if redactor is None:
            return attributes, events, links, texts
        clean = redactor.batch([*attributes, *events, *links])
        first, second = len(attributes), len(attributes) + len(events)
        return clean[:first], clean[first:second], clean[second:], redactor.texts(texts)

    def _span(
        self, span: FinishedSpan, attributes: dict[str, Any], name: str, message: str
    ) -> SpanData:
        self._cut(attributes)
        if span.enriched is not None:
            self._add_content(attributes, span.enriched.facts)
        state = span.trace_state
        return SpanData(
            span.trace_id,
            span.span_id,
            name,
            span.start_time,
            span.end_time or 0,
            attributes,
            span.scope,
            span.parent_span_id,
            span.kind._value_ + 1,  # `.value` is a descriptor in Python: 0.2 µs
            (),
            (),
            span.status_code,
            message,
            "" if not state else state.to_header(),
            span.flags,
            span.dropped_attributes,
            span.dropped_events,
            span.dropped_links,
        )

    def _add_content(self, attributes: dict[str, Any], facts: Any) -> None:
        usage = facts.usage
        if usage is not None and usage.raw:
            attributes[semconv.ALEX_LLM_RAW_USAGE] = to_json(plain(usage.raw))
        if self._capture != "full":
            return
        for key, value in facts.content.items():
            if value is not None:
                attributes[key] = self._content.encode(value)

    def _cut(self, attributes: dict[str, Any]) -> None:
        """Cut long texts, after redaction: half a secret would pass for none."""
        limit = self._max_length
        for key, value in attributes.items():
            if value.__class__ is str and len(value) > limit:
                attributes[key] = f"{value[:limit]}… [cut: {len(value)} characters]"

    def _add_events(
        self,
        spans: Sequence[FinishedSpan],
        data: list[SpanData],
        attributes: list[dict[str, Any]],
        names: Any,
    ) -> None:
        position = 0
        for span, made in zip(spans, data, strict=True):
            events = []
            for event in span.own_events:
                self._cut(attributes[position])
                events.append(
                    SpanEvent(
                        next(names), event.time_ns, attributes[position], event.dropped_attributes
                    )
                )
                position += 1
            if events:
                made.events = events

    @staticmethod
    def _add_links(
        spans: Sequence[FinishedSpan], data: list[SpanData], attributes: list[dict[str, Any]]
    ) -> None:
        position = 0
        for span, made in zip(spans, data, strict=True):
            links = []
            for link in span.own_links:
                links.append(link._replace(attributes=attributes[position]))
                position += 1
            if links:
                made.links = links


def _event_attributes(event: SpanEvent) -> dict[str, Any]:
    failure = event.attributes.get(_HAS_STACKTRACE)
    if failure is None or isinstance(failure, str):
        return event.attributes
    return {**event.attributes, _HAS_STACKTRACE: failure.stacktrace()}
