"""From spans that have ended to what exporters encode: plain, redacted, final."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from alexobs import semconv
from alexobs.pipeline.enrich import describe
from alexobs.pipeline.messages import to_json
from alexobs.records import SpanData, SpanEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alexobs.pipeline.enrich import Enricher, FinishedSpan
    from alexobs.pipeline.messages import ContentEncoder

MAX_NAMES = 10_000  # distinct span names that are remembered with their redacted form
CUT_NOTE_CHARS = 100
_HAS_STACKTRACE = semconv.EXCEPTION_STACKTRACE


class BatchRedactor(Protocol):
    """What is needed of a redactor here."""

    def batch(self, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the mappings without secrets, with one scan over all of them."""
        ...

    def text(self, value: str) -> str:
        """Return a text without secrets."""
        ...


class Assembler:
    """Makes `SpanData` of finished spans.

    Args:
        redactor: removes secrets; None when redaction is switched off.
        content: encodes messages, redacting them once each.
        capture: ``full``, ``metadata`` or ``off``.
    """

    def __init__(
        self, redactor: BatchRedactor | None, content: ContentEncoder, capture: str
    ) -> None:
        self._redactor = redactor
        self._content = content
        self._capture = capture
        self._names: dict[str, str] = {}

    def warm_up(self) -> None:
        """Make redaction ready: its rules take half a second to compile, once on a machine."""
        if self._redactor is not None:
            self._redactor.text(" ")

    def assemble(self, spans: Sequence[FinishedSpan]) -> list[SpanData]:
        """Return the spans in the form that exporters encode."""
        mappings = [describe(span, span.enriched) for span in spans]
        eventful = [span for span in spans if span.own_events or span.own_links]
        for span in eventful:
            mappings += [_event_attributes(event) for event in span.own_events or ()]
            mappings += [link.attributes for link in span.own_links or ()]
        if self._redactor is not None:
            mappings = self._redactor.batch(mappings)
        self._add_contents(spans, mappings)
        data = [self._span(*pair) for pair in zip(spans, mappings, strict=False)]
        if eventful:
            self._add_extras(spans, data, iter(mappings[len(spans) :]))
        return data

    def describe(self, span: FinishedSpan, enricher: Enricher) -> dict[str, Any]:
        """Return all attributes of `span`, content included, for a processor in this process."""
        enriched = enricher.enrich(span) if span.call is not None and span.end_time else None
        attributes = describe(span, enriched)
        if enriched is not None and self._capture != "off":
            for key, value in enriched.facts.content.items():
                if value is not None:
                    attributes[key] = self._content.fresh().encode(value)
        return attributes

    def _span(self, span: FinishedSpan, attributes: dict[str, Any]) -> SpanData:
        state = span.trace_state
        message = span.status_message
        return SpanData(
            span.trace_id,
            span.span_id,
            self._names.get(span.name) or self._name(span.name),
            span.start_time,
            span.end_time or 0,
            attributes,
            span.scope,
            span.parent_span_id,
            span.kind._value_ + 1,  # `.value` is a descriptor in Python: 0.2 µs
            (),
            (),
            span.status_code,
            message and self._text(message),
            "" if not state else state.to_header(),
            span.flags,
            span.dropped_attributes,
            span.dropped_events,
            span.dropped_links,
        )

    def _name(self, name: str) -> str:
        """Return a span's name without secrets; names are few, so most are looked up."""
        clean = self._text(str(name))
        if len(self._names) < MAX_NAMES:
            self._names[name] = clean
        return clean

    def _text(self, text: str) -> str:
        return text if self._redactor is None else self._redactor.text(text)

    def _add_contents(
        self, spans: Sequence[FinishedSpan], mappings: Sequence[dict[str, Any]]
    ) -> None:
        """Add what calls were asked and have answered to their attributes."""
        places: list[tuple[dict[str, Any], str]] = []
        contents: list[tuple[Any, bool]] = []
        for span, attributes in zip(spans, mappings, strict=False):
            if span.enriched is None:
                continue
            facts = span.enriched.facts
            if facts.usage is not None and facts.usage.raw:
                attributes[semconv.ALEX_LLM_RAW_USAGE] = to_json(facts.usage.raw)
            if self._capture == "off":
                continue
            for key, value in facts.content.items():
                if value is not None:
                    places.append((attributes, key))
                    contents.append((value, key == semconv.GEN_AI_OUTPUT_MESSAGES))
        if contents:
            texts = self._content.encode_all(contents)
            for (attributes, key), text in zip(places, texts, strict=True):
                attributes[key] = text

    def _add_extras(
        self,
        spans: Sequence[FinishedSpan],
        data: list[SpanData],
        clean: Iterator[dict[str, Any]],
    ) -> None:
        for span, made in zip(spans, data, strict=True):
            if span.own_events:
                made.events = [
                    SpanEvent(
                        self._text(event.name), event.time_ns, next(clean), event.dropped_attributes
                    )
                    for event in span.own_events
                ]
            if span.own_links:
                made.links = [link._replace(attributes=next(clean)) for link in span.own_links]


def cut_long_texts(spans: Sequence[SpanData], limit: int) -> bool:
    """Cut texts in attributes to `limit` characters and say so; tell whether there were any.

    This comes after redaction: half a secret would pass for none.
    """
    found = False
    for span in spans:
        for attributes in (span.attributes, *(event.attributes for event in span.events)):
            for key, value in attributes.items():
                if value.__class__ is str and len(value) > limit + CUT_NOTE_CHARS:
                    attributes[key] = f"{value[:limit]}… [cut: {len(value)} characters]"
                    found = True
    return found


def _event_attributes(event: SpanEvent) -> dict[str, Any]:
    failure = event.attributes.get(_HAS_STACKTRACE)
    if failure is None or isinstance(failure, str):
        return event.attributes
    return {**event.attributes, _HAS_STACKTRACE: failure.stacktrace()}
