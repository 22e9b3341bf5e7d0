"""The ends of a process: exit, SIGTERM and fork."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import FrameType


class Living(Protocol):
    """What has to be told about the ends of the process."""

    def at_exit(self) -> None:
        """Deliver what can be delivered within the configured time."""
        ...

    def at_terminate(self) -> None:
        """Bring everything to disk, quickly."""
        ...

    def before_fork(self) -> None:
        """Take the locks that the child must not inherit taken."""
        ...

    def after_fork_in_parent(self) -> None:
        """Release them."""
        ...

    def after_fork_in_child(self) -> None:
        """Start clean."""
        ...


_living: weakref.WeakSet[Any] = weakref.WeakSet()
_registered = False


def watch(living: Living) -> None:
    """Tell `living` about exit, fork, and SIGTERM where nobody else handles it."""
    global _registered  # noqa: PLW0603 - hooks are per process, and there is one process
    _living.add(living)
    _handle_sigterm()
    if _registered:
        return
    _registered = True
    atexit.register(_each, "at_exit")
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lambda: _each("before_fork"),
            after_in_parent=lambda: _each("after_fork_in_parent"),
            after_in_child=lambda: _each("after_fork_in_child"),
        )


def forget(living: Living) -> None:
    """Stop telling `living`."""
    _living.discard(living)


def _each(method: str) -> None:
    for living in list(_living):
        getattr(living, method)()


def _handle_sigterm() -> None:
    """Handle SIGTERM when its effect is the default one: death without a word.

    An application that handles SIGTERM itself ends by itself, through exit.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    _each("at_terminate")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
