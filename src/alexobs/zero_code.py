"""Observes a program that says nothing of alexobs: by `alexobs run`, or OpenTelemetry's command."""

from __future__ import annotations

import atexit
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from alexobs.config.environment import SESSION_VARIABLE
from alexobs.config.load import load_with_origins
from alexobs.observability import current, init
from alexobs.packages import instrument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.observability import Observability
    from alexobs.session import Session

OBSERVED_PID = "ALEX_OBSERVED_PID"
"""Environment variable that tells a child process which of its ancestors is observed."""

_told = False


def start(packages: Sequence[str] | None = None) -> Observability | None:
    """Observe this process and the named packages (default: all that are installed).

    A program stays as it was: log lines go to stderr unless the user has said where, and child
    processes leave the port of the metrics endpoint to the first process. What cannot be done is
    told once; None is returned then, and the program runs on unobserved.
    """
    global _told  # noqa: PLW0603 - several entry points meet the same unusable configuration
    try:
        obs = current() or init(**_manners())
        os.environ[OBSERVED_PID] = str(os.getpid())
        if packages is None or packages:
            instrument(*(packages or ()), obs=obs)
        _be_one_session(obs)
    except Exception as error:
        if not _told:
            print(f"alexobs: this program is not observed: {error}", file=sys.stderr)  # noqa: T201
        _told = True
        return None
    return obs


def _be_one_session(obs: Observability) -> None:
    """Make the run one session, where that is wanted; child processes go on with its trace."""
    session_id = os.environ.pop(SESSION_VARIABLE, None)
    if session_id is None:
        return
    session = obs.session(shlex.join(sys.orig_argv), session_id=session_id)
    session.__enter__()
    obs.tracer_provider.home = session.span
    os.environ.update(obs.environment({}))
    atexit.register(_end, obs, session)


def _end(obs: Observability, session: Session) -> None:
    obs.tracer_provider.home = None
    error = getattr(sys, "last_value", None)  # what the program has died of
    session.__exit__(type(error), error, None)


def _manners() -> dict[str, Any]:
    config, origins, *_ = load_with_origins()
    overrides: dict[str, Any] = {}
    if ("logging", "stream") not in origins:
        overrides["logging"] = {"stream": "stderr"}
    if is_descendant() and config.metrics.prometheus_port:
        overrides["metrics"] = {"prometheus": False}
    return overrides


def is_descendant() -> bool:
    """Tell whether a process that started this one is observed."""
    return os.environ.get(OBSERVED_PID, str(os.getpid())) != str(os.getpid())
