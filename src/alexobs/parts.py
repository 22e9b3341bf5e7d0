"""Makes the parts of an `Observability` from a configuration; the same for start and reload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexobs.config.model import TracingConfig
from alexobs.exporters.factory import make_exporters
from alexobs.exporters.prometheus_http import PrometheusServer
from alexobs.logs.stdlib import StdlibHandler
from alexobs.pipeline.assemble import Assembler
from alexobs.pipeline.delivery import Delivery, Destination
from alexobs.pipeline.messages import ContentEncoder
from alexobs.pipeline.spool import Spool
from alexobs.pipeline.tail import TailBuffer
from alexobs.pricing import PriceBook
from alexobs.redaction import Redactor
from alexobs.sampling import TailPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.config import Config
    from alexobs.engine import Engine
    from alexobs.errors import PriceError
    from alexobs.exporters.base import Exporter
    from alexobs.faults import Faults
    from alexobs.logs.sink import LogSink
    from alexobs.pipeline.pipeline import Pipeline
    from alexobs.records import Signal

SEVERITIES = {"debug": 5, "info": 9, "warn": 13, "error": 17}


def stream_of(config: Config) -> Callable[[], Any]:
    """Return what names the log stream of the moment: tests and notebooks replace it."""
    if config.logging.stream == "stderr":
        return lambda: sys.stderr
    return lambda: sys.stdout


def make_redactor(config: Config, old: Redactor | None = None) -> Redactor | None:
    """Return the redactor, which goes on counting where `old` was; None when switched off."""
    if not config.redaction.enabled:
        return None
    return Redactor(config.redaction, counts=None if old is None else old.counts)


def make_prices(config: Config, faults: Faults, old: PriceBook | None = None) -> PriceBook:
    """Return the prices: `old` when their file is the same one."""
    path = Path(config.pricing.overrides).expanduser()
    if old is not None and old.path == path:
        return old

    def tell(error: PriceError) -> None:
        faults.say(f"prices {error}", f"{error}\nThe last good prices stay in use.")

    return PriceBook(path, tell)


def make_assembler(config: Config, redactor: Redactor | None) -> Assembler:
    """Return the assembler for the configured content and limits."""
    tracing = config.tracing
    content = ContentEncoder(redactor, tracing.max_attribute_length)
    return Assembler(redactor, content, tracing.content)


def make_tail(config: Config) -> TailBuffer:
    """Return the buffer of traces whose decision waits for their end."""
    tail = config.tracing.tail
    return TailBuffer(TailPolicy(tail), tail.max_traces)


def make_delivery(
    config: Config,
    exporters: Mapping[Signal, Exporter],
    pipeline: Pipeline,
    faults: Faults,
) -> Delivery:
    """Return the delivery with its spool; nothing is written before the first batch."""
    settings = config.pipeline
    spool = Spool(
        Path(settings.spool_dir).expanduser() if settings.spool else None,
        max_bytes=settings.spool_max_bytes,
        max_age_s=settings.spool_max_age_s,
        dropped=pipeline.accounting.dropped,
        say=lambda message: faults.say("spool", message),
    )
    return Delivery(
        destinations(exporters),
        spool,
        pipeline.accounting,
        timeout_s=settings.timeout_s,
        max_dead_bytes=settings.spool_max_bytes,
        max_age_s=settings.spool_max_age_s,
        lock=pipeline.lock,
        say=lambda message: faults.say("delivery", message),
    )


def destinations(exporters: Mapping[Signal, Exporter]) -> list[Destination]:
    """Return each exporter once, as a place to deliver its signals to."""
    distinct = {id(exporter): exporter for exporter in exporters.values()}
    return [
        Destination(
            exporter,
            exporter.split,
            [signal for signal, taker in exporters.items() if taker is exporter],
            address=_address(exporter),
            spoolable=exporter.spoolable,
            expected=_address(exporter) != TracingConfig().otlp_endpoint,
        )
        for exporter in distinct.values()
    ]


def _address(exporter: Exporter) -> str:
    endpoint = getattr(exporter, "endpoint", None)
    return endpoint.display if endpoint is not None else ""


def routes(config: Config) -> tuple[object, ...]:
    """Return what decides where telemetry goes: when it changes, exporters are made anew."""
    tracing = config.tracing
    return (
        config.enabled,
        tracing.exporter,
        tracing.otlp_endpoint,
        tracing.otlp_protocol,
        tuple(tracing.otlp_headers.items()),
        tracing.jaeger_endpoint,
        tracing.zipkin_endpoint,
        tracing.file_path,
        config.logging.otlp,
        config.metrics.otlp,
        config.pipeline.compression,
    )


def serve_prometheus(engine: Engine) -> PrometheusServer:
    """Return the metrics endpoint; when its port is taken, it says why and the agent runs on."""
    settings = engine.config.metrics
    server = PrometheusServer(
        settings.prometheus_host,
        settings.prometheus_port,
        lambda: engine.meter_provider.collect("cumulative", for_prometheus=True),
        health=lambda: engine.health().as_dict(),
        before_scrape=engine.pipeline.work_off,
        resource=engine.resource,
        warn=lambda message: engine.faults.say("prometheus", message),
    )
    server.start()
    return server


def exporters_of(config: Config) -> Mapping[Signal, Exporter]:
    """Return the exporter of each signal that leaves the process."""
    return make_exporters(config) if config.enabled else {}


def route_stdlib(sink: LogSink) -> StdlibHandler:
    """Return a handler that brings records of the standard library's `logging` to `sink`."""
    handler = StdlibHandler(sink)
    handler.install()
    return handler
