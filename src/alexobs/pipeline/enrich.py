"""What the worker adds to a span: the run's ids, the call's facts, its price and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from alexobs import semconv
from alexobs.records import CallFacts, Cost, LLMObservation, ToolObservation, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.context import RunContext
    from alexobs.records import Call, Scope, SpanEvent, SpanLink

_KINDS = {
    semconv.SPAN_SESSION: "session",
    semconv.SPAN_ITERATION: "iteration",
    semconv.SPAN_LLM: "llm",
    semconv.SPAN_TOOL: "tool",
}


class Failure(Protocol):
    """How a span's work failed."""

    type_name: str
    message: str
    cancelled: bool

    def stacktrace(self) -> str:
        """Return the formatted stack trace."""
        ...


class FinishedSpan(Protocol):
    """A span that has ended, as tracing hands it over."""

    name: str
    kind: Any
    start_time: int
    own_attributes: dict[str, Any]
    own_events: list[SpanEvent] | None
    own_links: list[SpanLink] | None
    trace_id: int
    span_id: int
    parent_span_id: int
    local_root: bool
    flags: int
    sampled: bool
    recording: bool
    run: RunContext | None
    call: Call | None
    enriched: Enriched | None
    scope: Scope
    status_code: int
    status_message: str
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    trace_state: Any

    @property
    def failure(self) -> Failure | None: ...  # noqa: D102
    @property
    def end_time(self) -> int | None: ...  # noqa: D102


class Unpriced(Protocol):
    """Why a call has no price."""

    @property
    def reason(self) -> str:
        """The reason, in words."""
        ...


class Pricer(Protocol):
    """What is needed of the price list here."""

    def cost(
        self,
        provider: str,
        model: str,
        usage: Usage,
        *,
        when_ns: int | None = None,
        service_tier: str = "",
        response_model: str = "",
    ) -> Cost | Unpriced:
        """Return what the call cost, or why that is unknown."""
        ...


class Enriched(NamedTuple):
    """A span's call, understood: attributes without content, content, and cost."""

    facts: CallFacts
    attributes: dict[str, Any]
    cost: Cost | None


_NO_FACTS = CallFacts(kind="llm", status="error", error_type="_OTHER")


class Enricher:
    """Reads calls and prices them. `fault` takes what goes wrong in an extractor."""

    def __init__(self, pricer: Pricer | None, fault: Any) -> None:
        self.pricer = pricer
        self._fault = fault

    def prepare(self, calls: Sequence[Call]) -> None:
        """Find the facts of many calls, step by step; what fails, fails again in `enrich`."""
        kinds: dict[type, list[Call]] = {}
        for call in calls:
            kinds.setdefault(call.__class__, []).append(call)
        for alike in kinds.values():
            for step in alike[0].steps:
                for call in alike:
                    try:  # noqa: SIM105 - `contextlib.suppress` costs 0.6 µs
                        step(call)
                    except Exception:  # noqa: S110 - it fails again where that is recorded
                        pass

    def enrich(self, span: FinishedSpan) -> Enriched:
        """Return what is known of the span's call; computed once per span."""
        found = span.enriched
        if found is None:
            found = span.enriched = self._enrich(span)
        return found

    def priced(self, observation: LLMObservation) -> LLMObservation:
        """Return the observation with its cost, when it came without and can be priced."""
        if observation.cost_usd is not None or observation.usage is None or self.pricer is None:
            return observation
        cost = self.pricer.cost(observation.provider, observation.model, observation.usage)
        return observation._replace(cost_usd=cost.usd) if isinstance(cost, Cost) else observation

    def _enrich(self, span: FinishedSpan) -> Enriched:
        assert span.call is not None  # noqa: S101 - the caller's business
        try:
            facts = span.call.facts()
        except Exception as fault:
            self._fault("facts", fault)
            facts = _NO_FACTS
        attributes = dict(facts.attributes)
        cost: Cost | None = None
        if facts.kind == "tool":
            attributes[semconv.ALEX_TOOL_NAME] = facts.tool_name
        else:
            attributes[semconv.ALEX_LLM_MODEL] = model_of(facts)
            usage = facts.usage
            if usage is not None:
                _add_usage(attributes, usage)
            if facts.billed and self.pricer is not None:
                cost = self._price(span, facts, attributes)
        if facts.error_type:
            attributes[semconv.ERROR_TYPE] = facts.error_type
        if facts.status == semconv.ERROR and not span.status_code:  # an error that came as data
            span.status_code, span.status_message = 2, facts.error_type
        attributes[semconv.ALEX_STATUS] = facts.status
        attributes[semconv.ALEX_KIND] = facts.kind
        return Enriched(facts, attributes, cost)

    def _price(
        self, span: FinishedSpan, facts: CallFacts, attributes: dict[str, Any]
    ) -> Cost | None:
        usage = facts.usage
        if usage is None:
            # A failed call without usage was not billed as far as anybody can tell.
            if facts.status == semconv.SUCCESS:
                attributes[semconv.ALEX_COST_UNPRICED] = "no usage reported"
            return None
        try:
            cost = self.pricer.cost(  # type: ignore[union-attr]
                facts.provider,
                facts.request_model or facts.response_model,
                usage,
                when_ns=span.start_time,
                service_tier=facts.service_tier,
                response_model=facts.response_model,
            )
        except Exception as fault:
            self._fault("price", fault)
            attributes[semconv.ALEX_COST_UNPRICED] = "pricing failed"
            return None
        if not isinstance(cost, Cost):
            attributes[semconv.ALEX_COST_UNPRICED] = cost.reason
            return None
        attributes[semconv.ALEX_COST] = cost.usd
        attributes[semconv.ALEX_COST_PRICE_ID] = cost.price_id
        attributes[semconv.ALEX_COST_PRICE_DATE] = cost.price_date
        return cost


