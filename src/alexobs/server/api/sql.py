"""SQL over the public views."""

from __future__ import annotations

from typing import Final

MAX_QUERY: Final = 20_000
MAX_ROWS: Final = 10_000
MAX_TIMEOUT_S: Final = 30.0
