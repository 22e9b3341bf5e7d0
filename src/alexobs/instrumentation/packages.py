"""Instrumentation of whole packages: every client of a provider, made before or after."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import threading
from typing import TYPE_CHECKING, NamedTuple

from alexobs.errors import InstrumentationError
from alexobs.instrumentation.wrap import Patch, Target, when_imported

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from alexobs.instrumentation.observation import Instruments

# name → package that has to be installed. The provider's file is imported when it is asked for.
PACKAGES = {
    "anthropic": "anthropic",
    "google_genai": "google.genai",
    "openai": "openai",
}
# The standard library's own: only for who asks for it by name.
ASKED_FOR = {"threading": "alexobs.instrumentation.threads"}


class _Installed(NamedTuple):
    instruments: Instruments
    patches: list[Patch]
    cancels: list[Callable[[], None]]


_lock = threading.RLock()
_installed: dict[str, _Installed] = {}


def instrument(*names: str, obs: Instruments) -> list[str]:
    """Record all calls that go through the named packages; return the names.

    Without names: all packages of providers that are there. A package that was not imported yet is
    not imported here; it is patched when somebody imports it. A second time with the same `obs`
    changes nothing; with another one that one takes over.

    Raises:
        InstrumentationError: a name is unknown.
    """
    chosen = [_known(name) for name in names] or [name for name in PACKAGES if _available(name)]
    with _lock:
        for name in chosen:
            there = _installed.get(name)
            if there is not None and there.instruments is obs:
                continue
            if there is not None:
                uninstrument(name)
            _installed[name] = _install(name, obs)
    return chosen


def uninstrument(*names: str) -> list[str]:
    """Put the named packages (default: all that are instrumented) back as they were."""
    with _lock:
        chosen = [_known(name) for name in names] or list(_installed)
        for name in chosen:
            there = _installed.pop(name, None)
            if there is None:
                continue
            for cancel in there.cancels:
                cancel()
            for patch in reversed(there.patches):
                patch.undo()
    return chosen


def installed() -> list[str]:
    """Return the names of the packages that are instrumented (or will be, when imported)."""
    with _lock:
        return sorted(_installed)


def targets_of(name: str) -> tuple[Target, ...]:
    """Return where a package is watched."""
    place = ASKED_FOR.get(name, f"alexobs.instrumentation.providers.{name}")
    module = importlib.import_module(place)
    targets: tuple[Target, ...] = module.TARGETS
    return targets


def _install(name: str, instruments: Instruments) -> _Installed:
    there = _Installed(instruments, [], [])
    for target in targets_of(name):

        def patch(module: ModuleType, target: Target = target) -> None:
            try:
                there.patches.append(Patch(target, module, instruments))
            except Exception as fault:  # another version: its calls go through unrecorded
                instruments.fault(f"instrument {name}", fault)

        there.cancels.append(when_imported(target.module, patch))
    return there


def _known(name: str) -> str:
    plain = name.replace("-", "_").replace(".", "_").lower()
    known = sorted((*PACKAGES, *ASKED_FOR))
    if plain in known:
        return plain
    near = difflib.get_close_matches(plain, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InstrumentationError(
        f"cannot instrument {name!r}: known packages are {', '.join(known)}{hint}"
    )


def _available(name: str) -> bool:
    try:
        return importlib.util.find_spec(PACKAGES[name]) is not None
    except (ImportError, ValueError):  # a parent package is absent, or a stand-in
        return False
