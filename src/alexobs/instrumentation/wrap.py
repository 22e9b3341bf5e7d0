"""The only place that patches: methods of other people's classes, exactly and reversibly.

A `Target` names a class and what stands before which of its methods. The class's own function is
kept and comes back on removal, unless somebody else has replaced it meanwhile: then ours goes
quiet and stays where it is, as taking it out would take theirs out too.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from alexobs.instrumentation.observation import Instruments


class Factory(Protocol):
    """Makes the function that stands before another one."""

    def __call__(
        self, original: Callable[..., Any], instruments: Instruments, /
    ) -> Callable[..., Any]:
        """Return a function that calls `original` and records by `instruments`."""
        ...


class Target(NamedTuple):
    """Methods of one class: ``module``, class name, and method name to factory."""

    module: str
    name: str
    methods: Mapping[str, Factory]


class _Missing:
    """Marks a method that the class inherits."""


class _Switch:
    """Instruments that can be taken away while functions made with them live on."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments: Instruments = instruments
        self.on = True

    @property
    def active(self) -> bool:
        return self.on and self._instruments.active

    @property
    def content(self) -> Any:
        return self._instruments.content

    @property
    def tracer(self) -> Any:
        return self._instruments.tracer

    def fault(self, where: str, error: BaseException) -> None:
        self._instruments.fault(where, error)


class Patch:
    """The methods of one target, while they are replaced."""

    def __init__(self, target: Target, module: ModuleType, instruments: Instruments) -> None:
        self._owner: type = getattr(module, target.name)
        self._switch = _Switch(instruments)
        self._put: list[tuple[str, Any, Any]] = []
        for name, factory in target.methods.items():
            original = getattr(self._owner, name, None)
            if original is None:
                continue  # another version of the package
            own = vars(self._owner).get(name, _Missing)
            ours = factory(original, self._switch)
            setattr(self._owner, name, ours)
            self._put.append((name, own, ours))

    def undo(self) -> None:
        """Put the class's own methods back."""
        self._switch.on = False
        for name, own, ours in reversed(self._put):
            if vars(self._owner).get(name) is not ours:
                continue
            if own is _Missing:
                delattr(self._owner, name)
            else:
                setattr(self._owner, name, own)


_lock = threading.RLock()
_waiting: dict[str, list[Callable[[ModuleType], None]]] = {}


def when_imported(name: str, action: Callable[[ModuleType], None]) -> Callable[[], None]:
    """Run `action` with a module now, or as soon as somebody imports it; return how to cancel."""
    with _lock:
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            action(module)
            return lambda: None
        _waiting.setdefault(name, []).append(action)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    return lambda: _cancel(name, action)


def _cancel(name: str, action: Callable[[ModuleType], None]) -> None:
    with _lock:
        actions = _waiting.get(name, [])
        if action in actions:
            actions.remove(action)
        if not actions:
            _waiting.pop(name, None)
        if not _waiting and _finder in sys.meta_path:
            sys.meta_path.remove(_finder)


def _imported(module: ModuleType) -> None:
    with _lock:
        actions = _waiting.pop(module.__name__, [])
        if not _waiting and _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
    for action in actions:
        action(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Sees the modules that are waited for; in ``sys.meta_path`` only as long as there are any."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have, with a loader that tells us."""
        if fullname not in _waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _announce_after(spec.loader)
                return spec
        return None


def _announce_after(loader: Any) -> None:
    """Make one loader, an object of this import alone, tell us when the module is there."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        _imported(module)

    loader.exec_module = exec_module


_finder = _Finder()
