"""Registries of tools: what comes out is observed, and what is registered becomes so."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from alexobs.errors import InstrumentationError
from alexobs.instrumentation.functions import observed
from alexobs.instrumentation.proxy import Proxy, has, is_proxy
from alexobs.instrumentation.tools import OBSERVED, REGISTRY, Tool, instrumented_tool, is_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.instrumentation.observation import Instruments
    from alexobs.instrumentation.tools import ToolCall

# Methods by what they do; those that the registry has are observed.
GIVING = (
    "get",
    "get_tool",
    "lookup",
    "find",
    "resolve",
    "pop",
    "values",
    "items",
    "list",
    "list_tools",
    "get_tools",
    "all",
    "all_tools",
    "popitem",
    "setdefault",
    "__getitem__",
    "__iter__",
)
TAKING = ("register", "register_tool", "add", "add_tool", "append", "update", "__setitem__")
EXECUTING = (
    "execute",
    "aexecute",
    "execute_tool",
    "call",
    "acall",
    "call_tool",
    "run",
    "arun",
    "run_tool",
    "invoke",
    "ainvoke",
    "dispatch",
)
HOLDING = ("tools", "_tools")


class _Named(Tool):
    """A tool that a registry executes by its name, which comes first or by keyword."""

    def begin(
        self, instruments: Instruments, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ToolCall | None:
        """Return an execution of the tool that is named in the arguments."""
        name = args[0] if args else next((kwargs[key] for key in _NAMES if key in kwargs), None)
        given = name if isinstance(name, str) else getattr(name, "name", None)
        if not isinstance(given, str):
            return None
        known = Tool(given, self.function, owner=REGISTRY, skip=1)
        known.description = ""
        return known.begin(instruments, args, kwargs)


_NAMES = ("name", "tool_name", "tool")


class _Outcome:
    """Wraps what comes out of a registry, each tool once."""

    def __init__(self, obs: Instruments) -> None:
        self._obs = obs
        self._made: dict[int, tuple[Any, Any]] = {}

    def tool(self, value: Any, name: str | None = None) -> Any:
        """Return `value` observed, when it is a tool; the same object each time."""
        if is_proxy(value) or isinstance(value, str | bytes | type) or not is_tool(value):
            return value
        known = self._made.get(id(value))
        if known is None or known[0] is not value:
            known = self._made[id(value)] = (value, instrumented_tool(value, self._obs, name))
        return known[1]

    def any(self, value: Any) -> Any:
        """Return what a registry gave, with the tools in it observed."""
        if isinstance(value, Mapping):
            return {key: self.tool(item, _text(key)) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return type(value)(self._item(item) for item in value)
        if isinstance(value, _LAZY):
            return map(self._item, value)
        return self.tool(value)

    def _item(self, value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2:
            return value[0], self.tool(value[1], _text(value[0]))
        return self.tool(value)


_LAZY: Any = (type({}.values()), type({}.items()), Iterator)


def _text(key: Any) -> str | None:
    return key if isinstance(key, str) else None


def _giving(method: Callable[..., Any], outcome: _Outcome) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        async def give_async(*args: Any, **kwargs: Any) -> Any:
            return _given(outcome, args, await method(*args, **kwargs))

        return give_async

    def give(*args: Any, **kwargs: Any) -> Any:
        return _given(outcome, args, method(*args, **kwargs))

    return give


def _given(outcome: _Outcome, args: tuple[Any, ...], value: Any) -> Any:
    name = _text(args[0]) if args else None
    if name is not None and not isinstance(value, Mapping | list | tuple):
        return outcome.tool(value, name)
    return outcome.any(value)


def _taking(method: Callable[..., Any], outcome: _Outcome) -> Callable[..., Any]:
    def take(*args: Any, **kwargs: Any) -> Any:
        name = next(map(_text, args), None)
        positional = [
            _taken(outcome, value, name) if at < 2 else value for at, value in enumerate(args)
        ]
        named = {
            key: outcome.tool(value, name) if key in _TOOL_ARGUMENTS else value
            for key, value in kwargs.items()
        }
        result = method(*positional, **named)
        # ``@registry.register(...)`` takes the function later.
        return _later(result, outcome, name) if inspect.isfunction(result) else result

    return take


_TOOL_ARGUMENTS = frozenset(("tool", "function", "func", "fn", "handler", "value", "default"))


def _taken(outcome: _Outcome, value: Any, name: str | None) -> Any:
    return outcome.any(value) if _holds(value) else outcome.tool(value, name)


def _holds(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _later(result: Any, outcome: _Outcome, name: str | None) -> Any:
    if isinstance(getattr(result, OBSERVED, None), Tool):
        return result  # the tool itself: ``@registry.register``

    def decorate(function: Any) -> Any:
        return result(outcome.tool(function, name))

    return decorate


def instrumented_registry(registry: Any, obs: Instruments) -> Any:
    """Return an object like a registry of tools, whose tools are observed.

    Raises:
        InstrumentationError: it has no method that gives, takes or executes tools.
    """
    if is_proxy(registry):
        return registry
    outcome = _Outcome(obs)
    methods: dict[str, Callable[..., Any]] = {}
    for names, wrap in ((GIVING, _giving), (TAKING, _taking)):
        for name in names:
            if has(registry, name):
                methods[name] = wrap(getattr(registry, name), outcome)
    for name in EXECUTING:
        if has(registry, name):
            method = getattr(registry, name)
            known = _Named("", method)
            methods[name] = observed(method, lambda a, k, known=known: known.begin(obs, a, k))
    if not methods:
        raise InstrumentationError(
            f"{registry!r} is no registry of tools: it has none of get, register, execute, []"
        )
    return _RegistryProxy(registry, methods, lambda other: instrumented_registry(other, obs))


class _RegistryProxy(Proxy):
    """A registry whose held collections are observed as well."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name not in HOLDING or not _holds(value):
            return value
        return self._alexobs_remake(value)


class _Registry(type):
    """Makes ``InstrumentedToolRegistry(registry, obs)`` return what stands for the registry."""

    def __call__(cls, registry: Any, obs: Instruments) -> Any:
        return instrumented_registry(registry, obs)

    def __instancecheck__(cls, value: Any) -> bool:
        return issubclass(type(value), _RegistryProxy)


class InstrumentedToolRegistry(metaclass=_Registry):
    """A registry of tools, observed: ``InstrumentedToolRegistry(registry, obs)``.

    A mapping, a list, or an object with methods to look up, to register, to iterate or to execute
    by name. What comes out of it is observed, and what is registered becomes so; nothing runs
    twice when an execution by name ends in a tool that is observed itself.

    Raises:
        InstrumentationError: it has none of these.
    """

    if TYPE_CHECKING:  # made by the metaclass; what comes back has everything that went in

        def __init__(self, registry: Any, obs: Instruments) -> None: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __getattr__(self, name: str) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
