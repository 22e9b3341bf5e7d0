"""Observes a program that `alexobs run` has started, before its first line runs.

Python imports a module of this name at its start. The folder of this file is at the front of the
path then; it is taken out again, and the environment's own module of this name is run as well.

Every Python that the program starts comes by here too, also one that only prints a version, or
one of an environment without alexobs. Those pay nothing and print nothing: they are observed from
the moment that they import a provider's package.
"""

import os
import sys

OBSERVED_PID = "ALEX_OBSERVED_PID"
PROVIDERS = frozenset({"anthropic", "google.genai", "openai"})


class _FirstImport:
    """Looks at every import until a provider's package comes, and finds nothing itself."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN206
        if name in PROVIDERS:
            sys.meta_path.remove(cls)
            _observe()


def _restore() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before pathlib
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]  # noqa: PTH100
    ours = sys.modules.pop(__name__)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, ours)  # Python wants to find one when we are done


def _start() -> None:
    parent = os.environ.setdefault(OBSERVED_PID, str(os.getpid()))
    if parent == str(os.getpid()):
        _observe()
    else:
        sys.meta_path.insert(0, _FirstImport)


def _observe() -> None:
    try:
        from alexobs.zero_code import start  # noqa: PLC0415
    except ImportError as missing:
        if os.environ[OBSERVED_PID] == str(os.getpid()):
            where = f"{sys.prefix} cannot import alexobs ({missing}); install it there"
            print(f"alexobs: this program is not observed: {where}", file=sys.stderr)
    else:
        start()


try:
    _restore()
finally:  # the environment's own module may be broken: Python says so, as it does without us
    _start()
