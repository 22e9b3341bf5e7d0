"""The public surface of the SDK: `init()` and `Observability`."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace
from opentelemetry.metrics import _internal as otel_metrics_state

from alexobs import __version__, instrumentation, pricing
from alexobs.context import attach
from alexobs.engine import Engine
from alexobs.faults import Faults
from alexobs.propagation import (
    ContextExecutor,
    Continued,
    carry,
    environment,
    extract,
    from_environment,
    inject,
)
from alexobs.session import Iteration, Session
from alexobs.tracing import Ids
from alexobs.tracing.bridge import BridgeProcessor

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Mapping, MutableMapping

    from alexobs.config import Config
    from alexobs.engine import Source
    from alexobs.health import Health
    from alexobs.logger import Logger
    from alexobs.metrics import MeterProvider, MetricsCollector
    from alexobs.tracing import SpanScope, Tracer, TracerProvider

__all__ = ["Observability", "current", "init"]

_T = TypeVar("_T")
_F = TypeVar("_F", bound="Callable[..., Any]")


class Observability:
    """Logs, metrics, traces and cost of one process, from one configuration.

    Args:
        source: a path, a mapping, a `Config`, or None for ``~/.alex/config.yaml``.
        watch: follow the file and apply its changes while running.
        ids: source of trace and span ids; tests replace it.
        now_ns: returns Unix nanoseconds; tests replace it.
        raise_faults: raise faults of ours instead of keeping them away; for our own tests.
        overrides: settings that win over file and environment, as ``service_name="agent"`` or
            ``tracing={"sample_rate": 0.1}``.

    Raises:
        ConfigError: the configuration cannot be used; names every problem.

    Nothing else here raises because of telemetry, and nothing waits for a back end, except
    `flush` and `shutdown`, up to their timeouts.

    Attributes:
        logger: writes log lines, with the current trace and session on each.
        metrics: records what is not instrumented, and makes instruments of your own.
        tracer, tracer_provider, meter_provider: OpenTelemetry's API objects.
    """

    def __init__(
        self,
        source: Source = None,
        *,
        watch: bool = False,
        ids: Ids | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        raise_faults: bool = False,
        **overrides: Any,
    ) -> None:
        self._engine = engine = Engine(
            source, overrides, ids=ids or Ids(), now_ns=now_ns, raise_faults=raise_faults
        )
        self.logger: Logger = engine.logger
        self.metrics: MetricsCollector = engine.metrics
        self.meter_provider: MeterProvider = engine.meter_provider
        self.tracer_provider: TracerProvider = engine.tracer_provider
        self.tracer: Tracer = engine.tracer_provider.get_tracer("alexobs", __version__)
        if watch:
            engine.follow()

    # -- recording -----------------------------------------------------------------------------

    def session(
        self,
        task: str = "",
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        agent: str | None = None,
        **attributes: Any,
    ) -> Session:
        """Return a context manager (also a decorator) for one run of an agent on one task.

        Args:
            task: what is to be done; captured as content.
            session_id: of a conversation that goes over several runs; default: a new one.
            user_id: on whose behalf; an attribute of spans, never a metric label.
            agent: the agent's name.
            attributes: further attributes of the span.
        """
        return Session(
            self,
            task,
            session_id=session_id,
            user_id=user_id,
            agent=agent,
            attributes=attributes,
        )

    def iteration(self, number: int | None = None, **attributes: Any) -> Iteration:
        """Return a context manager (also a decorator) for one turn of the agent's loop."""
        return Iteration(self.tracer, number, attributes)

    def span(self, name: str, /, **attributes: Any) -> SpanScope:
        """Return a context manager (also a decorator) for a span of your own."""
        return self.tracer.start_as_current_span(name, attributes=attributes)

    @overload
    def tool(self, function: _F, /, *, name: str | None = None) -> _F: ...
    @overload
    def tool(self, function: None = None, /, *, name: str | None = None) -> Callable[[_F], _F]: ...
    def tool(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Decorate a tool: every execution is a span ``alex.tool.execute``, metered and logged.

        Args:
            function: sync, async, generator or async generator function, method or class.
            name: value of ``alex.tool_name``; default: the function's name.
        """
        return instrumentation.tool(function, obs=self, name=name)

    def instrument(self, target: _T, **options: Any) -> _T:
        """Return `target` so that its calls are observed; it behaves as before.

        Args:
            target: an LLM client (a provider SDK's, or any object with a method like
                ``complete``), a tool, a registry of tools, or a function.
            options: of `InstrumentedLLMClient` for clients; ``name`` for tools; ``kind`` when
                the shape leaves room for doubt.

        Raises:
            InstrumentationError: it has no shape that is known.
        """
        observed: _T = instrumentation.instrument_object(target, obs=self, **options)
        return observed

    # -- context across boundaries ---------------------------------------------------------------

    def inject(self, headers: MutableMapping[str, str] | None = None) -> MutableMapping[str, str]:
        """Return headers that name the current trace and run, for a request to another process."""
        return inject(headers)

    def continued(self, headers: Mapping[str, str]) -> Continued:
        """Return a context manager that goes on with the trace and run of a request's headers."""
        return Continued(headers)

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return environment variables by which a child process goes on with this trace."""
        return environment(env)

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` so that it runs in the present context, in any thread."""
        return carry(function)

    def executor(self, executor: concurrent.futures.Executor) -> ContextExecutor:
        """Return `executor` so that its tasks run in the context they were submitted in."""
        return ContextExecutor(executor)

    # -- other people's spans --------------------------------------------------------------------

    def span_processor(self) -> BridgeProcessor:
        """Return a processor that brings the spans of another OpenTelemetry SDK in.

        Add it to that SDK's provider: ``provider.add_span_processor(obs.span_processor())``.
        """
        engine = self._engine
        return BridgeProcessor(
            engine.pipeline.put,
            engine.faults.report,
            self.config.tracing.max_attributes,
            self.flush,
        )

    def add_span_processor(self, processor: Any) -> None:
        """Call a processor of yours at the start and the end of every sampled span."""
        self._engine.add_processor(processor)

    # -- state ---------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._engine.config

    @property
    def active(self) -> bool:
        """Whether instrumented calls are observed."""
        engine = self._engine
        return engine.config.enabled and not engine.closed

    @property
    def content(self) -> str:
        """How much of messages, arguments and results is captured."""
        return self._engine.config.tracing.content

    def fault(self, where: str, error: BaseException) -> None:
        """Count a fault of an instrumentation, which the application must not see."""
        self._engine.faults.report(where, error)

    def health(self) -> Health:
        """Return what is well and what is not, with the accounting identity per signal."""
        return self._engine.health()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver everything that has ended; True when nothing waits any more.

        What could not be delivered in time stays in the spool, and shows in `health()`.
        """
        return self._engine.flush(timeout_s)

    def reload(self) -> bool:
        """Read the files of the configuration and of prices now; True when anything changed.

        Raises:
            ConfigError: the configuration cannot be used; the working one stays.
            PriceError: the prices cannot be used; the working ones stay.
        """
        return self._engine.reload()

    def reconfigure(self, config: Config) -> None:
        """Use another configuration from now on; no record is lost and nothing is restarted.

        Settings that need a restart (ports, the spool's folder) keep their value.
        """
        self._engine.reconfigure(config)

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Deliver what can be delivered in time, and stop; True when nothing is left behind.

        Args:
            timeout_s: default: ``pipeline.shutdown_timeout_s``.
        """
        return self._engine.shutdown(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # -- what sessions tell ----------------------------------------------------------------------

    def session_started(self, session: Session) -> None:
        """Count a session that has started."""
        self.metrics.session_started()

    def session_ended(self, session: Session, duration_s: float, error_type: str) -> None:
        """Count a session that has ended."""
        self.metrics.session_ended(duration_s, session.agent, error_type)


_lock = threading.Lock()
_current: Observability | None = None


def init(config: Source = None, **overrides: Any) -> Observability:
    """Make this process observable and return its `Observability`; later calls return the same.

    OpenTelemetry's global tracer and meter providers become ours when nobody has set them.

    Args:
        config: a path, a mapping, a `Config`, or None for ``~/.alex/config.yaml``, which is then
            followed while the process runs.
        overrides: settings that win over file and environment.

    Raises:
        ConfigError: the configuration cannot be used; names every problem.
    """
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _current is None or _current._engine.closed:  # noqa: SLF001 - our own
            _current = Observability(config, watch=True, **overrides)
            engine = _current._engine  # noqa: SLF001 - our own
            pricing.use(lambda: engine.prices)
            _offer_globally(_current)
            _continue_parent()
        elif config is not None or overrides:
            Faults().say("init", "init() was called before; its first configuration stays in use")
        return _current


def current() -> Observability | None:
    """Return what `init` has made, or None before it was called."""
    return _current


def _continue_parent() -> None:
    """Go on with the trace of the process that started this one, when it has named it."""
    headers = from_environment(os.environ)
    if headers:
        attach(extract(headers))


def _offer_globally(obs: Observability) -> None:
    if otel_trace._TRACER_PROVIDER is None:  # noqa: SLF001 - asking for it would set one
        otel_trace.set_tracer_provider(obs.tracer_provider)
    if otel_metrics_state._METER_PROVIDER is None:  # noqa: SLF001
        otel_metrics.set_meter_provider(obs.meter_provider)
