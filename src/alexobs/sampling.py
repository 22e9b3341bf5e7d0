"""Which traces are kept: by share at their root, or by how they turned out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alexobs.config.model import TailConfig

_MASK = (1 << 64) - 1


def bound_of(rate: float) -> int:
    """Return the bound below which the low 64 bits of a sampled trace id lie.

    The rule is that of OpenTelemetry's ``TraceIdRatioBased`` sampler, so that processes with the
    same rate, in any language, keep the same traces.
    """
    return round(min(max(rate, 0.0), 1.0) * (1 << 64))


def is_sampled(trace_id: int, bound: int) -> bool:
    """Tell whether the trace is within the share that `bound` stands for."""
    return (trace_id & _MASK) < bound


class TailPolicy:
    """Rules that keep a whole trace although its share would have dropped it."""

    __slots__ = ("costlier_than_usd", "keep_errors", "slower_than_ns")

    def __init__(self, config: TailConfig) -> None:
        self.keep_errors = config.keep_errors
        self.slower_than_ns = (
            None if config.slower_than_s is None else int(config.slower_than_s * 1e9)
        )
        self.costlier_than_usd = config.costlier_than_usd

    @property
    def active(self) -> bool:
        """Whether any rule is set; without one, the share decides at the root at once."""
        return (
            self.keep_errors
            or self.slower_than_ns is not None
            or self.costlier_than_usd is not None
        )

    def keeps(self, *, error: bool, duration_ns: int, cost_usd: float) -> bool:
        """Tell whether a trace with these totals is kept by a rule."""
        if self.keep_errors and error:
            return True
        if self.slower_than_ns is not None and duration_ns > self.slower_than_ns:
            return True
        return self.costlier_than_usd is not None and cost_usd > self.costlier_than_usd
