"""The engine of an `Observability`: owns the parts, swaps them on reload, takes them down."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alexobs import __version__, lifecycle, parts, selfmetrics
from alexobs.config import Config
from alexobs.config.change import diff, pinned, restart_only
from alexobs.config.load import load
from alexobs.config.watch import Watcher
from alexobs.context import RUN_KEY, SPAN_KEY, Context
from alexobs.errors import AlexobsError, PriceError
from alexobs.faults import Faults
from alexobs.health import Health, assess
from alexobs.logger import Logger
from alexobs.logs.lines import LINE_BYTES, Origin
from alexobs.logs.sink import LogSink
from alexobs.metrics import MeterProvider, MetricsCollector
from alexobs.pipeline.enrich import Enricher
from alexobs.pipeline.pipeline import Pipeline
from alexobs.pipeline.stages import Stages, running_record
from alexobs.resource import resource_of
from alexobs.tracing import Ids, Runtime, TracerProvider
from alexobs.tracing.announce import Announcer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from alexobs.exporters.base import Exporter
    from alexobs.exporters.prometheus_http import PrometheusServer
    from alexobs.pipeline.enrich import FinishedSpan
    from alexobs.pricing import Prices
    from alexobs.records import Signal
    from alexobs.tracing import Span

    Source = str | os.PathLike[str] | Mapping[str, Any] | Config | None

TERMINATE_S = 1.0  # for delivery, on a signal: the disk of a container may not outlive it

_CALL_LINES = Origin("alexobs.calls", {})


class Engine:
    """Everything behind one `Observability`; see there for the arguments."""

    def __init__(
        self,
        source: Source,
        overrides: Mapping[str, Any],
        *,
        ids: Ids,
        now_ns: Callable[[], int],
        raise_faults: bool,
    ) -> None:
        self.config = load(source, overrides=overrides)
        self.faults = Faults(reraise=raise_faults)
        self.now_ns = now_ns
        self.closed = False
        self._shut_down = threading.Event()
        self._ids = ids
        self._lock = threading.RLock()
        self._processors: list[Any] = []
        self._is_child = False  # of a process that serves the port for Prometheus
        self._forking: list[Any] = []  # locks that are held over a fork
        self._watcher = self._watch(source, overrides)
        self._following = False
        self._stdlib: Any = None
        self.prometheus: PrometheusServer | None = None
        self.resource = resource_of(self.config)
        self.prices = parts.make_prices(self.config, self.faults)
        self.redactor = parts.make_redactor(self.config)
        self.faults.redact = self._redact_text
        self.pipeline = Pipeline(
            self.config.pipeline,
            resource=self.resource,
            fault=self.faults.report,
            tick=self._tick,
            unsampled=lambda: self.runtime.unsampled_count,
        )
        self._build_metrics()
        self._build_logging()
        self.exporters: Mapping[Signal, Exporter] = parts.exporters_of(self.config)
        self.delivery = parts.make_delivery(self.config, self.exporters, self.pipeline, self.faults)
        self.runtime = self._make_runtime(None)
        self.tracer_provider = TracerProvider(self.runtime)
        self.announcer = Announcer(self.runtime.open_spans)
        self._configure_pipeline()
        selfmetrics.register(self)
        self._serve_prometheus()
        self._next_metric_export_s = time.monotonic() + self.config.metrics.export_interval_s
        lifecycle.watch(self)

    # -- building ------------------------------------------------------------------------------

    def _build_metrics(self) -> None:
        settings = self.config.metrics
        self.meter_provider = MeterProvider(
            boundaries=settings.boundaries,
            cardinality_limit=settings.cardinality_limit,
            clock=self.now_ns,
            redact=self._redact_label,
            warn=lambda message: self.faults.say(message, message),
        )
        self.metrics = MetricsCollector(self.meter_provider, self.pipeline.put, version=__version__)
        self.meter_provider.set_enabled(self.config.enabled and settings.enabled)

    def _build_logging(self) -> None:
        settings = self.config.logging
        self.sink = LogSink(
            parts.stream_of(self.config),
            settings.format,
            redactor=self.redactor,
            on_records=self.pipeline.outbox.stage_logs if settings.otlp else None,
            wake=self.pipeline.wake,
            on_fault=self.faults.report,
            now_ns=self.now_ns,
        )
        self.pipeline.sink = self.sink
        self.logger = Logger(self.sink, level=self._log_level())
        self._route_stdlib()

    @property
    def logging_on(self) -> bool:
        """Whether log lines are written."""
        return self.config.enabled and self.config.logging.enabled

    def _log_level(self) -> str:
        return self.config.logging.level if self.logging_on else "off"

    def _route_stdlib(self) -> None:
        wanted = self.logging_on and self.config.logging.stdlib and not self.closed
        if wanted and self._stdlib is None:
            self._stdlib = parts.route_stdlib(self.sink)
        elif not wanted and self._stdlib is not None:
            self._stdlib.uninstall()
            self._stdlib = None

    def _make_runtime(self, old: Runtime | None) -> Runtime:
        return Runtime(
            self.config,
            resource=self.resource,
            finish=self.pipeline.put,
            describe=self._describe,
            fault=self.faults.report,
            ids=self._ids,
            now_ns=self.now_ns,
            processors=self._processors,
            unsampled=None if old is None else old.unsampled,
            open_spans=None if old is None else old.open_spans,
        )

    def _swap_runtime(self) -> None:
        self.runtime = self._make_runtime(self.runtime)
        self.tracer_provider.runtime = self.runtime

    def _configure_pipeline(self) -> None:
        settings = self.config
        self._enricher = Enricher(self._pricer(), self.faults.report)
        self._assembler = parts.make_assembler(settings, self.redactor)
        stages = Stages(
            tracing=settings.enabled and settings.tracing.enabled,
            enricher=self._enricher,
            assembler=self._assembler,
            tail=parts.make_tail(settings),
            meter=self.metrics if settings.enabled and settings.metrics.enabled else None,
            log_call=self._log_call if self.logging_on else None,
            log_threshold=parts.SEVERITIES[settings.logging.level],
            accounting=self.pipeline.accounting,
            fault=self.faults.report,
        )
        self.pipeline.configure(
            stages,
            self.exporters,
            self.delivery,
            settings.pipeline,
            settings.tracing.max_attribute_length,
        )

    def _pricer(self) -> Prices | None:
        return self.prices.prices if self.config.pricing.enabled else None

    def _serve_prometheus(self) -> None:
        settings = self.config.metrics
        wanted = self.config.enabled and settings.enabled and settings.prometheus
        if wanted and self.prometheus is None and not self._is_child:
            self.prometheus = parts.serve_prometheus(self)
        elif not wanted and self.prometheus is not None:
            self.prometheus.stop()
            self.prometheus = None

    # -- what the parts ask for ------------------------------------------------------------------

    def _redact_text(self, text: str) -> str:
        redactor = self.redactor
        return text if redactor is None else redactor.text(text)

    def _redact_label(self, key: str, value: Any) -> Any:
        redactor = self.redactor
        if redactor is None:
            return value
        # The key may hold a secret itself, and is another one then.
        return next(iter(redactor.fields({key: value}).values()))

    def _describe(self, span: Span) -> dict[str, Any]:
        return self._assembler.describe(span, self._enricher)

    def _log_call(
        self, span: FinishedSpan, severity: int, event: str, fields: dict[str, Any]
    ) -> None:
        values: dict[str, Any] = {SPAN_KEY: span}
        if span.run is not None:
            values[RUN_KEY] = span.run
        end_ns = span.end_time or span.start_time
        context = Context(values)
        self.sink.put((end_ns, severity, event, fields, _CALL_LINES, context, None, LINE_BYTES))

    # -- periodic tasks --------------------------------------------------------------------------

    def _tick(self, now_s: float) -> None:
        if self._following:
            self._poll_files()
        if now_s >= self._next_metric_export_s:
            self.export_metrics()
        self._announce()

    def export_metrics(self) -> None:
        """Encode and spool the metrics as they are now."""
        settings = self.config.metrics
        self._next_metric_export_s = time.monotonic() + settings.export_interval_s
        if not (self.config.enabled and settings.enabled and "metrics" in self.exporters):
            return
        self.pipeline.work_off()
        self.pipeline.outbox.send_metrics(self.meter_provider.collect(settings.temporality))

    def _announce(self) -> None:
        mode = self.config.tracing.announce
        if mode == "off" or (mode == "auto" and not self.delivery.alexobs_server):
            return
        now_ns = self.now_ns()
        spans = self.announcer.due(now_ns)
        if spans:
            records = [running_record(span, now_ns) for span in spans]
            self.pipeline.outbox.announce(records, self.redactor)

    # -- change while running --------------------------------------------------------------------

    def follow(self) -> None:
        """Apply changes of the files, the configuration's and the prices', while running."""
        self._following = True
        self.pipeline.wake()

    def _watch(self, source: Source, overrides: Mapping[str, Any]) -> Watcher | None:
        if isinstance(source, (Mapping, Config)):
            return None
        return Watcher(
            source,
            self._follow_change,
            self._broken_file,
            current=self.config,
            overrides=overrides,
        )

    def _poll_files(self, *, now: bool = False) -> bool:
        changed = self._watcher is not None and self._watcher.poll(now=now)
        if self.prices.poll(now=now):
            self._enricher.pricer = self._pricer()
            changed = True
        return changed

    @property
    def broken_files(self) -> tuple[str, ...]:
        """What is wrong with the files now, while their last good content stays in use."""
        config = self._watcher.problem if self._watcher is not None else None
        return tuple(str(problem) for problem in (config, self.prices.problem) if problem)

    def _broken_file(self, error: AlexobsError) -> None:
        self.faults.say(f"config {error}", f"{error}\nThe last good configuration stays in use.")

    def reload(self) -> bool:
        """Read the file now; see `Observability.reload`."""
        changed = self._poll_files(now=True)
        if self._watcher is not None and self._watcher.problem is not None:
            raise self._watcher.problem
        if self.prices.problem:
            raise PriceError(self.prices.problem)
        return changed

    def add_processor(self, processor: Any) -> None:
        """Call a user's span processor from now on."""
        with self._lock:
            self._processors.append(processor)
            self._swap_runtime()

    def use_exporters(self, exporters: Mapping[Signal, Exporter]) -> None:
        """Encode with, and send by, other exporters from now on."""
        with self._lock:
            self.pipeline.spool_all()
            self.exporters = exporters
            self.delivery.use(parts.destinations(exporters))
            self._configure_pipeline()

    def reconfigure(self, config: Config) -> None:
        """Use another configuration from now on; see `Observability.reconfigure`."""
        with self._lock:
            waiting = restart_only(diff(self.config, config))
            config = pinned(config, self.config)
            # What can fail is made first: nothing has changed when it does.
            prices = parts.make_prices(config, self.faults, self.prices)
            redactor = parts.make_redactor(config, self.redactor)
            rerouted = parts.routes(self.config) != parts.routes(config)
            exporters = parts.exporters_of(config) if rerouted else None
            self.config, self.prices = config, prices
            self.redactor = self.sink.redactor = redactor
            self.delivery.timeout_s = config.pipeline.timeout_s
            self._swap_logging()
            self.meter_provider.set_enabled(config.enabled and config.metrics.enabled)
            if exporters is None:
                self._configure_pipeline()
            else:
                self.use_exporters(exporters)
            self._swap_runtime()
            self._serve_prometheus()
        if waiting:
            told = ", ".join(change.key for change in waiting)
            self.faults.say(f"restart {told}", f"restart the process to change {told}")

    def _follow_change(self, config: Config) -> None:
        try:
            self.reconfigure(config)
        except AlexobsError as error:
            self._broken_file(error)

    def _swap_logging(self) -> None:
        settings = self.config.logging
        self.sink.stream_of = parts.stream_of(self.config)
        self.sink.on_records = self.pipeline.outbox.stage_logs if settings.otlp else None
        self.sink.set_format(settings.format)
        self.logger.set_level(self._log_level())
        self._route_stdlib()

    # -- ends ----------------------------------------------------------------------------------

    def flush(self, timeout_s: float) -> bool:
        """Deliver everything that has ended; see `Observability.flush`."""
        deadline_s = time.monotonic() + timeout_s
        self.pipeline.flush(timeout_s)
        self.export_metrics()  # afterwards, because they say what became of the rest
        return self.pipeline.flush(_left(deadline_s)) and not self.sink.blocked

    def shutdown(self, timeout_s: float | None, *, exiting: bool = False) -> bool:
        """Deliver what can be delivered in time, and stop; see `Observability.shutdown`.

        When the process is `exiting`, records of `logging` are still written until its very end.
        """
        with self._lock:
            if self.closed:
                return True
            self.closed = True
        limit_s = self.config.pipeline.shutdown_timeout_s if timeout_s is None else timeout_s
        deadline_s = time.monotonic() + limit_s
        if self.prometheus is not None:
            self.prometheus.stop()
        self.pipeline.finish_traces()
        self.pipeline.flush(_left(deadline_s))
        self.export_metrics()  # afterwards, because they say what became of the rest
        delivered = self.pipeline.shutdown(_left(deadline_s))
        if not exiting:
            self._route_stdlib()
        written = self.sink.close(min(1.0, limit_s))
        lifecycle.forget(self)
        self._shut_down.set()
        return delivered and written

    def at_exit(self) -> None:
        """Deliver what can be delivered, and say what is left behind."""
        with contextlib.suppress(Exception):
            if not self.shutdown(None, exiting=True):
                self._say_what_waits()

    def _say_what_waits(self) -> None:
        health = self.health()
        if self.sink.unread:
            self.faults.say("exit lines", f"{self.sink.unread} log lines found no reader.")
        waiting = sum(health.signals[signal].waiting for signal in ("traces", "logs"))
        if waiting and not self.delivery.told_of_absence:
            why = f" {health.problems[0]}" if health.problems else ""
            self.faults.say("exit", f"{waiting} records wait in the spool for a back end.{why}")

    def at_terminate(self) -> None:
        """Bring everything to disk, and what can be delivered in a moment to the back end."""
        with contextlib.suppress(Exception):
            self.pipeline.finish_traces()
            self.pipeline.spool_all()
        with contextlib.suppress(Exception):
            if self.closed:  # the signal came amid the shutdown, which is doing just that
                self._shut_down.wait(TERMINATE_S)
            else:
                self.flush(TERMINATE_S)

    def before_fork(self) -> None:
        """Take the locks that the child must not inherit taken."""
        locks = (self._lock, self.pipeline.lock)
        self._forking = [lock for lock in locks if lock.acquire(timeout=1.0)]
        self.sink.hold()

    def after_fork_in_parent(self) -> None:
        """Release them."""
        self.sink.release()
        while self._forking:
            self._forking.pop().release()

    def after_fork_in_child(self) -> None:
        """Start clean: what the parent has recorded, the parent sends."""
        self._lock = threading.RLock()
        self._shut_down = threading.Event()
        self._forking = []
        self.resource = resource_of(self.config)
        self.faults.after_fork_in_child()
        if self.redactor is not None:
            self.redactor.after_fork_in_child()
        self.pipeline.after_fork_in_child(self.resource)
        self.sink.after_fork_in_child()
        self.meter_provider.after_fork_in_child()
        self.runtime.after_fork_in_child()
        self.exporters = parts.exporters_of(self.config)
        self.delivery.after_fork(self.pipeline.lock)
        self.delivery.use(parts.destinations(self.exporters))
        self._swap_runtime()
        self._configure_pipeline()
        if self.prometheus is not None:  # the parent serves the port
            self.prometheus.after_fork_in_child()
            self.prometheus = None
            self._is_child = True

    # -- state ---------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return what is well and what is not."""
        return assess(self)


def _left(deadline_s: float) -> float:
    """Return the seconds until `deadline_s`, by the monotonic clock."""
    return max(0.0, deadline_s - time.monotonic())
