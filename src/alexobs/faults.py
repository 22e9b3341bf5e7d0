"""The never-raise boundary: faults of ours are counted, and told at most once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_S = 60.0

_log = logging.getLogger("alexobs")


class Faults:
    """Counts faults by the place where they happened.

    Args:
        reraise: raise them after counting; for our own tests, never in an application.

    Attributes:
        redact: removes secrets from what is told.
    """

    def __init__(self, *, reraise: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._reraise = reraise
        self._told: dict[str, float] = {}
        self._lock = threading.RLock()  # re-entered when a finaliser fails amid a report
        self.redact: Callable[[str], str] = str

    def report(self, where: str, fault: BaseException) -> None:
        """Count a fault, and log it unless the same place had one within the last minute."""
        with self._lock:
            self.counts[where] += 1
            now = time.monotonic()
            told = self._told.get(where)
            if told is None or now - told >= QUIET_S:
                self._told[where] = now
                tell = True
            else:
                tell = False
        if self._reraise:
            raise fault
        if tell:
            _log.warning(
                "alexobs: fault in %s, the application is not affected (%d so far): %s: %s",
                where,
                self.counts[where],
                type(fault).__name__,
                self._shown(fault),
            )

    def after_fork_in_child(self) -> None:
        """Count anew in a forked child, with a lock that nobody holds."""
        self._lock = threading.RLock()
        self.counts.clear()
        self._told.clear()

    def _shown(self, message: object) -> str:
        """Return the message without secrets: it may quote what the application gave us."""
        try:
            return self.redact(str(message))
        except Exception as broken:
            return f"<message unavailable: {type(broken).__name__}>"

    def say(self, topic: str, message: str) -> None:
        """Tell the user `message` once a minute per topic."""
        with self._lock:
            now = time.monotonic()
            told = self._told.get(topic)
            if told is not None and now - told < QUIET_S:
                return
            self._told[topic] = now
        _log.warning("alexobs: %s", self._shown(message))
