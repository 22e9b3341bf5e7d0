"""Windows of time, and other conversions between what is asked, stored and answered."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import msgspec

from alexobs.server.api.faults import ApiError

MS_NS: Final = 1_000_000
MINUTE_S: Final = 60
# A root is announced within seconds of its start; until then only what it has done tells of it.
LATELY_NS: Final = 10 * 10**9


class Window(NamedTuple):
    """A window of whole minutes, since the rollups know no less; `to_minute` is exclusive."""

    from_minute: int
    to_minute: int

    @property
    def from_ns(self) -> int:
        """Its start."""
        return self.from_minute * MINUTE_S * 1000 * MS_NS

    @property
    def to_ns(self) -> int:
        """Its end."""
        return min(self.to_minute * MINUTE_S * 1000 * MS_NS, 2**63 - 1)


def window_of(values: dict[str, Any], default_s: int) -> Window:
    """Return the minutes that the window touches; without one, the last `default_s`.

    Raises:
        ApiError: it ends before it starts.
    """
    check_order(values)
    to_ms = values["to"] if values["to"] is not None else int(time.time() * 1000)
    from_ms = values["from"] if values["from"] is not None else max(0, to_ms - default_s * 1000)
    minute_ms = MINUTE_S * 1000
    if from_ms > to_ms:
        raise _backwards()
    return Window(from_ms // minute_ms, max(-(-to_ms // minute_ms), from_ms // minute_ms + 1))


def bounds_ns(values: dict[str, Any]) -> dict[str, int | None]:
    """Return ``from_ns`` and ``to_ns`` as queries take them; None where there is no bound."""
    check_order(values)
    return {
        f"{name}_ns": None if values[name] is None else values[name] * MS_NS
        for name in ("from", "to")
    }


def lately_ns() -> int:
    """Return since when something has to have come for it to be going on."""
    return time.time_ns() - LATELY_NS


def check_order(values: dict[str, Any]) -> None:
    """Refuse a window that ends before it starts."""
    if values["from"] is not None and values["to"] is not None and values["from"] > values["to"]:
        raise _backwards()


def _backwards() -> ApiError:
    return ApiError(
        422, "invalid_window", "the window ends before it starts", "from has to be before to."
    )


def ms(time_ns: int | None) -> Any:
    """Return nanoseconds as milliseconds with three digits behind the point."""
    return None if time_ns is None else round(time_ns / 1000) / 1000


def known_cost(cost: float | None, unpriced: int | None) -> float | None:
    """Return a sum of costs; None when nothing is known of any of its calls' prices."""
    return None if not cost and unpriced else cost or 0.0


def decoded(text: Any) -> Any:
    """Return what JSON text stands for, or the text when it is none."""
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def attributes_of(texts: dict[str, str] | None, other: dict[str, str] | None) -> dict[str, Any]:
    """Return attributes by their names, from the two columns that hold them."""
    found: dict[str, Any] = dict(texts or {})
    found |= {key: decoded(value) for key, value in (other or {}).items()}
    return dict(sorted(found.items()))
