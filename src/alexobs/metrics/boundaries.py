"""Bucket boundaries: the view of the configuration, else the advice, else the unit's default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs.semconv import SECONDS_BOUNDARIES, TOKEN_BOUNDARIES

if TYPE_CHECKING:
    from collections.abc import Iterable

# The OpenTelemetry specification's default; made for milliseconds.
DEFAULT_BOUNDARIES: Final = (
    *(0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0),
    *(500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0),
)
BY_UNIT: Final = {
    "s": SECONDS_BOUNDARIES,
    "min": (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
    "By": tuple(float(4**power) for power in range(3, 16)),  # 64 B … 1 GiB
    "{token}": TOKEN_BOUNDARIES,
    "USD": tuple(factor * 10.0**power for power in range(-5, 2) for factor in (1, 2.5, 5)),
    "1": tuple(round(0.05 * step, 2) for step in range(1, 21)),  # a share
    "%": tuple(5.0 * step for step in range(1, 21)),
}


def checked(boundaries: Iterable[Any]) -> tuple[float, ...] | None:
    """Return boundaries as increasing finite floats, or None when they are not that."""
    try:
        plain = tuple(float(boundary) for boundary in boundaries)
    except Exception:
        return None
    finite = all(float("-inf") < boundary < float("inf") for boundary in plain)
    return plain if finite and list(plain) == sorted(set(plain)) else None


def default_for(unit: str) -> tuple[float, ...]:
    """Return the boundaries that suit a unit (UCUM)."""
    return BY_UNIT.get(unit, DEFAULT_BOUNDARIES)
