"""What happens to finished records, in a fixed order: price, meter, sample, redact, encode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from alexobs import semconv
from alexobs.pipeline.enrich import describe, model_of, observation_of
from alexobs.pipeline.messages import plain
from alexobs.records import LLMObservation, LogRecord, SpanData, ToolObservation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexobs.pipeline.accounting import Accounting
    from alexobs.pipeline.assemble import Assembler
    from alexobs.pipeline.enrich import Enriched, Enricher, FinishedSpan
    from alexobs.pipeline.tail import TailBuffer

_R = TypeVar("_R")
_OBSERVATIONS = frozenset((LLMObservation, ToolObservation))
_INFO, _ERROR = 9, 17  # OpenTelemetry's severity numbers


class Meter(Protocol):
    """What is needed of the metrics here."""

    def observe_llm(self, observation: LLMObservation) -> None:
        """Record one LLM call."""
        ...

    def observe_tool(self, observation: ToolObservation) -> None:
        """Record one tool execution."""
        ...


class Stages:
    """One configuration's way from a finished span to `SpanData`; replaced on reload.

    Args:
        tracing: whether spans are kept at all; without, they are only metered.
        meter: records calls; None when metrics are off.
        log_call: takes span, severity, event and fields of a line; None when logging is off.
        log_threshold: lowest severity that is worth making a line.
    """

    def __init__(
        self,
        *,
        tracing: bool,
        enricher: Enricher,
        assembler: Assembler,
        tail: TailBuffer,
        meter: Meter | None,
        log_call: Callable[[FinishedSpan, int, str, dict[str, Any]], None] | None,
        log_threshold: int,
        accounting: Accounting,
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._tracing = tracing
        self.enricher = enricher
        self.assembler = assembler
        self.tail = tail
        self._meter = meter
        self._log_call = log_call
        self._log_threshold = log_threshold
        self._accounting = accounting
        self._fault = fault

    def process(self, records: Sequence[Any]) -> list[SpanData]:
        """Meter `records` and return the spans that are to be sent.

        Every record taken here is accounted for: returned, left out by the sample rate, waiting
        for the end of its trace, or dropped with a reason.
        """
        observations: list[Any] = [
            record for record in records if record.__class__ in _OBSERVATIONS
        ]
        if observations:
            self._accounting.uncounted += len(observations)
            self._each(observations, self._meter_alone)
            records = [record for record in records if record.__class__ not in _OBSERVATIONS]
        # Step by step, not span by span: a step's code stays in the processor's cache.
        self.enricher.prepare([span.call for span in records if span.call is not None])
        spans = self._each(records, self._understand)
        if len(spans) < len(records):
            self._accounting.dropped("traces", "failed", len(records) - len(spans))
        calls = [span for span in spans if span.call is not None]
        self._each(calls, self._meter_call)
        self._each(calls, self._log)
        return self._assembled(self._kept(spans))

    def flush_tail(self) -> list[SpanData]:
        """Decide the traces that still wait for their end."""
        kept, left_out = self.tail.flush()
        self._accounting.sampled_out("traces", left_out)
        return self._assembled(kept)

    def _meter_alone(self, observation: LLMObservation | ToolObservation) -> None:
        """Meter a call that was reported without a span."""
        if isinstance(observation, LLMObservation):
            observation = self.enricher.priced(observation)
        self._observe(observation)

    def _each(self, records: Sequence[_R], step: Callable[[_R], None]) -> list[_R]:
        """Return the records that went through `step` without a fault."""
        done = []
        for record in records:
            try:
                step(record)
                done.append(record)
            except Exception as fault:
                self._fault("process", fault)
        return done

    def _understand(self, span: FinishedSpan) -> None:
        if span.name.__class__ is not str:  # whatever somebody has given for a name
            span.name = str(plain(span.name))
        if span.call is not None:
            self.enricher.enrich(span)

    def _kept(self, spans: list[FinishedSpan]) -> list[FinishedSpan]:
        """Return those that are to be sent, by the decision at the root or at the end."""
        if not self._tracing:
            self._accounting.uncounted += len(spans)
            return []
        kept: list[FinishedSpan] = []
        for span in spans:
            if span.sampled:
                kept.append(span)
            elif span.recording:
                kept += self._decided(span)
            else:
                self._accounting.sampled_out("traces", 1)
        return kept

    def _decided(self, span: FinishedSpan) -> list[FinishedSpan]:
        """Return the spans that are to be sent, now that `span` of their trace has ended."""
        try:
            spans, left_out = self.tail.add(span, span.enriched)
        except Exception as fault:
            self._fault("tail", fault)
            self._accounting.dropped("traces", "failed", 1)
            return []
        self._accounting.sampled_out("traces", left_out)
        return spans

    def _assembled(self, spans: list[FinishedSpan]) -> list[SpanData]:
        if not spans:
            return []
        try:
            return self.assembler.assemble(spans)
        except Exception as fault:
            self._fault("assemble", fault)
        # One of them is at fault: the others still go out.
        made: list[SpanData] = []
        for span in spans:
            try:
                made += self.assembler.assemble([span])
            except Exception as fault:
                self._fault("assemble", fault)
                self._accounting.dropped("traces", "failed", 1)
        return made

    def _observe(self, observation: LLMObservation | ToolObservation) -> None:
        if self._meter is None:
            return
        try:
            if isinstance(observation, LLMObservation):
                self._meter.observe_llm(observation)
            else:
                self._meter.observe_tool(observation)
        except Exception as fault:
            self._fault("meter", fault)

    def _meter_call(self, span: FinishedSpan) -> None:
        assert span.enriched is not None  # noqa: S101 - the step before
        self._observe(observation_of(span, span.enriched))

    def _log(self, span: FinishedSpan) -> None:
        enriched = span.enriched
        assert enriched is not None  # noqa: S101 - the step before
        severity = _ERROR if enriched.facts.status == semconv.ERROR else _INFO
        if self._log_call is not None and severity >= self._log_threshold:
            self._log_call(span, severity, *call_line(span, enriched))


def call_line(span: FinishedSpan, enriched: Enriched) -> tuple[str, dict[str, Any]]:
    """Return event and fields of the log line about one LLM or tool call."""
    facts = enriched.facts
    fields: dict[str, Any] = {}
    if facts.kind == "tool":
        event = "tool executed"
        fields["tool_name"] = facts.tool_name
    else:
        event = "llm call"
        fields["model"] = model_of(facts)
        fields["provider"] = facts.provider
        if facts.usage is not None:
            fields["input_tokens"] = facts.usage.input_tokens
            fields["output_tokens"] = facts.usage.output_tokens
        if enriched.cost is not None:
            fields["cost_usd"] = enriched.cost.usd
    fields["status"] = facts.status
    fields["duration_s"] = round(((span.end_time or 0) - span.start_time) / 1e9, 6)
    if facts.error_type:
        fields["error_type"] = facts.error_type
    return event, fields


def running_record(span: FinishedSpan, now_ns: int) -> LogRecord:
    """Return the event that announces a span which is still running."""
    return LogRecord(
        time_ns=now_ns,
        severity=5,
        body="",
        event_name=semconv.EVENT_SPAN_RUNNING,
        attributes={
            **describe(span, None),
            "alex.span.name": span.name,
            "alex.span.start_ns": span.start_time,
            "alex.span.parent_span_id": f"{span.parent_span_id:016x}",
            "alex.span.kind": span.kind.value + 1,
        },
        scope=span.scope,
        trace_id=span.trace_id,
        span_id=span.span_id,
        flags=span.flags,
    )
