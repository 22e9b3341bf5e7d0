"""The values that travel from the three signals to the exporters.

The signals fill them on the caller's thread, by reference and without work; the pipeline's worker
prices, meters, redacts and encodes them. They hold data and no behaviour, so that signals,
pipeline and exporters can share them without importing one another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from alexobs.semconv import Status

Signal = Literal["traces", "logs", "metrics"]
AttributeValue = str | bool | int | float | bytes | Sequence[Any] | Mapping[str, Any] | None
Attributes = dict[str, Any]


class Scope(NamedTuple):
    """An instrumentation scope: who made the telemetry."""

    name: str
    version: str = ""
    schema_url: str = ""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """None; exporters of the OpenTelemetry SDK ask for them."""
        return {}


@dataclass(frozen=True, slots=True)
class Resource:
    """The process that telemetry comes from, as OpenTelemetry resource attributes."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    schema_url: ClassVar[str] = ""

    def __hash__(self) -> int:  # exporters of the OpenTelemetry SDK group spans by it
        return hash(frozenset(self.attributes))


class SpanEvent:
    """A point in time within a span (``time_ns``: Unix nanoseconds)."""

    __slots__ = ("attributes", "dropped_attributes", "name", "time_ns")

    def __init__(
        self, name: str, time_ns: int, attributes: Attributes, dropped_attributes: int = 0
    ) -> None:
        self.name = name
        self.time_ns = time_ns
        self.attributes = attributes
        self.dropped_attributes = dropped_attributes


class SpanLink(NamedTuple):
    """A link to another span."""

    trace_id: int
    span_id: int
    trace_state: str
    attributes: Attributes
    flags: int = 0


