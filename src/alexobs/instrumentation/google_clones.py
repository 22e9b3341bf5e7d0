"""Observed clients of Google's GenAI SDK, made of bare ones."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from alexobs.instrumentation.clones import replaced_methods, subclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.instrumentation.observation import Instruments
    from alexobs.instrumentation.wrap import Factory

GENERATED = ("decisions", "interactions")  # resources of the next generation that ask a model


def clone(
    factories: Mapping[str, Factory],
    interactions: Mapping[str, Factory],
    client: Any,
    instruments: Instruments,
) -> Any:
    """Return a client (or its ``aio``) like the given one, whose calls are observed.

    Its API client and everything that refers to it are copied; connections are shared. The copies
    hold the bare client, and never close what it owns by being collected.
    """
    bare_api = client._api_client  # noqa: SLF001
    kind = type(bare_api)
    replaced = {**replaced_methods(kind, factories, instruments), "__del__": _nothing}
    api: Any = object.__new__(subclass(kind, instruments, replaced))
    api.__dict__.update(vars(bare_api), _alexobs_bare=client)
    return _rebound(client, bare_api, api, interactions, instruments)


def _rebound(
    holder: Any,
    bare_api: Any,
    api: Any,
    interactions: Mapping[str, Factory],
    instruments: Instruments,
) -> Any:
    """Return a copy of a client that holds the observed API client, and so do its resources."""
    kind = type(holder)
    replaced = {
        name: _generated(kind, name, interactions, instruments)
        for name in GENERATED
        if hasattr(kind, name)
    }
    if hasattr(kind, "__del__"):
        replaced["__del__"] = _nothing
    made: Any = object.__new__(subclass(kind, instruments, replaced))
    for name, value in vars(holder).items():
        if value is bare_api:
            made.__dict__[name] = api
        elif getattr(value, "_api_client", None) is not bare_api:
            # Resources of the next generation are made when they are first asked for.
            generated = type(value).__module__.startswith("google.genai._gaos")
            made.__dict__[name] = None if generated else value
        elif hasattr(value, "_models"):  # ``aio``, a client itself
            made.__dict__[name] = _rebound(value, bare_api, api, interactions, instruments)
        else:
            resource = made.__dict__[name] = copy.copy(value)
            resource._api_client = api  # noqa: SLF001
    return made


def _generated(
    kind: type, name: str, factories: Mapping[str, Factory], instruments: Instruments
) -> Any:
    """Return a property like ``Client.interactions``, which gives an observed resource."""
    own: Any = getattr(kind, name)

    def get(self: Any) -> Any:
        resource = own.__get__(self, kind)
        cls = type(resource)
        if not hasattr(cls, "_alexobs_instruments"):
            replaced = replaced_methods(cls, factories, instruments)
            resource.__class__ = subclass(cls, instruments, replaced)
        return resource

    return property(get, doc=own.__doc__)


def _nothing(self: Any) -> None:
    """Leave closing to the bare client."""
