"""One LLM call: references while it runs, facts when the worker asks for them.

The caller's thread only stores references here. Everything that costs time (turning the
provider's objects into plain data, folding chunks, finding tokens) happens in `facts`, which the
pipeline's worker calls once (decision record 0009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from opentelemetry.trace import SpanKind

from alexobs import semconv
from alexobs.context import current_context
from alexobs.instrumentation import coexistence
from alexobs.instrumentation.observation import CLOSED, SILENT, Instruments, Observation
from alexobs.instrumentation.plain import decoded, limit_content, plain
from alexobs.records import CallFacts, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal

CALL_KEY = "alexobs-call"  # the call of ours that the current code runs in
MAX_HELD_CHUNKS = 256  # folded beyond: about 0.5 ms of work, and a bound for endless streams


class Fold(Protocol):
    """Builds one response out of a stream's events."""

    complete: bool
    """Whether the event that ends a stream was seen."""
    error: str
    """Type of an error that came as an event, or empty."""

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event, as plain data."""
        ...

    def response(self) -> Mapping[str, Any]:
        """Return what a call without streaming would have answered, so far."""
        ...


class Decoder(Protocol):
    """Turns pieces of a body into events."""

    def __call__(self, piece: Any) -> Iterable[Mapping[str, Any]]:
        """Return the events that `piece` completes."""
        ...

    def rest(self) -> Mapping[str, Any] | None:
        """Return the one object that the body was, when it was no stream of events."""
        ...


class Operation(NamedTuple):
    """How the facts of one kind of request are found; all functions run in the worker.

    Attributes:
        name: value of ``gen_ai.operation.name``.
        provider: of the host that was asked (``api.groq.com``) to ``gen_ai.provider.name``.
        read_request, read_response: add what a plain body says to the facts.
        fold: makes a response of a stream's events; None when there are no streams.
        billed: False when the request generates nothing anew.
        load: makes an answer, or a piece of a stream, what `read_response` and `fold` take.
    """

    name: str
    provider: Callable[[str], str]
    read_request: Callable[[Any, CallFacts], None]
    read_response: Callable[[Mapping[str, Any], CallFacts], None]
    fold: Callable[[], Fold] | None = None
    kind: Literal["llm", "embedding"] = "llm"
    billed: bool = True
    load: Callable[[Any], Any] = plain


def _guarded(where: str, step: Callable[[LLMCall, CallFacts], None]) -> Callable[[LLMCall], None]:
    """Return one step of extraction: a surprise in one part leaves the others whole."""

    def run(call: LLMCall) -> None:
        try:
            step(call, call.found)
        except Exception as fault:
            call.instruments.fault(f"{call.operation.name} {where}", fault)

    return run


class LLMCall(Observation):
    """A request to a model, from its start to the end of its answer."""

    __slots__ = (
        "_fold",
        "_response",
        "_silent",
        "attempts",
        "body",
        "count",
        "decode",
        "endpoint",
        "extra",
        "failed_attempt",
        "inner",
        "max_attempts",
        "model",
        "operation",
        "raw",
        "stream",
    )

    def __init__(
        self,
        instruments: Instruments,
        operation: Operation,
        *,
        model: Any = None,
        body: Any = None,
        endpoint: Any = None,
        inner: list[LLMCall] | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(instruments)
        self.operation = operation
        self.model = model
        self.body = body
        self.extra: Any = None
        self.endpoint = endpoint
        self.inner = inner
        self.attempts = 0
        self.max_attempts = 0
        self.failed_attempt: tuple[str, float] | None = None
        self.decode: Decoder | None = None
        self.raw = b""  # the body of an answer, when the SDK has read it as a whole
        self.stream = False
        self.count = 0
        self._fold: Fold | None = None
        self._response: Any = None
        self._silent = silent

    # -- on the caller's thread ----------------------------------------------------------------

    def start(self) -> Any:
        """Return the call's span; a silent one when an outer call has it."""
        if self._silent:
            return SILENT
        attributes = {semconv.GEN_AI_OPERATION_NAME: self.operation.name}
        if self.model.__class__ is str:
            attributes[semconv.GEN_AI_REQUEST_MODEL] = self.model
        span = self.instruments.tracer.start_span(
            semconv.SPAN_LLM, kind=SpanKind.CLIENT, attributes=attributes
        )
        span.call = self
        return span

    def mark(self, values: dict[str, Any]) -> None:
        """Tell instrumentations inside, ours and others, that this call has its span."""
        values[CALL_KEY] = self
        coexistence.mark(values, self.operation.name)

    def chunk(self, chunk: Any) -> None:
        """Take one piece of a streamed answer; many of them are folded on the way."""
        super().chunk(chunk)
        if len(self.chunks) > MAX_HELD_CHUNKS:
            self._compact()

    def fail(self, error: BaseException) -> None:
        """End with what was raised; an answer that did not parse was paid for nevertheless."""
        if not self._outcome:
            self._result = getattr(error, "completion", None)
        super().fail(error)

    def _compact(self) -> None:
        try:
            self._folded()
        except Exception as fault:
            self.chunks.clear()
            self.instruments.fault("stream", fault)

    # -- in the worker -------------------------------------------------------------------------

    def release(self) -> None:
        """Let go of request and answer."""
        self.body = self.extra = self._fold = self.inner = self._response = None
        self.raw = b""

    def _start_facts(self) -> None:
        operation = self.operation
        facts = self.found = CallFacts(
            kind=operation.kind,
            status=semconv.SUCCESS,
            billed=operation.billed,
            error_type=self.error_type,
        )
        facts.attributes[semconv.GEN_AI_OPERATION_NAME] = operation.name
        if self.attempts:
            facts.attributes[semconv.ALEX_LLM_ATTEMPTS] = self.attempts
        if self._outcome in {semconv.ERROR, semconv.CANCELLED}:
            facts.status = self._outcome  # type: ignore[assignment]

    def _finish_facts(self, facts: CallFacts) -> None:
        if self.first_ns:
            facts.time_to_first_chunk_s = (self.first_ns - self.started_ns) / 1e9
            facts.output_chunks = self.count
            facts.attributes[semconv.GEN_AI_RESPONSE_TTFC] = facts.time_to_first_chunk_s
        facts.content = limit_content(facts.content, self.content)
        for call in self.inner or ():
            merge(facts, call.facts())

    def _read_endpoint(self, facts: CallFacts) -> None:
        host, port = host_and_port(self.endpoint)
        facts.provider = self.operation.provider(host)
        if facts.provider:
            facts.attributes[semconv.GEN_AI_PROVIDER_NAME] = facts.provider
        if host:
            facts.attributes[semconv.SERVER_ADDRESS] = host
            facts.attributes[semconv.SERVER_PORT] = port

    def _read_request(self, facts: CallFacts) -> None:
        if isinstance(self.model, str):
            facts.request_model = self.model
        body = self.body
        if self.extra:
            body = {**(body or {}), **self.extra}
        if body:
            self.operation.read_request(body, facts)
        if facts.request_model:
            facts.attributes[semconv.GEN_AI_REQUEST_MODEL] = facts.request_model
        if self.stream:
            facts.attributes[semconv.GEN_AI_REQUEST_STREAM] = True

    def _load_response(self, facts: CallFacts) -> None:
        if self.raw:
            self._response = decoded(self.raw)
        elif self._result is not None:
            self._response = self.operation.load(self._result)
        else:
            self._response = self._streamed_response(facts)

    def _read_response(self, facts: CallFacts) -> None:
        if self._response is not None:
            self.operation.read_response(self._response, facts)
        if facts.response_model:
            facts.attributes[semconv.GEN_AI_RESPONSE_MODEL] = facts.response_model

    def _streamed_response(self, facts: CallFacts) -> Any:
        fold = self._folded()
        whole = self.decode.rest() if self.decode is not None else None
        complete = whole is not None or (fold is not None and fold.complete)
        if self._outcome == CLOSED and not complete:
            facts.status = semconv.CANCELLED
        if fold is not None and fold.error and not facts.error_type:
            facts.status, facts.error_type = semconv.ERROR, fold.error
        return whole or (fold.response() if fold is not None else None)

    def _folded(self) -> Fold | None:
        if self._fold is None and self.operation.fold is not None and self.chunks:
            self._fold = self.operation.fold()
        fold, decode, load = self._fold, self.decode, self.operation.load
        chunks, self.chunks = self.chunks, []
        for chunk in chunks:
            for event in decode(chunk) if decode is not None else (load(chunk),):
                self.count += 1
                if fold is not None:
                    fold.add(event)
        return fold

    steps = (
        _start_facts,
        _guarded("endpoint", _read_endpoint),
        _guarded("request", _read_request),
        _guarded("response", _load_response),
        _guarded("response", _read_response),
        _guarded("facts", _finish_facts),
        Observation.keep_facts,
    )


