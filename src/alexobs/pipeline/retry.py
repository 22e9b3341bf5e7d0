"""When to try again: exponential backoff with full jitter, and what the server asks for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

INITIAL_S: Final = 1.0
# A back end that comes up is found within this time; on average within half of it.
MAX_S: Final = 30.0
# A Retry-After beyond this is taken for a mistake, or for a wish to be rid of us.
RETRY_AFTER_MAX_S: Final = 300.0


class Backoff:
    """Counts failures in a row and says when the next attempt may be.

    Full jitter: each delay is drawn between 0 and a ceiling that doubles with every failure, so
    that many processes that failed together do not come back together (Brooker, "Exponential
    Backoff and Jitter", 2015). The server's ``Retry-After`` is added in front of it.

    Attributes:
        failures: failures since the last success.
        not_before: time of the next attempt, on the caller's clock.
    """

    __slots__ = ("_draw", "_initial_s", "_max_s", "failures", "not_before")

    def __init__(
        self,
        *,
        initial_s: float = INITIAL_S,
        max_s: float = MAX_S,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._initial_s = initial_s
        self._max_s = max_s
        self._draw = draw
        self.failures = 0
        self.not_before = 0.0

    def failed(self, now: float, retry_after_s: float | None = None) -> float:
        """Count a failure and return the time of the next attempt."""
        # 2**30 s are 34 years: beyond any max_s, and far from overflow.
        ceiling_s = min(self._max_s, self._initial_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        wait_s = 0.0
        if retry_after_s is not None and retry_after_s > 0:
            wait_s = min(retry_after_s, RETRY_AFTER_MAX_S)
            ceiling_s = self._initial_s
        self.not_before = now + wait_s + self._draw() * ceiling_s
        return self.not_before

    def succeeded(self) -> None:
        """Forget all failures."""
        self.failures = 0
        self.not_before = 0.0
