"""Series of one set of labels, held together, so that one call is one update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs import semconv
from alexobs.metrics import faults
from alexobs.metrics.attributes import CHECKED_CHARS
from alexobs.metrics.series import FOLD_AT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.metrics.provider import MeterProvider
    from alexobs.metrics.series import HistogramSeries, Series
    from alexobs.records import LLMObservation, ToolObservation

LABEL_MAX_CHARS: Final = 128  # the longest model names are cloud resource names, about 100
UNKNOWN: Final = "unknown"


def label(value: Any, provider: MeterProvider) -> str:
    """Return a value as a label: one line, bounded, never empty."""
    if type(value) is not str:
        message = f"a label must be a text, not {type(value).__name__}"
        provider.faults.count(faults.ARGUMENT, message)
        try:
            value = "" if value is None else str(value)
        except Exception:
            value = f"<{type(value).__name__}>"
    if len(value) > LABEL_MAX_CHARS:  # a secret that is cut in half is not known by its rule
        value = value[:CHECKED_CHARS]
        if provider.redact is not None:
            value = str(provider.redact("text", value))
    return " ".join(value.split())[:LABEL_MAX_CHARS] or UNKNOWN


class _Children:
    def __init__(self, instruments: Mapping[str, Any], provider: MeterProvider) -> None:
        self._instruments = instruments
        self._clock = provider.clock
        self._bound: list[Series] = []
        self._waiting = 0

    def _bind(self, metric: semconv.Metric, labels: Mapping[str, str]) -> Any:
        series = self._instruments[metric.name].bind(labels)
        self._bound.append(series)
        return series

    def _count(self) -> None:
        self._waiting += 1
        if self._waiting >= FOLD_AT:
            self._waiting = 0
            for series in self._bound:
                series.store.fold_now(series)


class LLMChildren(_Children):
    """The series of LLM calls of one model, status, provider and so on."""

    def __init__(
        self, instruments: Mapping[str, Any], first: LLMObservation, provider: MeterProvider
    ) -> None:
        super().__init__(instruments, provider)
        model = label(first.model, provider)
        status = label(first.status, provider)
        self._labels = _call_labels(first, model, provider)
        by_model, by_status = {"model": model}, {"model": model, "status": status}
        self._success = status == semconv.SUCCESS
        self._requests = self._bind(semconv.LLM_REQUESTS, by_status).pending
        self._latency: HistogramSeries = self._bind(semconv.LLM_LATENCY, by_status)
        self._input = self._bind(semconv.LLM_TOKENS_INPUT, by_model).pending
        self._output = self._bind(semconv.LLM_TOKENS_OUTPUT, by_model).pending
        self._cost: Series = self._bind(semconv.COST_TOTAL, by_model)
        self._unpriced = self._bind(semconv.COST_UNPRICED, by_model).pending
        self._duration: HistogramSeries = self._bind(
            semconv.GEN_AI_OPERATION_DURATION, self._labels
        )
        self._usage_input = self._token_usage("input")
        self._usage_output = self._token_usage("output")
        self._chunks: tuple[HistogramSeries, HistogramSeries] | None = None

    def _token_usage(self, token_type: str) -> list[Any]:
        labels = {**self._labels, semconv.GEN_AI_TOKEN_TYPE: token_type}
        pending: list[Any] = self._bind(semconv.GEN_AI_TOKEN_USAGE, labels).pending
        return pending

    def observe(self, observation: LLMObservation) -> None:
        """Add one call to all series; unknown usage and cost are left out, not zero."""
        self._requests.append(1)
        usage, cost_usd, latency_s = observation.usage, observation.cost_usd, observation.latency_s
        if usage is not None:
            self._input.append(usage.input_tokens)
            self._output.append(usage.output_tokens)
            self._usage_input.append(usage.input_tokens)
            self._usage_output.append(usage.output_tokens)
        if cost_usd is not None:
            self._cost.pending.append(cost_usd)
        elif usage is not None or self._success:  # a failed call without usage cost nothing
            self._unpriced.append(1)
        if latency_s is not None:
            self._latency.pending.append(latency_s)
            self._duration.pending.append(latency_s)
        if observation.time_to_first_chunk_s is not None:
            self._observe_stream(observation)
        if observation.trace_id:
            self._offer(observation)
        self._count()

    def _observe_stream(self, observation: LLMObservation) -> None:
        series = self._chunks
        if series is None:
            series = self._chunks = (
                self._bind(semconv.GEN_AI_TIME_TO_FIRST_CHUNK, self._labels),
                self._bind(semconv.GEN_AI_TIME_PER_OUTPUT_CHUNK, self._labels),
            )
        first_s, chunks = observation.time_to_first_chunk_s, observation.output_chunks
        series[0].pending.append(first_s)
        if chunks > 1 and first_s is not None:
            series[1].pending.append((observation.latency_s - first_s) / (chunks - 1))

    def _offer(self, observation: LLMObservation) -> None:
        now_ns, ids = self._clock(), observation[-2:]
        if observation.latency_s is not None:
            latency = (observation.latency_s, now_ns, *ids)
            self._latency.candidates.append(latency)
            self._duration.candidates.append(latency)
        if observation.cost_usd is not None:
            self._cost.candidates.append((observation.cost_usd, now_ns, *ids))


class ToolChildren(_Children):
    """The series of executions of one tool with one status."""

    def __init__(
        self, instruments: Mapping[str, Any], first: ToolObservation, provider: MeterProvider
    ) -> None:
        super().__init__(instruments, provider)
        tool, status = label(first.tool_name, provider), label(first.status, provider)
        labels = {"tool_name": tool, "status": status}
        conventional = {semconv.GEN_AI_TOOL_NAME: tool}
        if first.error_type:
            conventional[semconv.ERROR_TYPE] = label(first.error_type, provider)
        self._executions = self._bind(semconv.TOOL_EXECUTIONS, labels).pending
        self._duration: HistogramSeries = self._bind(semconv.TOOL_DURATION, {"tool_name": tool})
        self._conventional = self._bind(semconv.GEN_AI_EXECUTE_TOOL_DURATION, conventional).pending

    def observe(self, observation: ToolObservation) -> None:
        """Add one execution to all series."""
        self._executions.append(1)
        duration_s = observation.duration_s
        if duration_s is not None:
            self._duration.pending.append(duration_s)
            self._conventional.append(duration_s)
            if observation.trace_id:
                self._duration.candidates.append(
                    (duration_s, self._clock(), observation.trace_id, observation.span_id)
                )
        self._count()


def _call_labels(first: LLMObservation, model: str, provider: MeterProvider) -> dict[str, str]:
    given = {
        semconv.GEN_AI_OPERATION_NAME: first.operation,
        semconv.GEN_AI_PROVIDER_NAME: first.provider,
        semconv.GEN_AI_REQUEST_MODEL: first.request_model or model,
        semconv.GEN_AI_RESPONSE_MODEL: first.response_model,
        semconv.ERROR_TYPE: first.error_type,
        semconv.SERVER_ADDRESS: first.server_address,
    }
    return {name: label(value, provider) for name, value in given.items() if value}
