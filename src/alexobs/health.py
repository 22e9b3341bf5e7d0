"""What is well and what is not, as values for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.pipeline.accounting import SignalAccount
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
