"""The configuration, as frozen values with defaults; every field is documented where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from alexobs.config.display import shown
from alexobs.config.rules import (
    RESTART_ONLY,
    Endpoint,
    HeaderValue,
    Increasing,
    NotEmpty,
    Range,
    RegularExpression,
    Url,
)

Share = Annotated[float, Range(0.0, 1.0)]
Count = Annotated[int, Range(1, 1_000_000_000)]
Limit = Annotated[int, Range(0, 1_000_000_000)]
Bytes = Annotated[int, Range(1, 1 << 50)]
Label = Annotated[str, NotEmpty()]
Level = Literal["debug", "info", "warn", "error"]
ContentCapture = Literal["full", "metadata", "off"]


class _Shown:
    """Shows what differs from the defaults, and no secret, because reprs end in logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        plain = type(self)()
        parts = []
        for name in (f.name for f in fields(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if value != getattr(plain, name):
                text = repr(value) if isinstance(value, _Shown) else shown(name, value)
                parts.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, slots=True, repr=False)
class LoggingConfig(_Shown):
    """Log lines."""

    enabled: bool = True
    """Write log lines at all."""
    level: Level = "info"
    """Lowest level that is written; can change while running."""
    format: Literal["json", "text", "pretty"] = "json"
    """`json`, `text` (key=value) or `pretty` (coloured, for a terminal)."""
    stream: Literal["stdout", "stderr"] = "stdout"
    """Where lines go."""
    stdlib: bool = False
    """Route records of the standard library's `logging` through the same format."""
    otlp: bool = True
    """Send log records over OTLP as well."""


@dataclass(frozen=True, slots=True, repr=False)
class MetricsConfig(_Shown):
    """Counters, histograms and gauges."""

    enabled: bool = True
    """Record metrics at all."""
    prometheus: bool = True
    """Serve `/metrics` and `/healthz` for Prometheus."""
    prometheus_port: Annotated[int, Range(0, 65_535), RESTART_ONLY] = 9090
    """Port of that endpoint; 0 takes a free one."""
    prometheus_host: Annotated[str, NotEmpty(), RESTART_ONLY] = "127.0.0.1"
    """Address of that endpoint; `0.0.0.0` in a container."""
    otlp: bool = True
    """Send metrics over OTLP as well."""
    export_interval_s: Annotated[float, Range(0.1, 86_400.0)] = 15.0
    """Seconds between two OTLP metric exports."""
    temporality: Literal["cumulative", "delta"] = "cumulative"
    """Temporality of OTLP sums and histograms."""
    cardinality_limit: Annotated[int, Range(1, 1_000_000), RESTART_ONLY] = 2000
    """Series per instrument; the rest is summed in one series with `otel.metric.overflow`."""
    boundaries: Annotated[Mapping[str, tuple[float, ...]], Increasing(), RESTART_ONLY] = field(
        default_factory=dict
    )
    """Histogram boundaries by instrument name, in the instrument's unit."""


@dataclass(frozen=True, slots=True, repr=False)
class TailConfig(_Shown):
    """Keep traces that the sample rate would have dropped, when they turn out to matter."""

    keep_errors: bool = False
    """Keep every trace with an error in it."""
    slower_than_s: Annotated[float | None, Range(0.0, 1e9)] = None
    """Keep every trace that takes longer, in seconds."""
    costlier_than_usd: Annotated[float | None, Range(0.0, 1e9)] = None
    """Keep every trace that costs more, in USD."""
    max_traces: Count = 1000
    """Traces that may wait for their end; the oldest is decided early when there are more."""


@dataclass(frozen=True, slots=True, repr=False)
class TracingConfig(_Shown):
    """Spans and where telemetry goes."""

    enabled: bool = True
    """Record spans at all."""
    exporter: Literal["otlp", "jaeger", "zipkin", "console", "file", "none"] = "otlp"
    """Where spans go."""
    otlp_endpoint: Annotated[str, Endpoint()] = "http://localhost:4318"
    """OTLP receiver: a URL, or `host:port` (port 4317 means gRPC)."""
    otlp_protocol: Literal["auto", "http/protobuf", "grpc"] = "auto"
    """OTLP transport; `auto` takes gRPC for port 4317 and HTTP else."""
    otlp_headers: Annotated[Mapping[str, str], HeaderValue()] = field(default_factory=dict)
    """Headers for the OTLP receiver, as for authorization."""
    jaeger_endpoint: Annotated[str, Endpoint()] = "http://localhost:14268/api/traces"
    """Jaeger: Thrift over HTTP when the path ends in `/api/traces`, OTLP otherwise."""
    zipkin_endpoint: Annotated[str, Url()] = "http://localhost:9411/api/v2/spans"
    """Zipkin's v2 collector."""
    file_path: Label = "alexobs-traces.jsonl"
    """File of the `file` exporter: one OTLP/JSON request per line."""
    sample_rate: Share = 1.0
    """Share of traces that are kept, 0.0 to 1.0, decided at the root by trace id."""
    tail: TailConfig = field(default_factory=TailConfig)
    """What is kept although the sample rate would drop it."""
    content: ContentCapture = "full"
    """Messages, tool arguments and results: `full`, `metadata` (sizes and roles), or `off`."""
    announce: Literal["auto", "on", "off"] = "auto"
    """Announce spans that are still running; `auto`: to an alexobs server only."""
    max_attributes: Limit = 128
    """Attributes per span, event or link."""
    max_attribute_length: Count = 1_000_000
    """Characters per attribute value; longer ones are cut and marked."""
    max_events: Limit = 128
    """Events per span."""
    max_links: Limit = 128
    """Links per span."""
    service_name: Annotated[str, RESTART_ONLY] = ""
    """`service.name`; default: `OTEL_SERVICE_NAME`, else the name of the program."""
    service_version: Annotated[str, RESTART_ONLY] = ""
    """`service.version`."""
    environment: Annotated[str, RESTART_ONLY] = ""
    """`deployment.environment.name`."""
    resource: Annotated[Mapping[str, str], RESTART_ONLY] = field(default_factory=dict)
    """Further resource attributes."""


@dataclass(frozen=True, slots=True, repr=False)
class RedactionConfig(_Shown):
    """What is removed before anything is encoded."""

    enabled: bool = True
    """Remove secrets."""
    personal_data: bool = True
    """Remove e-mail addresses, card numbers and the like as well."""
    keys: Annotated[tuple[str, ...], NotEmpty()] = ()
    """Further key names (whole words) whose values are removed."""
    allow_keys: Annotated[tuple[str, ...], NotEmpty()] = ()
    """Key names that are never taken for secret by their name."""
    patterns: Annotated[Mapping[str, str], RegularExpression()] = field(default_factory=dict)
    """Further rules: rule name to regular expression."""


@dataclass(frozen=True, slots=True, repr=False)
class PricingConfig(_Shown):
    """What calls cost."""

    enabled: bool = True
    """Estimate the cost of calls."""
    overrides: str = "~/.alex/prices.yaml"
    """File with your own prices; need not exist, and is followed while the process runs."""


@dataclass(frozen=True, slots=True, repr=False)
class PipelineConfig(_Shown):
    """Queue, write-ahead spool and delivery."""

    queue_max_records: Count = 65_536
    """Records that may wait in memory; the oldest are dropped, and counted, beyond."""
    queue_max_bytes: Bytes = 67_108_864
    """Estimated bytes that may wait in memory."""
    batch_max_records: Count = 1024
    """Records per request at most."""
    batch_max_bytes: Bytes = 4_194_304
    """Encoded bytes per request, about."""
    linger_s: Annotated[float, Range(0.0, 60.0)] = 0.5
    """Seconds that records may wait for company before they are sent."""
    timeout_s: Annotated[float, Range(0.001, 3600.0)] = 10.0
    """Seconds for one request."""
    compression: Literal["auto", "gzip", "none"] = "auto"
    """Compression of requests; ``auto``: gzip, except to an address on this machine."""
    spool: Annotated[bool, RESTART_ONLY] = True
    """Write batches to disk before they are sent."""
    spool_dir: Annotated[str, NotEmpty(), RESTART_ONLY] = "~/.alex/spool"
    """Folder of the spool."""
    spool_max_bytes: Annotated[int, Range(1, 1 << 50), RESTART_ONLY] = 268_435_456
    """Bytes that the spool of one process may take."""
    spool_max_age_s: Annotated[float, Range(1.0, 315_360_000.0), RESTART_ONLY] = 604_800.0
    """Seconds after which spooled batches are given up."""
    shutdown_timeout_s: Annotated[float, Range(0.0, 3600.0)] = 5.0
    """Seconds that the end of the process may take for delivery."""


@dataclass(frozen=True, slots=True, repr=False)
class Config(_Shown):
    """All settings, as they stand under the key `observability` of the file."""

    enabled: bool = True
    """Switch for everything."""
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    """Log lines."""
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    """Metrics."""
    tracing: TracingConfig = field(default_factory=TracingConfig)
    """Spans and where telemetry goes."""
    redaction: RedactionConfig = field(default_factory=RedactionConfig)
    """Secrets."""
    pricing: PricingConfig = field(default_factory=PricingConfig)
    """Money."""
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    """Queue, spool and delivery."""
