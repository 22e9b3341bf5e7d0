"""The ends of a process: exit, SIGTERM and fork."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from alexobs import forks

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


# What SIGTERM may cost: saving takes milliseconds, on a busy machine and a first run seconds.
SAVE_S = 5.0
LET_GO_S = 0.2  # when the main thread was interrupted within our code, where locks are held
_FINALIZER_PRIORITY = -100  # after those of the application

_living: weakref.WeakSet[Any] = weakref.WeakSet()
_registered = False
_saving: threading.Event | None = None


def watch(living: Living) -> None:
    """Tell `living` about exit, fork, and SIGTERM where nobody else handles it."""
    global _registered  # noqa: PLW0603 - hooks are per process, and there is one process
    _living.add(living)
    _handle_sigterm()
    _end_with_multiprocessing()
    if _registered:
        return
    _registered = True
    atexit.register(_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork_in_parent,
            after_in_child=_after_fork_in_child,
        )


def forget(living: Living) -> None:
    """Stop telling `living`."""
    _living.discard(living)


def _each(method: str) -> None:
    for living in list(_living):
        getattr(living, method)()


def _before_fork() -> None:
    _each("before_fork")
    forks.hold()


def _after_fork_in_parent() -> None:
    forks.release()
    _each("after_fork_in_parent")


def _exit() -> None:
    _each("at_exit")
    if isinstance(getattr(sys, "last_value", None), KeyboardInterrupt) and not hasattr(sys, "ps1"):
        # Python dies of SIGINT when Ctrl-C has ended the program, unless code is compiled from
        # text after that, as some modules do when delivery imports them. So it is told again.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - of a text, for its effect


def _after_fork_in_child() -> None:
    global _saving  # noqa: PLW0603 - the parent's
    _saving = None
    forks.after_fork_in_child()
    _each("after_fork_in_child")
    _end_with_multiprocessing()
    _end_with_celery()


def _end_with_multiprocessing() -> None:
    """Be told about the end of multiprocessing's children, which know no `atexit`.

    Their registry of finalizers is cleared when they start, so one that is still to start is
    given a hook that registers there. Celery's variant of the package works alike.
    """
    for package in ("multiprocessing", "billiard"):
        util = sys.modules.get(f"{package}.util")
        process = sys.modules.get(f"{package}.process")
        if util is None or process is None:
            continue
        util.register_after_fork(_living, lambda _, util=util: _finalize_with(util))
        if getattr(process.current_process(), "_parent_pid", None) is not None:
            _finalize_with(util)


def _finalize_with(util: Any) -> None:
    util.Finalize(None, _each, args=("at_exit",), exitpriority=_FINALIZER_PRIORITY)


def _end_with_celery() -> None:
    """Be told when a worker of celery's prefork pool ends: it runs no finalizer, and is killed.

    Its pool sends it SIGTERM as soon as it has said good-bye, which this comes before.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(
            _celery_worker_ends, weak=False, dispatch_uid="alexobs"
        )


def _celery_worker_ends(**_: object) -> None:
    _each("at_exit")


def _handle_sigterm() -> None:
    """Handle SIGTERM when its effect is the default one: death without a word.

    An application that handles SIGTERM itself ends by itself, through exit.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, frame: FrameType | None) -> None:
    """Save what there is, then die of the signal.

    A handler interrupts the main thread anywhere, also where it holds a lock that saving needs.
    So another thread saves; when it is not done in time, the main thread goes on and lets go of
    the lock, and the signal is sent again.
    """
    wait_s = LET_GO_S if _is_ours(frame) else SAVE_S
    global _saving  # noqa: PLW0603 - a process ends once
    first = _saving is None
    if _saving is None:
        _saving = threading.Event()
        try:
            _thread.start_new_thread(_save, (_saving,))  # `threading`'s own locks may be held
        except RuntimeError:  # no thread can be had any more
            _saving.set()
    if _saving.wait(wait_s) or not first:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _is_ours(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("alexobs."):
            return True
        frame = frame.f_back
    return False


def _save(saved: threading.Event) -> None:
    try:
        _each("at_terminate")
    finally:
        saved.set()
    time.sleep(0.1)  # a handler that has waited for this ends the process by now
    os.kill(os.getpid(), signal.SIGTERM)
