"""Which instrument names may be, and which of them Prometheus can tell apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from alexobs.exporters.prometheus_names import RESERVED, claimed_names, family_name

if TYPE_CHECKING:
    from alexobs.metrics.instruments import Identity

# OpenTelemetry specification, "Instrument name syntax".
_NAME: Final = re.compile(r"[A-Za-z][-_./A-Za-z0-9]{0,254}")
_UNIT_MAX_CHARS: Final = 63
SYNTAX: Final = "a letter, then letters, digits, `_`, `-`, `.` or `/`, 255 characters at most"

# Instrument kind to (kind in records.MetricData, monotonic).
DATA_KIND: Final[dict[str, tuple[Any, bool]]] = {
    "counter": ("sum", True),
    "updowncounter": ("sum", False),
    "histogram": ("histogram", False),
    "gauge": ("gauge", False),
    "observable_counter": ("sum", True),
    "observable_updowncounter": ("sum", False),
    "observable_gauge": ("gauge", False),
}


def is_valid(name: Any) -> bool:
    """Return whether OpenTelemetry allows `name` for an instrument."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def repaired(name: Any) -> str:
    """Return the nearest allowed name."""
    try:
        text = str(name)
    except Exception:
        text = type(name).__name__
    text = re.sub(r"[^-_./A-Za-z0-9]", "_", text)
    return (text if text[:1].isalpha() else f"invalid_{text}")[:255]


def text_of(value: Any, most_chars: int = 1024) -> str:
    """Return a unit's or a description's text, whatever was handed in."""
    return value[:most_chars] if isinstance(value, str) else ""


def unit_of(value: Any) -> str:
    """Return a unit by the specification's limits: ASCII, 63 characters."""
    text = text_of(value, _UNIT_MAX_CHARS)
    return text if text.isascii() else ""


class ExpositionNames:
    """The names taken in Prometheus, and by which instrument."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[tuple[str, str, str], str]] = {
            name: (("", "", ""), name) for name in RESERVED
        }

    def clash(self, identity: Identity) -> tuple[str, str] | None:
        """Return the other instrument's name and the common one, or None when there is no clash."""
        for name in self._claims(identity):
            owner = self._owners.get(name)
            if owner is not None and owner[0] != identity.key:
                return owner[1], name
        return None

    def claim(self, identity: Identity) -> None:
        """Take the names of an instrument that does not clash."""
        for name in self._claims(identity):
            self._owners[name] = (identity.key, identity.name)

    def _claims(self, identity: Identity) -> tuple[str, ...]:
        kind, monotonic = DATA_KIND[identity.kind]
        family = family_name(identity.name, identity.unit, kind, monotonic=monotonic)
        return claimed_names(family, kind, monotonic=monotonic)
