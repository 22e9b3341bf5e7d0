"""Exporters as the configuration asks for them.

Where each signal goes:

==================  ==========================================  ================================
``exporter``        spans                                       logs and metrics over OTLP
==================  ==========================================  ================================
``otlp``            ``otlp_endpoint``                           ``otlp_endpoint``
``jaeger``          ``jaeger_endpoint``: Thrift when its path   ``otlp_endpoint``, when it was
                    ends in ``/api/traces``, else OTLP          set to other than its default
``zipkin``          ``zipkin_endpoint``                         the same
``file``            ``file_path``                               the same
``console``         standard error                              the same
``none``            nowhere                                     the same
==================  ==========================================  ================================

A signal that is switched off, or whose ``otlp`` is, has no exporter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs.config.model import Config, TracingConfig
from alexobs.exporters.endpoints import (
    Certificates,
    Endpoint,
    check_headers,
    parse_endpoint,
)
from alexobs.records import Batch, SendResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.exporters.base import Exporter
    from alexobs.records import Signal

_OTLP_HTTP_PORT = 4318
_OTLP_GRPC_PORT = 4317
_JAEGER_THRIFT_PATH = "/api/traces"
_DEFAULT_OTLP_ENDPOINT = TracingConfig().otlp_endpoint


def make_exporters(config: Config) -> dict[Signal, Exporter]:
    """Return the exporter of each signal that has one; signals may share one.

    Raises:
        ConfigError: when an endpoint, a header or a certificate file cannot be used.
        MissingExtraError: when gRPC is asked for and grpcio is not installed.
    """
    exporters: dict[Signal, Exporter] = {}
    spans = make_exporter(config)
    if spans is not None:
        exporters["traces"] = spans
    if not config.enabled:
        return exporters
    others: list[Signal] = []
    if config.logging.enabled and config.logging.otlp:
        others.append("logs")
    if config.metrics.enabled and config.metrics.otlp:
        others.append("metrics")
    if others and _sends_all_signals(config.tracing):
        is_shared = spans is not None and config.tracing.exporter == "otlp"
        otlp = spans if is_shared and spans is not None else _otlp_exporter(config, "logs")
        exporters |= dict.fromkeys(others, otlp)
    return exporters


def make_exporter(config: Config) -> Exporter | None:
    """Return the exporter of spans, or None when spans go nowhere.

    Raises:
        ConfigError: when an endpoint, a header or a certificate file cannot be used.
        MissingExtraError: when gRPC is asked for and grpcio is not installed.
    """
    if not (config.enabled and config.tracing.enabled):
        return None
    return _span_exporter(config, config.tracing.exporter)


def make_sender(config: Config) -> ReplaySender:
    """Return what replays spooled batches of any encoding to where `config` sends now."""
    return ReplaySender(config)


class ReplaySender:
    """Hands each batch to an exporter of its encoding.

    A batch in another encoding than the configured one goes to that back end's configured
    endpoint, so that what was spooled before a change of exporters still arrives.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._exporters: dict[tuple[str, bool], Exporter] = {}

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        """Hand `batch` over and return what became of it."""
        exporter = self._exporter(batch)
        if exporter is None:
            return SendResult(accepted=False, message=f"unknown encoding {batch.encoding!r}")
        return exporter.send(batch, timeout_s)

    def split(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Return two halves by records, or None when `batch` cannot be halved."""
        exporter = self._exporter(batch)
        return None if exporter is None else exporter.split(batch)

    def close(self) -> None:
        """Let go of connections and files."""
        for exporter in self._exporters.values():
            exporter.close()
        self._exporters.clear()

    def _exporter(self, batch: Batch) -> Exporter | None:
        key = (batch.encoding, batch.signal == "traces")
        if key not in self._exporters:
            exporter = self._new_exporter(batch)
            if exporter is None:
                return None
            self._exporters[key] = exporter
        return self._exporters[key]

    def _new_exporter(self, batch: Batch) -> Exporter | None:
        if batch.signal != "traces":
            return _otlp_exporter(self._config, batch.signal) if batch.encoding == "otlp" else None
        configured = _span_exporter(self._config, self._config.tracing.exporter)
        if configured is not None and configured.encoding == batch.encoding:
            return configured
        if batch.encoding not in {"otlp", "jaeger", "zipkin", "file"}:
            return None
        return _span_exporter(self._config, batch.encoding)


def _sends_all_signals(tracing: TracingConfig) -> bool:
    return tracing.exporter == "otlp" or tracing.otlp_endpoint != _DEFAULT_OTLP_ENDPOINT


def _span_exporter(config: Config, kind: str) -> Exporter | None:
    tracing = config.tracing
    if kind == "otlp":
        return _otlp_exporter(config, "traces")
    if kind == "jaeger":
        return _jaeger_exporter(config)
    if kind == "zipkin":
        from alexobs.exporters.zipkin import ZipkinExporter  # noqa: PLC0415 - only when asked for

        endpoint = parse_endpoint(tracing.zipkin_endpoint, key="tracing.zipkin_endpoint")
        return ZipkinExporter(endpoint, gzip=_gzip(config, endpoint))
    if kind == "file":
        from alexobs.exporters.file import FileExporter  # noqa: PLC0415 - only when asked for

        return FileExporter(tracing.file_path)
    if kind == "console":
        from alexobs.exporters.console import ConsoleExporter  # noqa: PLC0415 - only when asked for

        return ConsoleExporter()
    return None


def _jaeger_exporter(config: Config) -> Exporter:
    endpoint = parse_endpoint(
        config.tracing.jaeger_endpoint,
        key="tracing.jaeger_endpoint",
        default_port=_OTLP_HTTP_PORT,
    )
    if not endpoint.path.rstrip("/").endswith(_JAEGER_THRIFT_PATH):
        # The headers are the OTLP receiver's, and not for anybody else.
        return _otlp_transport(config, endpoint, {}, Certificates())
    from alexobs.exporters.jaeger import JaegerExporter  # noqa: PLC0415 - only when asked for

    return JaegerExporter(endpoint)


def _otlp_exporter(config: Config, signal: Signal) -> Exporter:
    tracing = config.tracing
    wants_grpc = tracing.otlp_protocol == "grpc"
    endpoint = parse_endpoint(
        tracing.otlp_endpoint,
        key="tracing.otlp_endpoint",
        default_port=None
        if "://" in tracing.otlp_endpoint
        else _OTLP_GRPC_PORT
        if wants_grpc
        else _OTLP_HTTP_PORT,
    )
    headers = check_headers(tracing.otlp_headers, key="tracing.otlp_headers")
    return _otlp_transport(config, endpoint, headers, Certificates.from_environment(signal))


def _otlp_transport(
    config: Config, endpoint: Endpoint, headers: Mapping[str, str], certificates: Certificates
) -> Exporter:
    protocol = config.tracing.otlp_protocol
    if protocol == "grpc" or (protocol == "auto" and endpoint.port == _OTLP_GRPC_PORT):
        from alexobs.exporters.otlp.grpc import OtlpGrpcExporter  # noqa: PLC0415 - needs an extra

        return OtlpGrpcExporter(
            endpoint, headers=headers, gzip=_gzip(config, endpoint), certificates=certificates
        )
    from alexobs.exporters.otlp.http import OtlpHttpExporter  # noqa: PLC0415 - only when asked for

    return OtlpHttpExporter(
        endpoint, headers=headers, gzip=_gzip(config, endpoint), certificates=certificates
    )


def _gzip(config: Config, endpoint: Endpoint) -> bool:
    """Whether bodies are compressed: on one machine that costs both ends, and spares nothing."""
    compression = config.pipeline.compression
    return compression == "gzip" or (compression == "auto" and not endpoint.on_this_machine)
