"""Plain threads and thread pools that take over the context of whoever starts them.

The interpreter starts a thread without any context. Asked to (``instrument("threading")``), a
thread runs in the one that it was started in, and a task of a ``ThreadPoolExecutor`` in the one
that it was submitted in.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from alexobs.context import attach, current_context, detach
from alexobs.instrumentation.wrap import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from alexobs.instrumentation.observation import Instruments


def _start(original: Callable[..., Any], instruments: Instruments) -> Callable[..., Any]:
    """Stand before ``Thread.start``; a subclass's own ``run`` is carried as well."""

    @functools.wraps(original)
    def start(self: Any) -> Any:
        context = current_context() if instruments.active else None
        if not context or "run" in vars(self):
            return original(self)
        self.run = functools.partial(_run_thread, self, context)
        try:
            return original(self)
        except BaseException:
            vars(self).pop("run", None)
            raise

    return start


def _run_thread(thread: Any, context: Context) -> Any:
    del thread.run
    return _run(context, thread.run)


def _submit(original: Callable[..., Any], instruments: Instruments) -> Callable[..., Any]:
    """Stand before ``ThreadPoolExecutor.submit``."""

    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        context = current_context() if instruments.active else None
        if not context:
            return original(self, fn, *args, **kwargs)
        return original(self, _run, context, fn, *args, **kwargs)

    return submit


def _run(context: Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = attach(context)
    try:
        return function(*args, **kwargs)
    finally:
        detach(token)


TARGETS = (
    Target("threading", "Thread", {"start": _start}),
    Target("concurrent.futures.thread", "ThreadPoolExecutor", {"submit": _submit}),
)