class SpanData:
    """A finished span as exporters see it: redacted, plain, final.

    ``kind`` and ``status_code`` are OTLP's numbers (kind 1 internal, 2 server, 3 client,
    4 producer, 5 consumer; status 0 unset, 1 ok, 2 error). Times are Unix nanoseconds.
    ``parent_span_id`` is 0 for a root. ``attributes`` values are str, bool, int, float, bytes,
    None, or lists and dicts of these; content attributes are JSON text already.
    """

    __slots__ = (
        "attributes",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "events",
        "flags",
        "kind",
        "links",
        "name",
        "parent_span_id",
        "scope",
        "span_id",
        "start_ns",
        "status_code",
        "status_message",
        "trace_id",
        "trace_state",
    )

    def __init__(  # noqa: PLR0917 - keywords cost 0.5 µs a span
        self,
        trace_id: int,
        span_id: int,
        name: str,
        start_ns: int,
        end_ns: int,
        attributes: Attributes,
        scope: Scope,
        parent_span_id: int = 0,
        kind: int = 1,
        events: Sequence[SpanEvent] = (),
        links: Sequence[SpanLink] = (),
        status_code: int = 0,
        status_message: str = "",
        trace_state: str = "",
        flags: int = 1,
        dropped_attributes: int = 0,
        dropped_events: int = 0,
        dropped_links: int = 0,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.name = name
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.attributes = attributes
        self.scope = scope
        self.parent_span_id = parent_span_id
        self.kind = kind
        self.events = events
        self.links = links
        self.status_code = status_code
        self.status_message = status_message
        self.trace_state = trace_state
        self.flags = flags
        self.dropped_attributes = dropped_attributes
        self.dropped_events = dropped_events
        self.dropped_links = dropped_links


class LogRecord:
    """One log line, or one event.

    ``severity`` is OpenTelemetry's number (5 debug, 9 info, 13 warn, 17 error). ``attributes``
    holds the fields. ``exception`` is ``(type, message, stacktrace)`` as texts. ``event_name`` is
    set for events only.
    """

    __slots__ = (
        "attributes",
        "body",
        "event_name",
        "exception",
        "flags",
        "scope",
        "severity",
        "span_id",
        "time_ns",
        "trace_id",
    )

    def __init__(
        self,
        *,
        time_ns: int,
        severity: int,
        body: str,
        attributes: Attributes,
        scope: Scope,
        trace_id: int = 0,
        span_id: int = 0,
        flags: int = 0,
        exception: tuple[str, str, str] | None = None,
        event_name: str = "",
    ) -> None:
        self.time_ns = time_ns
        self.severity = severity
        self.body = body
        self.attributes = attributes
        self.scope = scope
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.exception = exception
        self.event_name = event_name


class Exemplar(NamedTuple):
    """A measured value with the span in which it was measured."""

    value: float
    time_ns: int
    trace_id: int
    span_id: int
    attributes: Mapping[str, Any]


class NumberPoint(NamedTuple):
    """One value of a counter, an up-down counter or a gauge."""

    attributes: Mapping[str, Any]
    start_ns: int
    time_ns: int
    value: float
    exemplars: Sequence[Exemplar] = ()


@dataclass(frozen=True, slots=True)
class HistogramPoint:
    """One explicit-bucket histogram; ``counts`` is one longer than ``boundaries``."""

    attributes: Mapping[str, Any]
    start_ns: int
    time_ns: int
    count: int
    sum: float
    min: float
    max: float
    boundaries: Sequence[float]
    counts: Sequence[int]
    exemplars: Sequence[Exemplar] = ()


class MetricData(NamedTuple):
    """All points of one instrument. ``temporality`` is ``cumulative`` or ``delta``."""

    name: str
    description: str
    unit: str
    kind: Literal["sum", "gauge", "histogram"]
    monotonic: bool
    temporality: Literal["cumulative", "delta"]
    scope: Scope
    points: Sequence[NumberPoint] | Sequence[HistogramPoint]


class Usage(NamedTuple):
    """Tokens of one LLM call, by the conventions' arithmetic.

    ``input_tokens`` includes ``cache_read_tokens`` and ``cache_write_tokens``;
    ``output_tokens`` includes ``reasoning_tokens``. ``cache_write_1h_tokens`` is the part of
    ``cache_write_tokens`` kept for an hour; the audio counts are parts of input and output.
    ``raw`` is the provider's own usage object as plain data.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    raw: Mapping[str, Any] | None = None


class Messages:
    """A captured list of messages in the provider's own form, and how to convert one of them.

    ``convert`` turns one item into the conventions' form: a dict ``{"role", "parts": [...]}``
    for messages, a part for system instructions, a definition for tools. It is called in the
    pipeline's worker, once per distinct message.
    """

    __slots__ = ("convert", "items")

    def __init__(self, items: Sequence[Any], convert: Callable[[Any], Mapping[str, Any]]) -> None:
        self.items = items
        self.convert = convert


class CallFacts:
    """What is known of one LLM or tool call when it has ended.

    Attributes:
        kind: ``llm``, ``embedding`` or ``tool``.
        status: ``success``, ``error`` or ``cancelled``.
        provider: value of ``gen_ai.provider.name``; empty for tools.
        request_model, response_model: as sent and as answered; empty when absent.
        tool_name: for tools.
        usage: tokens, or None when the provider reported none.
        billed: False when this call generated nothing anew (a stored response was fetched),
            so that its usage is shown but neither metered nor priced.
        attributes: ``gen_ai.*`` attributes that are not content.
        content: content attributes: key to Messages, or to a value that is encoded as JSON.
        time_to_first_chunk_s, output_chunks: of streams; None and 0 elsewhere.
        error_type: value of ``error.type``, or empty.
        service_tier: as answered by the provider (prices may depend on it), or empty.
    """

    __slots__ = (
        "attributes",
        "billed",
        "content",
        "error_type",
        "kind",
        "output_chunks",
        "provider",
        "request_model",
        "response_model",
        "service_tier",
        "status",
        "time_to_first_chunk_s",
        "tool_name",
        "usage",
    )

    def __init__(
        self,
        *,
        kind: Literal["llm", "embedding", "tool"],
        status: Status,
        provider: str = "",
        request_model: str = "",
        response_model: str = "",
        tool_name: str = "",
        usage: Usage | None = None,
        billed: bool = True,
        attributes: Attributes | None = None,
        content: Mapping[str, Any] | None = None,
        time_to_first_chunk_s: float | None = None,
        output_chunks: int = 0,
        error_type: str = "",
        service_tier: str = "",
    ) -> None:
        self.kind = kind
        self.status: Status = status
        self.provider = provider
        self.request_model = request_model
        self.response_model = response_model
        self.tool_name = tool_name
        self.usage = usage
        self.billed = billed
        self.attributes = attributes if attributes is not None else {}
        self.content = content if content is not None else {}
        self.time_to_first_chunk_s = time_to_first_chunk_s
        self.output_chunks = output_chunks
        self.error_type = error_type
        self.service_tier = service_tier


class Call(Protocol):
    """What instrumentation hangs on a span: references now, facts later."""

    @property
    def steps(self) -> Sequence[Callable[[Any], None]]:
        """What `facts` does, in parts: the same for all calls of a class.

        Who has many calls takes one step for all of them before the next one, because a step's
        code then stays in the processor's cache; `facts` afterwards returns what was found.
        """
        ...

    def facts(self) -> CallFacts:
        """Return what is known of the call. Runs in the worker, after the span has ended."""
        ...


class Cost(NamedTuple):
    """Cost of one call in USD, with where the price came from.

    ``usd`` is the sum of ``parts`` (bucket name to USD). ``price_id`` names the price
    (``<source>:<provider>/<model>``), ``price_date`` is the ISO date of the price data.
    """

    usd: float
    price_id: str
    price_date: str
    parts: Mapping[str, float]


class LLMObservation(NamedTuple):
    """One LLM call as the metrics see it. Unknown cost is None, unknown usage is None."""

    model: str
    status: Status
    latency_s: float
    usage: Usage | None = None
    cost_usd: float | None = None
    provider: str = ""
    operation: str = "chat"
    request_model: str = ""
    response_model: str = ""
    error_type: str = ""
    server_address: str = ""
    time_to_first_chunk_s: float | None = None
    output_chunks: int = 0
    trace_id: int = 0
    span_id: int = 0


class ToolObservation(NamedTuple):
    """One tool execution as the metrics see it."""

    tool_name: str
    status: Status
    duration_s: float
    error_type: str = ""
    trace_id: int = 0
    span_id: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded records of one signal, as they are spooled and sent.

    ``encoding`` names the wire format (``otlp``, ``jaeger``, ``zipkin``, ``file``);
    ``count`` is the number of records (spans, log records, data points) in ``body``.
    """

    signal: Signal
    encoding: str
    count: int
    body: bytes


class SendResult(NamedTuple):
    """What a back end said to a batch.

    ``rejected`` records of a partial success are dropped and counted. ``retry`` asks for the
    same batch again, not before ``retry_after_s``. ``too_large`` asks for halves. ``unreachable``
    says that nobody answered at all.
    """

    accepted: bool
    rejected: int = 0
    retry: bool = False
    too_large: bool = False
    retry_after_s: float | None = None
    message: str = ""
    alexobs_server: bool = False
    unreachable: bool = False
