"""What is well and what is not, as values for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from alexobs.config.display import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alexobs.config import Config
    from alexobs.engine import Engine
    from alexobs.exporters.prometheus_http import PrometheusServer
    from alexobs.pipeline.accounting import SignalAccount
    from alexobs.pipeline.delivery import DestinationStatus
    from alexobs.records import Signal


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one `Observability`.

    Attributes:
        status: ``ok``, ``degraded`` (something is lost or unreachable) or ``off``.
        signals: the accounting identity per signal.
        problems: what is wrong, each as a sentence that says what to do.
        exporter: where spans go.
        reachable: whether the last request was answered; None before the first.
        prometheus: address of the metrics endpoint, or None.
        spool: its folder and bytes.
        redactions: replacements by rule.
        faults: faults of ours by place; each was kept from the application.
        open_spans: spans that run now.
    """

    status: Literal["ok", "degraded", "off"]
    signals: Mapping[Signal, SignalAccount]
    problems: tuple[str, ...] = ()
    exporter: str = ""
    reachable: bool | None = None
    prometheus: str | None = None
    spool: Mapping[str, Any] = field(default_factory=dict)
    redactions: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    open_spans: int = 0

    @property
    def balanced(self) -> bool:
        """Whether created = exported + sampled_out + dropped + waiting, for every signal."""
        return all(account.balanced for account in self.signals.values())

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as `/healthz` and ``alexobs doctor --json`` show it."""
        return {**asdict(self), "balanced": self.balanced}


def assess(engine: Engine) -> Health:
    """Return the health of `engine`'s parts at this moment."""
    config = engine.config
    accounts = engine.pipeline.accounts()
    statuses = engine.delivery.status()
    problems = list(_problems(engine, accounts, statuses))
    return Health(
        status="off" if not config.enabled else "degraded" if problems else "ok",
        signals=accounts,
        problems=tuple(problems),
        exporter=exporter_name(config),
        reachable=_reachable(accounts, statuses),
        prometheus=_address(engine.prometheus),
        spool=engine.delivery.spool_state(),
        redactions={} if engine.redactor is None else dict(engine.redactor.counts),
        faults={**engine.faults.counts, **engine.meter_provider.faults.counts},
        open_spans=len(engine.runtime.open_spans),
    )


def _address(server: PrometheusServer | None) -> str | None:
    if server is None or server.error:
        return None
    return f"http://{server.host}:{server.port}/metrics"


def exporter_name(config: Config) -> str:
    """Return where spans go, as a person would say it."""
    tracing = config.tracing
    return {
        "otlp": f"otlp {without_secrets(tracing.otlp_endpoint)}",
        "jaeger": f"jaeger {without_secrets(tracing.jaeger_endpoint)}",
        "zipkin": f"zipkin {without_secrets(tracing.zipkin_endpoint)}",
        "file": f"file {tracing.file_path}",
    }.get(tracing.exporter, tracing.exporter)


def _reachable(
    accounts: Mapping[Signal, SignalAccount], statuses: Sequence[DestinationStatus]
) -> bool | None:
    if any(status.failures for status in statuses):
        return False
    return True if any(account.exported for account in accounts.values()) else None


def _problems(
    engine: Engine,
    accounts: Mapping[Signal, SignalAccount],
    statuses: Sequence[DestinationStatus],
) -> Iterator[str]:
    for status in statuses:
        if status.failures:
            yield (
                f"{exporter_name(engine.config)} has not answered {status.failures} times "
                f"({status.message}); {status.waiting_batches} batches wait. "
                "Start it (locally: alexobs up), or correct tracing.*_endpoint."
            )
    for signal, account in accounts.items():
        for reason, count in account.dropped.items():
            yield f"{count} {signal} records were dropped: {reason}. {_REMEDIES.get(reason, '')}"
    for problem in engine.broken_files:
        yield f"A file cannot be used; its last good content stays in use: {problem}"
    server = engine.prometheus
    if server is not None and server.error:
        yield f"/metrics is not served: {server.error}. Choose another metrics.prometheus_port."
    if engine.sink.lost:
        yield f"{engine.sink.lost} log lines were not taken by their stream: closed, or stuck."
    if engine.sink.unread:
        yield f"{engine.sink.unread} log lines wait: whoever reads their stream does not."
    faults = sum(engine.faults.counts.values())
    if faults:
        yield f"{faults} faults of alexobs were kept from the application: see faults."


_REMEDIES = {
    "queue_full": "Raise pipeline.queue_max_records, or lower tracing.sample_rate.",
    "spool_full": "Raise pipeline.spool_max_bytes, or bring the back end up.",
    "spool_age": "The back end was away for longer than pipeline.spool_max_age_s.",
    "memory_full": "The spool's disk cannot be written and memory is full.",
    "rejected": "The back end took only a part of a request; its message says why.",
    "refused": "The back end refused the request; its message says why.",
    "too_large": "Lower tracing.max_attribute_length, or raise the back end's limit.",
    "no_exporter": "No exporter takes them: set tracing.exporter.",
    "failed": "Encoding failed: see faults.",
}
