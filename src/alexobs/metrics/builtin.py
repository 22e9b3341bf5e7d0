"""The built-in instruments: what LLM calls, tool executions and sessions add to the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs import semconv
from alexobs.context import current_span
from alexobs.metrics import faults
from alexobs.metrics.children import LLMChildren, ToolChildren, label
from alexobs.metrics.series import SumSeries
from alexobs.records import LLMObservation, ToolObservation, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexobs.metrics.instruments import Counter, Gauge, Histogram, UpDownCounter
    from alexobs.metrics.provider import MeterProvider

SCOPE: Final = "alexobs"
CHILDREN_MAX: Final = 4096  # label sets whose series are remembered; others are looked up


class MetricsCollector:
    """Records what agents do, and makes users' own instruments.

    No method that records ever raises: what cannot be used is left out and counted in
    `MeterProvider.faults`.

    Args:
        provider: where the instruments live.
        submit: takes an observation to record it elsewhere (in the pipeline's worker, which can
            price it first); without it, observations are recorded at once, on the calling thread.
        version: of the instrumentation scope ``alexobs``.
    """

    def __init__(
        self,
        provider: MeterProvider,
        submit: Callable[[LLMObservation | ToolObservation], object] | None = None,
        *,
        version: str = "",
    ) -> None:
        self.provider = provider
        self._meter = provider.get_meter(SCOPE, version)
        self._submit = submit
        self._instruments: dict[str, Any] = {m.name: self._built_in(m) for m in semconv.METRICS}
        self._llm: dict[tuple[Any, ...], LLMChildren] = {}
        self._tools: dict[tuple[Any, ...], ToolChildren] = {}
        self._active: SumSeries = self._instruments[semconv.SESSIONS_ACTIVE.name].bind()
        self._change_active(0)  # a level is worth seeing before the first session

    def _built_in(self, metric: semconv.Metric) -> Any:
        meter = self._meter
        if metric.kind == "histogram":
            return meter.create_histogram(
                metric.name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.boundaries,
            )
        create = {
            "counter": meter.create_counter,
            "updowncounter": meter.create_up_down_counter,
            "gauge": meter.create_gauge,
        }[metric.kind]
        return create(metric.name, metric.unit, metric.description)

    # -- what happened -----------------------------------------------------------------------

    def record_llm_request(
        self,
        *,
        model: str,
        status: str = semconv.SUCCESS,
        latency_s: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        provider: str = "",
        operation: str = "chat",
        error_type: str = "",
    ) -> None:
        """Record one LLM request that was not made through an instrumented client.

        Args:
            model: label of all series; at most 128 characters are kept.
            status: ``success``, ``error`` or ``cancelled``.
            latency_s: from the request to the end of the response, in seconds.
            input_tokens: with cached ones.
            output_tokens: with reasoning ones.
            cost_usd: when known; without it the request is priced by model and tokens where the
                collector has a pipeline behind it, and counted as unpriced elsewhere.
            cache_read_tokens: part of `input_tokens`.
            cache_write_tokens: part of `input_tokens`.
            reasoning_tokens: part of `output_tokens`.
            provider: value of ``gen_ai.provider.name``.
            operation: value of ``gen_ai.operation.name``.
            error_type: value of ``error.type``.
        """
        if not self.provider.enabled:
            return
        usage = None
        if input_tokens is not None or output_tokens is not None:
            usage = Usage(
                input_tokens if isinstance(input_tokens, int) else 0,
                output_tokens if isinstance(output_tokens, int) else 0,
                cache_read_tokens,
                cache_write_tokens,
                reasoning_tokens,
            )
        trace_id, span_id = _sampled_ids()
        observation = LLMObservation(
            model,
            status,  # type: ignore[arg-type]  # any text is a label
            latency_s,  # type: ignore[arg-type]  # None is left out
            usage,
            cost_usd,
            provider,
            operation,
            model,
            "",
            error_type,
            "",
            None,
            0,
            trace_id,
            span_id,
        )
        self._hand_over(observation, self.observe_llm)

    def record_tool_execution(
        self,
        *,
        tool_name: str,
        status: str = semconv.SUCCESS,
        duration_s: float | None = None,
        error_type: str = "",
    ) -> None:
        """Record one tool execution that was not made through an instrumented tool.

        Args:
            tool_name: label of all series; at most 128 characters are kept.
            status: ``success``, ``error`` or ``cancelled``.
            duration_s: in seconds.
            error_type: value of ``error.type``.
        """
        if not self.provider.enabled:
            return
        trace_id, span_id = _sampled_ids()
        observation = ToolObservation(
            tool_name,
            status,  # type: ignore[arg-type]  # any text is a label
            duration_s,  # type: ignore[arg-type]  # None is left out
            error_type,
            trace_id,
            span_id,
        )
        self._hand_over(observation, self.observe_tool)

    def _hand_over(self, observation: Any, observe: Callable[[Any], None]) -> None:
        submit = self._submit
        if submit is None:
            observe(observation)
            return
        try:
            submit(observation)
        except Exception as error:
            self._fault(error)
            observe(observation)

    def observe_llm(self, observation: LLMObservation) -> None:
        """Update every series that an LLM call concerns."""
        if not self.provider.enabled:
            return
        try:
            key = (
                observation.model,
                observation.status,
                observation.provider,
                observation.operation,
                observation.request_model,
                observation.response_model,
                observation.error_type,
                observation.server_address,
            )
            try:
                children = self._llm.get(key)
            except TypeError:  # a part that cannot be hashed
                children = None
            if children is None:
                children = LLMChildren(self._instruments, observation, self.provider)
                if len(self._llm) < CHILDREN_MAX and all(type(part) is str for part in key):
                    self._llm[key] = children
            children.observe(observation)
        except Exception as error:
            self._fault(error)

    def observe_tool(self, observation: ToolObservation) -> None:
        """Update every series that a tool execution concerns."""
        if not self.provider.enabled:
            return
        try:
            key = (observation.tool_name, observation.status, observation.error_type)
            try:
                children = self._tools.get(key)
            except TypeError:  # a part that cannot be hashed
                children = None
            if children is None:
                children = ToolChildren(self._instruments, observation, self.provider)
                if len(self._tools) < CHILDREN_MAX and all(type(part) is str for part in key):
                    self._tools[key] = children
            children.observe(observation)
        except Exception as error:
            self._fault(error)

    def session_started(self) -> None:
        """Count a session as active."""
        self._change_active(1)

    def session_ended(
        self, duration_s: float | None = None, agent: str = "", error_type: str = ""
    ) -> None:
        """Count a session as no longer active, and record how long it took in seconds."""
        self._change_active(-1)
        if duration_s is None:
            return
        labels = {}
        if agent:
            labels[semconv.GEN_AI_AGENT_NAME] = label(agent, self.provider)
        if error_type:
            labels[semconv.ERROR_TYPE] = label(error_type, self.provider)
        self._instruments[semconv.GEN_AI_INVOKE_AGENT_DURATION.name].record(duration_s, labels)

    def _change_active(self, by: int) -> None:
        # Also while metrics are switched off: a level that missed a change is wrong for ever.
        SumSeries.add(self._active, by)

    def _fault(self, error: Exception) -> None:
        message = f"an observation could not be recorded whole: {type(error).__name__}"
        self.provider.faults.count(faults.ARGUMENT, message)

    # -- users' own instruments --------------------------------------------------------------

    def counter(self, name: str, *, unit: str = "", description: str = "") -> Counter:
        """Return a counter: a sum that only goes up.

        Raises:
            MetricNameError: the name is not allowed, or Prometheus could not tell it from an
                existing one.
        """
        return self._meter.create_counter(name, unit, description, strict=True)

    def up_down_counter(self, name: str, *, unit: str = "", description: str = "") -> UpDownCounter:
        """Return a sum that goes up and down.

        Raises:
            MetricNameError: as `counter`.
        """
        return self._meter.create_up_down_counter(name, unit, description, strict=True)

    def gauge(self, name: str, *, unit: str = "", description: str = "") -> Gauge:
        """Return a gauge: the last value that was set.

        Raises:
            MetricNameError: as `counter`.
        """
        return self._meter.create_gauge(name, unit, description, strict=True)

    def histogram(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        boundaries: Sequence[float] | None = None,
    ) -> Histogram:
        """Return a histogram with `boundaries`, or those that suit the unit.

        Boundaries for this name in the configuration (`metrics.boundaries`) win.

        Raises:
            MetricNameError: as `counter`.
        """
        return self._meter.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=boundaries, strict=True
        )


def _sampled_ids() -> tuple[int, int]:
    try:
        span = current_span()
        if span is not None:
            found = span.get_span_context()
            if found.trace_flags & 1:
                return found.trace_id, found.span_id
    except Exception:
        return 0, 0  # somebody else's span: no exemplar
    return 0, 0
