"""A file that is looked at now and then: whether it is another one than was read last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTLE_S = 0.1
"""A file has to look the same for this long: editors truncate first and write then."""
_RACY_NS = 2_000_000_000
"""A file younger than this may change again with the same time stamp (FAT: two seconds)."""

_Look = tuple[int, ...]
_ABSENT: _Look = ()


class FollowedFile:
    """Looks at a file when it is asked to and it is time; starts no thread, reads nothing.

    Args:
        path: the file; need not exist.
        interval_s: seconds between two looks.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        path: Path,
        interval_s: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._interval_s = interval_s
        self._clock = clock
        self._next = 0.0
        self._seen: _Look | None = None  # how the file looked when it was to be read last
        self._racy = False
        self._pending: tuple[_Look, float] | None = None  # another look, and since when

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() >= self._next

    def changed(self, *, now: bool = False) -> bool:
        """Look at the file, and return whether it has to be read.

        Args:
            now: it has to be, whether or not it looks changed or still changes.
        """
        time_s = self._clock()
        look = self._look()
        if not now and not self._settled(look, time_s):
            self._next = time_s + min(SETTLE_S, self._interval_s)
            return False
        self._next = time_s + self._interval_s
        self._pending = None
        if not now and look == self._seen and not self._racy:
            return False
        self._seen = look
        self._racy = look != _ABSENT and abs(time.time_ns() - look[3]) < _RACY_NS
        return True

    def _look(self) -> _Look:
        try:
            status = self.path.stat()  # follows links, so a swapped link is another file
        except (OSError, ValueError):
            return _ABSENT
        return (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )

    def _settled(self, look: _Look, time_s: float) -> bool:
        if look == self._seen:
            return True
        if self._pending is None or self._pending[0] != look:
            self._pending = (look, time_s)
        return time_s - self._pending[1] >= SETTLE_S
