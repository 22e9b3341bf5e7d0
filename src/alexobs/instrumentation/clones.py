"""Observed clients of the bare one's own class: what a provider's file makes them with.

A client that is instrumented alone leaves its class and itself as they were. The observed one is
an object of a subclass, made for it, which shares everything the bare one holds (connections,
settings, credentials), so that ``isinstance`` and all of the SDK's own code see the real thing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.instrumentation.observation import Instruments
    from alexobs.instrumentation.wrap import Factory

MARK = "_alexobs_instruments"  # set on the classes made for single clients

Clone = Callable[[Any, "Instruments"], Any]


def subclass(cls: type, instruments: Instruments, replaced: Mapping[str, Any]) -> type:
    """Return a class like `cls`, by every name and test, with a few methods before its own."""
    names = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        MARK: instruments,
    }
    return type(cls)(cls.__name__, (cls,), {**names, **replaced})


def replaced_methods(
    cls: type, factories: Mapping[str, Factory], instruments: Instruments
) -> dict[str, Any]:
    """Return the functions that stand before methods of `cls`; absent ones are left out."""
    return {
        name: factory(getattr(cls, name), instruments)
        for name, factory in factories.items()
        if hasattr(cls, name)
    }
