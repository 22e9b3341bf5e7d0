"""Carries the current trace and run across threads, executors and processes.

Between processes it travels as W3C ``traceparent`` and ``baggage``, by OpenTelemetry's own
propagators; the run's ids are baggage entries, so that a worker's spans and log lines name the
session of the process that asked for them.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import functools
import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from opentelemetry import baggage, propagate
from opentelemetry.context import Context

from alexobs import semconv
from alexobs.context import RUN_KEY, RunContext, attach, current_context, detach, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

_P = ParamSpec("_P")
_R = TypeVar("_R")

_FIELDS = (
    (semconv.ALEX_SESSION_ID, "session_id"),
    (semconv.ALEX_RUN_ID, "run_id"),
    (semconv.ALEX_PARENT_RUN_ID, "parent_run_id"),
    (semconv.ALEX_ITERATION, "iteration"),
    (semconv.ALEX_AGENT, "agent"),
)


def inject(carrier: MutableMapping[str, str] | None = None) -> MutableMapping[str, str]:
    """Return `carrier` (default: a new dict) with headers that name the current trace and run."""
    carrier = {} if carrier is None else carrier
    with contextlib.suppress(Exception):  # ids that cannot travel must not stop a request
        _inject(carrier)
    return carrier


def _inject(carrier: MutableMapping[str, str]) -> None:
    context = current_context()
    run = run_of(context)
    if run is not None:
        for key, field in _FIELDS:
            value = getattr(run, field)
            if value:
                context = baggage.set_baggage(key, str(value), context)
    propagate.inject(carrier, context)


def extract(carrier: Mapping[str, str]) -> Context:
    """Return the current context with the trace and run that `carrier`'s headers name."""
    try:
        context = propagate.extract(carrier, context=current_context())
    except Exception:  # headers are somebody else's: broken ones name nothing
        return current_context()
    session_id = baggage.get_baggage(semconv.ALEX_SESSION_ID, context)
    if not session_id:
        return context
    values = {field: baggage.get_baggage(key, context) for key, field in _FIELDS}
    iteration = str(values["iteration"] or "0")
    run = RunContext(
        str(session_id),
        str(values["run_id"] or ""),
        parent_run_id=str(values["parent_run_id"] or ""),
        iteration=int(iteration) if iteration.isdigit() else 0,
        agent=str(values["agent"] or ""),
    )
    return Context({**context, RUN_KEY: run})


class Continued:
    """Makes the context of `extract` current for the length of a ``with`` block."""

    def __init__(self, carrier: Mapping[str, str]) -> None:
        self._carrier = carrier

    def __enter__(self) -> Context:
        context = extract(self._carrier)
        self._token = attach(context)
        return context

    def __exit__(self, *_: object) -> None:
        detach(self._token)


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return environment variables for a child process, with the current trace and run in them.

    The names are ``TRACEPARENT``, ``TRACESTATE`` and ``BAGGAGE``; ``alexobs.init()`` in the child
    continues from them.
    """
    carried = {key.upper(): value for key, value in inject().items()}
    return {**(os.environ if env is None else env), **carried}


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a parent process left in the environment."""
    names = ("traceparent", "tracestate", "baggage")
    return {name: environ[name.upper()] for name in names if environ.get(name.upper())}


def carry(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return `function` so that it runs in the present context, in whichever thread it is called.

    It may be called many times, also at once.
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def carried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return context.copy().run(function, *args, **kwargs)

    return carried


class ContextExecutor(concurrent.futures.Executor):
    """An executor whose tasks run in the context in which they were submitted.

    Args:
        executor: the one that does the work, as a ``ThreadPoolExecutor``.
    """

    def __init__(self, executor: concurrent.futures.Executor) -> None:
        self._executor = executor

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Submit a task; see `concurrent.futures.Executor.submit`."""
        return self._executor.submit(carry(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the inner executor down."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)