def enclosing(context: Mapping[str, Any], operation: str) -> tuple[bool, LLMCall | None]:
    """Tell whether a call in `context` already has a span, and which call of ours that is."""
    call: LLMCall | None = context.get(CALL_KEY)
    if call is not None:
        return not call.ended, call
    return context.get(coexistence.key_of(operation)) is not None, None


def begin(instruments: Instruments, operation: Operation, **known: Any) -> LLMCall | None:
    """Return the call to record, or None when an outer call has its span already.

    Inside a call of a client that we know nothing about, the request to the provider becomes a
    source of facts for that outer call: one span, with the right tokens.
    """
    covered, outer = enclosing(current_context(), operation.name)
    if not covered:
        return LLMCall(instruments, operation, **known)
    if outer is None or outer.inner is None:
        return None
    call = LLMCall(instruments, operation, silent=True, **known)
    outer.inner.append(call)
    return call


def merge(outer: CallFacts, inner: CallFacts) -> None:
    """Add what a request inside a call says to that call's facts."""
    outer.provider = inner.provider or outer.provider
    outer.request_model = outer.request_model or inner.request_model
    outer.response_model = inner.response_model or outer.response_model
    outer.service_tier = outer.service_tier or inner.service_tier
    outer.attributes = {**inner.attributes, **outer.attributes}
    outer.attributes[semconv.GEN_AI_PROVIDER_NAME] = outer.provider
    outer.content = {**inner.content, **outer.content}
    if inner.usage is None or not inner.billed:
        return
    if outer.usage is None:
        outer.usage = inner.usage
        return
    outer.usage = _sum(outer.usage, inner.usage)


def _sum(one: Usage, other: Usage) -> Usage:
    counts = {
        name: getattr(one, name) + getattr(other, name) for name in Usage._fields if name != "raw"
    }
    raw = one.raw or {}
    calls = raw["calls"] if set(raw) == {"calls"} else [raw]
    return Usage(**counts, raw={"calls": [*calls, other.raw]})


def host_and_port(endpoint: Any) -> tuple[str, int]:
    """Return host and port of a URL, as text or as an HTTP library's object."""
    if not endpoint:
        return "", 0
    host, port = getattr(endpoint, "host", None), getattr(endpoint, "port", None)
    scheme = getattr(endpoint, "scheme", "")
    if host is None:
        from urllib.parse import urlsplit  # noqa: PLC0415 - 4 ms of import, in the worker only

        parts = urlsplit(str(endpoint))
        host, port, scheme = parts.hostname or "", parts.port, parts.scheme
    return str(host), int(port or (80 if scheme == "http" else 443))
