"""Observes a program that `alexobs run` has started, before its first line runs.

Python imports a module of this name at its start. The folder of this file is at the front of the
path then; it is taken out again, and the environment's own module of this name is run as well.
"""

import os
import sys


def _restore() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - before pathlib
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]  # noqa: PTH100
    del sys.modules["sitecustomize"]
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != "sitecustomize":
            raise


def _observe() -> None:
    try:
        import alexobs  # noqa: PLC0415

        alexobs.init()
        alexobs.instrument()
    except Exception as error:  # the program runs on, unobserved
        print(f"alexobs: this program is not observed: {error}", file=sys.stderr)


_restore()
_observe()
