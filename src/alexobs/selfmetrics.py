"""What alexobs tells of itself on `/metrics`: the accounting identity, redactions and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.engine import Engine

SCOPE = "alexobs.self"


def register(engine: Engine) -> None:
    """Add instruments that read the engine's books whenever metrics are collected."""
    meter = engine.meter_provider.get_meter(SCOPE)

    def outcomes(_: CallbackOptions) -> Iterator[Observation]:
        for signal, account in engine.pipeline.accounts().items():
            yield Observation(account.created, {"signal": signal, "outcome": "created"})
            yield Observation(account.exported, {"signal": signal, "outcome": "exported"})
            yield Observation(account.sampled_out, {"signal": signal, "outcome": "sampled_out"})
            dropped = sum(account.dropped.values())
            yield Observation(dropped, {"signal": signal, "outcome": "dropped"})

    def dropped(_: CallbackOptions) -> Iterator[Observation]:
        for signal, account in engine.pipeline.accounts().items():
            for reason, count in account.dropped.items():
                yield Observation(count, {"signal": signal, "reason": reason})

    def waiting(_: CallbackOptions) -> Iterator[Observation]:
        for signal, account in engine.pipeline.accounts().items():
            yield Observation(account.waiting, {"signal": signal})

    def redactions(_: CallbackOptions) -> Iterator[Observation]:
        for rule, count in {} if engine.redactor is None else engine.redactor.counts.items():
            yield Observation(count, {"rule": rule})

    def faults(_: CallbackOptions) -> Iterator[Observation]:
        for where, count in engine.faults.counts.items():
            yield Observation(count, {"where": where})

    meter.create_observable_counter(
        "alexobs.records", [outcomes], "{record}", "Telemetry records by what became of them."
    )
    meter.create_observable_counter(
        "alexobs.records.dropped", [dropped], "{record}", "Telemetry records lost, by reason."
    )
    meter.create_observable_gauge(
        "alexobs.records.waiting", [waiting], "{record}", "Telemetry records in memory or spooled."
    )
    meter.create_observable_counter(
        "alexobs.redactions", [redactions], "{replacement}", "Secrets replaced, by rule."
    )
    meter.create_observable_counter(
        "alexobs.faults", [faults], "{fault}", "Faults of alexobs kept from the application."
    )
