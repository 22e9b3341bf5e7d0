"""The one rule by which OpenTelemetry names become Prometheus names.

1. Characters outside ``[a-zA-Z0-9_]`` become ``_``; several in a row become one.
2. The unit is appended in words (``s`` → ``_seconds``, ``By/s`` → ``_bytes_per_second``), but not
   for names that begin with ``alex.``, whose names are fixed; annotations like ``{token}`` are
   no unit, and ``1`` is ``_ratio`` for gauges only. A name that ends in its unit keeps it once.
3. A counter ends in ``_total``, once.

Rule 1, 2 (but for ``alex.``) and 3 are those of the OpenTelemetry specification, "Prometheus and
OpenMetrics Compatibility".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "1": "",
}
PER_UNITS: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
FIXED_PREFIX: Final = "alex."
RESERVED: Final = frozenset({"target", "target_info"})
_OTHER: Final = re.compile(r"[^a-zA-Z0-9]+")  # an underscore too, so that runs become one
_ANNOTATION: Final = re.compile(r"\{[^}]*\}")


@lru_cache(maxsize=4096)
def family_name(name: str, unit: str, kind: str, *, monotonic: bool = False) -> str:
    """Return the name of the metric family, without a counter's ``_total``.

    Args:
        name: of the instrument.
        unit: of the instrument (UCUM).
        kind: ``sum``, ``gauge`` or ``histogram``, as in `alexobs.records.MetricData`.
        monotonic: whether a sum is a counter.
    """
    plain = _words(name).rstrip("_") or "_"
    counter = kind == "sum" and monotonic
    if counter:
        plain = plain.removesuffix("_total") or plain
    words = "" if name.startswith(FIXED_PREFIX) else unit_words(unit)
    if unit == "1" and kind == "gauge" and not name.startswith(FIXED_PREFIX):
        words = "ratio"
    if words and plain != words and not plain.endswith("_" + words):
        plain = f"{plain}_{words}"
    return plain


def unit_words(unit: str) -> str:
    """Return a unit in words, empty when it has none."""
    unit = _ANNOTATION.sub("", unit).strip()
    whole, slash, per = unit.partition("/")
    words = UNITS.get(whole, _words(whole).strip("_") if whole else "")
    if slash and per:
        per_words = PER_UNITS.get(per, _words(per).strip("_"))
        words = f"{words}_per_{per_words}" if words else f"per_{per_words}"
    return words


def claimed_names(family: str, kind: str, *, monotonic: bool = False) -> tuple[str, ...]:
    """Return every sample and family name that a metric takes, in text and OpenMetrics form."""
    if kind == "histogram":
        return (family, *(f"{family}_{end}" for end in ("bucket", "count", "sum", "created")))
    if kind == "sum" and monotonic:
        return (family, f"{family}_total", f"{family}_created")
    return (family,)


@lru_cache(maxsize=4096)
def label_name(key: str) -> str:
    """Return a label name for an attribute key; never one that Prometheus keeps for itself."""
    plain = _words(key)
    return "exported_" + plain if plain in {"le", "quantile"} else plain


def _words(text: str) -> str:
    plain = _OTHER.sub("_", text)
    return f"_{plain}" if not plain or plain[0].isdigit() else plain
