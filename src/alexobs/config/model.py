"""The configuration, as frozen values with defaults; every field is documented where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["debug", "info", "warn", "error"]
ContentCapture = Literal["full", "metadata", "off"]


@dataclass(frozen=True, slots=True)
class LoggingConfig:
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


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Counters, histograms and gauges."""

    enabled: bool = True
    """Record metrics at all."""
    prometheus: bool = True
    """Serve `/metrics` and `/healthz` for Prometheus."""
    prometheus_port: int = 9090
    """Port of that endpoint; 0 takes a free one. Needs a restart to change."""
    prometheus_host: str = "127.0.0.1"
    """Address of that endpoint; `0.0.0.0` in a container. Needs a restart to change."""
    otlp: bool = True
    """Send metrics over OTLP as well."""
    export_interval_s: float = 15.0
    """Seconds between two OTLP metric exports."""
    temporality: Literal["cumulative", "delta"] = "cumulative"
    """Temporality of OTLP sums and histograms."""
    cardinality_limit: int = 2000
    """Series per instrument; the rest is summed in one series with `otel.metric.overflow`."""
    boundaries: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Histogram boundaries by instrument name, in the instrument's unit."""


@dataclass(frozen=True, slots=True)
class TailConfig:
    """Keep traces that the sample rate would have dropped, when they turn out to matter."""

    keep_errors: bool = False
    """Keep every trace with an error in it."""
    slower_than_s: float | None = None
    """Keep every trace that takes longer, in seconds."""
    costlier_than_usd: float | None = None
    """Keep every trace that costs more, in USD."""
    max_traces: int = 1000
    """Traces that may wait for their end; the oldest is decided early when there are more."""


@dataclass(frozen=True, slots=True)
class TracingConfig:
    """Spans and where telemetry goes."""

    enabled: bool = True
    """Record spans at all."""
    exporter: Literal["otlp", "jaeger", "zipkin", "console", "file", "none"] = "otlp"
    """Where spans go."""
    otlp_endpoint: str = "http://localhost:4318"
    """OTLP receiver: a URL, or `host:port` (port 4317 means gRPC)."""
    otlp_protocol: Literal["auto", "http/protobuf", "grpc"] = "auto"
    """OTLP transport; `auto` takes gRPC for port 4317 and HTTP else."""
    otlp_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers for the OTLP receiver, as for authorization."""
    jaeger_endpoint: str = "http://localhost:14268/api/traces"
    """Jaeger: Thrift over HTTP when the path ends in `/api/traces`, OTLP otherwise."""
    zipkin_endpoint: str = "http://localhost:9411/api/v2/spans"
    """Zipkin's v2 collector."""
    file_path: str = "alexobs-traces.jsonl"
    """File of the `file` exporter: one OTLP/JSON request per line."""
    sample_rate: float = 1.0
    """Share of traces that are kept, 0.0 to 1.0, decided at the root by trace id."""
    tail: TailConfig = field(default_factory=TailConfig)
    """What is kept although the sample rate would drop it."""
    content: ContentCapture = "full"
    """Messages, tool arguments and results: `full`, `metadata` (sizes and roles), or `off`."""
    announce: Literal["auto", "on", "off"] = "auto"
    """Announce spans that are still running; `auto`: to an alexobs server only."""
    max_attributes: int = 128
    """Attributes per span, event or link."""
    max_attribute_length: int = 1_000_000
    """Characters per attribute value; longer ones are cut and marked."""
    max_events: int = 128
    """Events per span."""
    max_links: int = 128
    """Links per span."""
    service_name: str = ""
    """`service.name`; default: `OTEL_SERVICE_NAME`, else the name of the program."""
    service_version: str = ""
    """`service.version`."""
    environment: str = ""
    """`deployment.environment.name`."""
    resource: Mapping[str, str] = field(default_factory=dict)
    """Further resource attributes."""


@dataclass(frozen=True, slots=True)
class RedactionConfig:
    """What is removed before anything is encoded."""

    enabled: bool = True
    """Remove secrets."""
    personal_data: bool = True
    """Remove e-mail addresses, card numbers and the like as well."""
    keys: tuple[str, ...] = ()
    """Further key names (whole words) whose values are removed."""
    allow_keys: tuple[str, ...] = ()
    """Key names that are never taken for secret by their name."""
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Further rules: rule name to regular expression."""


@dataclass(frozen=True, slots=True)
class PricingConfig:
    """What calls cost."""

    enabled: bool = True
    """Estimate the cost of calls."""
    overrides: str = "~/.alex/prices.yaml"
    """File with your own prices; need not exist."""


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Queue, write-ahead spool and delivery."""

    queue_max_records: int = 65_536
    """Records that may wait in memory; the oldest are dropped, and counted, beyond."""
    queue_max_bytes: int = 67_108_864
    """Estimated bytes that may wait in memory."""
    batch_max_records: int = 1024
    """Records per request at most."""
    batch_max_bytes: int = 4_194_304
    """Encoded bytes per request, about."""
    linger_s: float = 0.25
    """Seconds that records may wait for company before they are sent."""
    timeout_s: float = 10.0
    """Seconds for one request."""
    compression: Literal["gzip", "none"] = "gzip"
    """Compression of requests."""
    spool: bool = True
    """Write batches to disk before they are sent. Needs a restart to change."""
    spool_dir: str = "~/.alex/spool"
    """Folder of the spool. Needs a restart to change."""
    spool_max_bytes: int = 268_435_456
    """Bytes that the spool of one process may take."""
    spool_max_age_s: float = 604_800.0
    """Seconds after which spooled batches are given up."""
    shutdown_timeout_s: float = 5.0
    """Seconds that the end of the process may take for delivery."""


@dataclass(frozen=True, slots=True)
class Config:
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
