"""LLM clients, tools and whole packages, observed without a change of what they do.

The public names are imported when they are first used: importing this package costs nothing.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from alexobs.errors import InstrumentationError

if TYPE_CHECKING:
    from alexobs.instrumentation.clients import InstrumentedLLMClient, instrumented_client
    from alexobs.instrumentation.observation import Instruments
    from alexobs.instrumentation.packages import installed, instrument, uninstrument
    from alexobs.instrumentation.registry import InstrumentedToolRegistry
    from alexobs.instrumentation.tools import InstrumentedToolExecutor, tool

_WHERE = {
    "InstrumentedLLMClient": "clients",
    "InstrumentedToolExecutor": "tools",
    "InstrumentedToolRegistry": "registry",
    "Instruments": "observation",
    "instrument": "packages",
    "installed": "packages",
    "instrumented_client": "clients",
    "tool": "tools",
    "uninstrument": "packages",
}

__all__ = [
    "InstrumentedLLMClient",
    "InstrumentedToolExecutor",
    "InstrumentedToolRegistry",
    "Instruments",
    "installed",
    "instrument",
    "instrument_object",
    "instrumented_client",
    "tool",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def instrument_object(target: Any, *, obs: Instruments, kind: str = "", **options: Any) -> Any:
    """Return an object like `target` (client, tool, registry or function), observed.

    Args:
        target: a provider SDK's client; an object with a method like ``complete`` or ``chat``; a
            tool (``execute``, ``run``); a registry of tools (a mapping, or ``register`` and
            ``get``); or a function, which is taken for a tool.
        obs: where it is recorded.
        kind: ``client``, ``tool`` or ``registry``, when the shape leaves room for doubt.
        options: of `instrumented_client` for clients; ``name`` for tools.

    Raises:
        InstrumentationError: it has no shape that is known.
    """
    chosen = kind or _kind_of(target)
    if chosen == "client":
        from alexobs.instrumentation import clients  # noqa: PLC0415 - loaded when first used

        if inspect.isroutine(target):
            return clients.instrumented_function(target, obs, **options)
        return clients.instrumented_client(target, obs, **options)
    if chosen == "registry":
        from alexobs.instrumentation.registry import instrumented_registry  # noqa: PLC0415

        return instrumented_registry(target, obs, **options)
    if chosen == "tool":
        from alexobs.instrumentation import tools  # noqa: PLC0415

        if isinstance(target, type):
            return tools.tool(target, obs=obs, **options)
        return tools.instrumented_tool(target, obs, **options)
    raise InstrumentationError(
        f"cannot instrument {target!r}: a client (with a method like complete, chat, invoke), a "
        "tool (a function, or an object with execute or run) or a registry (a mapping, or an "
        "object with register and get) is expected; kind='client', 'tool' or 'registry' decides"
    )


def _kind_of(target: Any) -> str:
    from alexobs.instrumentation import shapes  # noqa: PLC0415

    return shapes.kind_of(target)
