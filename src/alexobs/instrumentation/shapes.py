"""What an object is taken for: a client of a model, a tool, or a registry of tools."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from alexobs.instrumentation.clients import METHODS, provider_clone
from alexobs.instrumentation.proxy import has
from alexobs.instrumentation.tools import ENTRIES

_REGISTERING = ("register", "register_tool", "add_tool")
_ASKING = frozenset(METHODS) - frozenset(ENTRIES)


def kind_of(target: Any) -> str:
    """Return ``client``, ``tool``, ``registry``, or an empty text.

    A method that only one of the three has decides; ``invoke`` and ``__call__`` are of both
    clients and tools, and mean a client where a model is named.
    """
    if inspect.isroutine(target) or isinstance(target, type | functools.partial):
        return "tool"
    if isinstance(target, Mapping | list) or _has(target, _REGISTERING):
        return "registry"
    if provider_clone(target) is not None or _has(target, _ASKING):
        return "client"
    if _has(target, METHODS) and any(hasattr(target, name) for name in ("model", "model_name")):
        return "client"
    return "tool" if _has(target, ENTRIES) else ""


def _has(target: Any, names: Any) -> bool:
    return any(has(target, name) for name in names)
