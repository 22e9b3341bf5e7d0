"""Figures and foreign text for a terminal: short, aligned, and without control characters."""

from __future__ import annotations

import math
import unicodedata

_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAYS_FROM_S = 100 * _HOUR_S
# Fewer digits would call two different small prices equal.
_SMALL_USD = 0.0001
_LARGE_USD = 1_000_000.0


def printable(text: str) -> str:
    """Return `text` on one line; what would move the cursor or the reader's eye is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable, " ".join(text.split())))


def _printable(character: str) -> str:
    # C: controls, formats (bidirectional overrides), surrogates, private and unassigned ones.
    if unicodedata.category(character)[0] != "C":
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(text: str, columns: int) -> str:
    """Return `text`, cut to `columns` with an ellipsis where it is longer."""
    if cells(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += _cells(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""


def padded(text: str, columns: int) -> str:
    """Return `text` cut or filled to exactly `columns`."""
    text = fitted(text, columns)
    return text + " " * (columns - cells(text))


def duration_text(duration_ns: int) -> str:
    """Return a duration with three significant digits, as ``4.10 s``."""
    seconds = max(duration_ns, 0) / 1e9
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.{1 if seconds < 0.00995 else 0}f} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
    if seconds < _HOUR_S:
        return f"{int(seconds // 60)}m {int(seconds % 60):02d}s"
    if seconds < _DAYS_FROM_S:
        return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60):02d}m"
    return f"{seconds / 86_400:,.0f}d"


def tokens_text(count: int) -> str:
    """Return a number of tokens, as ``1,204`` or ``1.2M``."""
    if count < 100_000:
        return f"{count:,}"
    if count < 1_000_000:
        return f"{count / 1000:.0f}k"
    return f"{count / 1e6:.1f}M" if count < 1_000_000_000 else f"{count:.1e}"


def usd_text(usd: float) -> str:
    """Return an amount of money, as ``$0.0123``."""
    if not math.isfinite(usd):
        return "$?"
    if abs(usd) >= _LARGE_USD:
        return f"${usd:.1e}"
    if usd == 0 or abs(usd) >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if abs(usd) >= _SMALL_USD else f"${usd:.6f}"