def model_of(facts: CallFacts) -> str:
    """Return the model that a call counts for: the requested one, which users know."""
    return facts.request_model or facts.response_model or "unknown"


def _add_usage(attributes: dict[str, Any], usage: Usage) -> None:
    attributes[semconv.GEN_AI_USAGE_INPUT_TOKENS] = usage.input_tokens
    attributes[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = usage.output_tokens
    attributes[semconv.ALEX_LLM_INPUT_TOKENS] = usage.input_tokens
    attributes[semconv.ALEX_LLM_OUTPUT_TOKENS] = usage.output_tokens
    attributes[semconv.ALEX_LLM_TOKEN_COUNT] = usage.input_tokens + usage.output_tokens
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    attributes[semconv.ALEX_TOKENS_UNCACHED_INPUT] = max(0, usage.input_tokens - cached)
    attributes[semconv.ALEX_TOKENS_CACHE_READ] = usage.cache_read_tokens
    attributes[semconv.ALEX_TOKENS_CACHE_WRITE] = usage.cache_write_tokens
    attributes[semconv.ALEX_TOKENS_OUTPUT] = max(0, usage.output_tokens - usage.reasoning_tokens)
    attributes[semconv.ALEX_TOKENS_REASONING] = usage.reasoning_tokens
    if usage.cache_read_tokens:
        attributes[semconv.GEN_AI_USAGE_CACHE_READ] = usage.cache_read_tokens
    if usage.cache_write_tokens:
        attributes[semconv.GEN_AI_USAGE_CACHE_WRITE] = usage.cache_write_tokens
    if usage.reasoning_tokens:
        attributes[semconv.GEN_AI_USAGE_REASONING] = usage.reasoning_tokens


def observation_of(span: FinishedSpan, enriched: Enriched) -> LLMObservation | ToolObservation:
    """Return what the metrics have to know of the span's call."""
    facts = enriched.facts
    seconds = ((span.end_time or span.start_time) - span.start_time) / 1e9
    # Only a sampled span can be looked up, so only that one is worth an exemplar.
    trace_id, span_id = (span.trace_id, span.span_id) if span.sampled else (0, 0)
    if facts.kind == "tool":
        return ToolObservation(
            facts.tool_name, facts.status, seconds, facts.error_type, trace_id, span_id
        )
    attributes = facts.attributes
    # By position: fifteen keywords cost 1 µs.
    return LLMObservation(
        model_of(facts),
        facts.status,
        seconds,
        facts.usage if facts.billed else None,
        _cost_of(enriched),
        facts.provider,
        attributes.get(semconv.GEN_AI_OPERATION_NAME, "chat"),
        facts.request_model,
        facts.response_model,
        facts.error_type,
        attributes.get(semconv.SERVER_ADDRESS, ""),
        facts.time_to_first_chunk_s,
        facts.output_chunks,
        trace_id,
        span_id,
    )


def run_attributes(run: RunContext) -> dict[str, Any]:
    """Return the attributes by which a span or a log line names its run."""
    attributes: dict[str, Any] = {
        semconv.ALEX_SESSION_ID: run.session_id,
        semconv.ALEX_RUN_ID: run.run_id,
    }
    if run.parent_run_id:
        attributes[semconv.ALEX_PARENT_RUN_ID] = run.parent_run_id
    if run.iteration:
        attributes[semconv.ALEX_ITERATION] = run.iteration
    if run.user_id:
        attributes[semconv.ALEX_USER_ID] = run.user_id
    if run.agent:
        attributes[semconv.ALEX_AGENT] = run.agent
    return attributes


def describe(span: FinishedSpan, enriched: Enriched | None) -> dict[str, Any]:
    """Return all attributes of a span except its content."""
    attributes = dict(span.own_attributes)
    if span.run is not None:
        attributes.update(run_attributes(span.run))
    if enriched is not None:
        attributes.update(enriched.attributes)
    else:
        kind = _KINDS.get(span.name)
        if kind is not None:
            attributes[semconv.ALEX_KIND] = kind
            attributes.setdefault(semconv.ALEX_STATUS, _status_of(span))
        elif span.failure is not None and span.failure.cancelled:
            attributes[semconv.ALEX_STATUS] = semconv.CANCELLED
    return attributes


def _status_of(span: FinishedSpan) -> str:
    if span.failure is not None and span.failure.cancelled:
        return semconv.CANCELLED
    return semconv.ERROR if span.status_code == 2 else semconv.SUCCESS


def _cost_of(enriched: Enriched) -> float | None:
    """Return what the call adds to the cost: nothing, when a stored answer was fetched."""
    if not enriched.facts.billed:
        return 0.0
    return None if enriched.cost is None else enriched.cost.usd
