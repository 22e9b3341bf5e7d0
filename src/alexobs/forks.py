"""Moments at which this process must not fork.

A fork copies a lock that another thread holds, and in the child nobody ever releases it. For our
own locks the child makes new ones; for those of others, as Python's lock of a module that is being
imported, the fork waits instead.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOLD_S = 5.0  # longer than any import of ours; a fork waits no longer than that

_lock = threading.RLock()
_held = False


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """Let no fork of another thread happen within the block; for imports, at first use."""
    with _lock:
        yield


def hold() -> None:
    """Wait until no thread is within `unforked`, before a fork."""
    global _held  # noqa: PLW0603 - a process forks one at a time
    _held = _lock.acquire(timeout=_HOLD_S)


def release() -> None:
    """Go on in the parent."""
    global _held  # noqa: PLW0603 - as above
    if _held:
        _held = False
        _lock.release()


def after_fork_in_child() -> None:
    """Go on in the child, whoever held the lock."""
    global _held, _lock  # noqa: PLW0603 - as above
    _held = False
    _lock = threading.RLock()
