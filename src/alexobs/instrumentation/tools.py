"""Tools: functions and objects that an agent executes, one by one or out of a registry."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from alexobs import semconv
from alexobs.context import current_context
from alexobs.errors import InstrumentationError
from alexobs.instrumentation.call import CALL_KEY
from alexobs.instrumentation.functions import named, observed, signature_of
from alexobs.instrumentation.observation import CLOSED, Instruments, Observation
from alexobs.instrumentation.plain import limit_content, plain
from alexobs.instrumentation.proxy import Proxy, has, is_proxy
from alexobs.records import CallFacts

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL_KEY = "alexobs-tool"  # the tool execution that the current code runs in
MAX_KEPT_CHUNKS = 256  # of a generator's values; more are counted, not kept

# How tools are executed, in the order in which frameworks' own entry points come first.
ENTRIES = (
    "execute",
    "aexecute",
    "invoke",
    "ainvoke",
    "run",
    "arun",
    "call",
    "acall",
    "forward",
    "__call__",
)
OBSERVED = "_alexobs_observed"


class ToolCall(Observation):
    """One execution of a tool."""

    __slots__ = ("args", "count", "kwargs", "tool")

    def __init__(
        self, instruments: Instruments, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(instruments)
        self.tool = tool
        self.args = args
        self.kwargs = kwargs
        self.count = 0

    def start(self) -> Any:
        """Return the span of the execution."""
        span = self.instruments.tracer.start_span(
            semconv.SPAN_TOOL,
            kind=SpanKind.INTERNAL,
            attributes={semconv.GEN_AI_TOOL_NAME: self.tool.name},
        )
        span.call = self
        return span

    def mark(self, values: dict[str, Any]) -> None:
        """Let LLM calls inside have spans of their own, whatever encloses the tool."""
        values[TOOL_KEY] = self
        values[CALL_KEY] = None
        values[semconv.INFERENCE_CONTEXT_KEY] = None

    def chunk(self, chunk: Any) -> None:
        """Take one value of a generator."""
        self.count += 1
        if self.count <= MAX_KEPT_CHUNKS:
            super().chunk(chunk)

    def _read(self) -> None:
        """Find what was executed, with what, and what came out."""
        outcome = self._outcome
        tool = self.tool
        facts = self.found = CallFacts(
            kind="tool",
            status=semconv.CANCELLED if outcome == CLOSED else outcome or semconv.SUCCESS,  # type: ignore[arg-type]
            tool_name=tool.name,
            error_type=self.error_type,
            attributes={
                semconv.GEN_AI_OPERATION_NAME: "execute_tool",
                semconv.GEN_AI_TOOL_NAME: tool.name,
                semconv.GEN_AI_TOOL_TYPE: "function",
            },
        )
        if tool.description:
            facts.attributes[semconv.GEN_AI_TOOL_DESCRIPTION] = tool.description
        content: dict[str, Any] = {
            semconv.GEN_AI_TOOL_CALL_ARGUMENTS: plain(tool.bound(self.args, self.kwargs))
        }
        if self.count:
            content[semconv.GEN_AI_TOOL_CALL_RESULT] = plain(self.chunks)
        elif outcome == semconv.SUCCESS:
            content[semconv.GEN_AI_TOOL_CALL_RESULT] = plain(self._result)
        facts.content = limit_content(content, self.content)

    steps = (_read, Observation.keep_facts)

    def release(self) -> None:
        """Let go of the arguments."""
        self.args, self.kwargs = (), {}


class Tool:
    """What is known of a tool before it runs.

    Args:
        name: as metrics and spans show it.
        function: what takes the arguments; its signature names them.
        owner: the object or class that the execution belongs to.
        skip: leading arguments that are not the tool's (``self`` of a method).
    """

    __slots__ = ("description", "function", "name", "owner", "skip")

    def __init__(self, name: str, function: Any, *, owner: Any = None, skip: int = 0) -> None:
        self.name = name
        self.function = function
        self.owner = function if owner is None else owner
        self.skip = skip
        self.description = (inspect.getdoc(function) or "").partition("\n\n")[0]

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by the names of the parameters."""
        found = named(signature_of(self.function), args, kwargs)
        for name in list(found)[: self.skip]:
            del found[name]
        return found

    def begin(
        self, instruments: Instruments, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ToolCall | None:
        """Return an execution, or None inside one of the same tool: ``run`` that calls ``_run``."""
        if not instruments.active:
            return None
        outer = current_context().get(TOOL_KEY)
        if isinstance(outer, ToolCall) and not outer.ended and self._same(outer.tool):
            return None
        return ToolCall(instruments, self, args, kwargs)

    def _same(self, other: Tool) -> bool:
        return other.owner is self.owner or (other.owner is REGISTRY and other.name == self.name)


REGISTRY = object()  # owner of executions by a registry: the tool's own is then the same one


def tool(function: Any = None, /, *, obs: Instruments, name: str | None = None) -> Any:
    """Return a function, method or class like the given one, whose executions are observed.

    Use as ``@tool(obs=obs)`` or ``@tool(obs=obs, name="search")``; as `Observability.tool` without
    `obs`. Plain and async functions, generators and async generators are all observed to their
    true end. A class keeps being that class; its entry method (``execute``, ``run``, ``invoke``,
    ``__call__`` …) is observed.

    Raises:
        InstrumentationError: it cannot be called and has no entry method.
    """
    if function is None:
        return functools.partial(tool, obs=obs, name=name)
    if isinstance(function, type):
        return _tool_class(function, obs, name)
    if isinstance(function, staticmethod | classmethod):
        inner = tool(function.__func__, obs=obs, name=name)
        return type(function)(inner)
    if not callable(function):
        raise InstrumentationError(f"{function!r} is no tool: a function or a class is expected")
    return tool_function(function, obs, name)


def tool_function(
    function: Any, obs: Instruments, name: str | None = None, *, owner: Any = None
) -> Any:
    """Return a function whose calls are executions of a tool."""
    if getattr(function, OBSERVED, None) is not None:
        return function
    known = Tool(name or name_of(function), function, owner=owner, skip=_leading(function))
    wrapper = observed(function, functools.partial(known.begin, obs))
    wrapper.__dict__[OBSERVED] = known
    return wrapper


def name_of(value: Any) -> str:
    """Return the name that a tool goes by."""
    for attribute in ("name", "tool_name", "__name__"):
        found = getattr(value, attribute, None)
        if isinstance(found, str) and found:
            return found
    return type(value).__name__


def is_tool(value: Any) -> bool:
    """Tell whether `value` can be executed in a way that is known."""
    return any(has(value, entry) for entry in ENTRIES)


def entries_of(value: Any) -> list[str]:
    """Return the names of the methods by which an object is executed."""
    return [entry for entry in ENTRIES if has(value, entry)]


def _leading(function: Any) -> int:
    """Return 1 for a method that is being defined in a class, whose first argument is `self`."""
    qualified = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not qualified or qualified.endswith("<locals>") or inspect.ismethod(function):
        return 0
    return int(next(iter(inspect.signature(function).parameters), "") in {"self", "cls"})


def _tool_class(cls: type, obs: Instruments, name: str | None) -> type:
    found = [entry for entry in ENTRIES if callable(vars(cls).get(entry))]
    if not found:
        raise InstrumentationError(
            f"{cls.__name__} is no tool: it defines none of {', '.join(ENTRIES)}"
        )
    given = name or getattr(cls, "name", None)
    shown = given if isinstance(given, str) and given else cls.__name__
    for entry in found:
        setattr(cls, entry, tool_function(vars(cls)[entry], obs, shown, owner=cls))
    return cls


def instrumented_tool(value: Any, obs: Instruments, name: str | None = None) -> Any:
    """Return an object like a tool, whose executions are observed.

    Raises:
        InstrumentationError: it has no entry method.
    """
    if is_proxy(value) or getattr(value, OBSERVED, None) is not None:
        return value
    if inspect.isroutine(value) or isinstance(value, functools.partial):
        return tool_function(value, obs, name)
    entries = entries_of(value)
    if not entries:
        raise InstrumentationError(
            f"{value!r} is no tool: it is not callable and has none of {', '.join(ENTRIES)}"
        )
    shown = name or name_of(value)
    methods = {
        entry: tool_function(getattr(value, entry), obs, shown, owner=value) for entry in entries
    }
    return Proxy(value, methods, lambda other: instrumented_tool(other, obs, name))


class _Executor(type):
    """Makes ``InstrumentedToolExecutor(tool, obs)`` return what stands for the tool."""

    def __call__(cls, value: Any, obs: Instruments, *, name: str | None = None) -> Any:
        return instrumented_tool(value, obs, name)

    def __instancecheck__(cls, value: Any) -> bool:
        if is_proxy(value):
            methods: dict[str, Callable[..., Any]] = object.__getattribute__(
                value, "_alexobs_methods"
            )
            return any(hasattr(method, OBSERVED) for method in methods.values())
        return getattr(value, OBSERVED, None) is not None


class InstrumentedToolExecutor(metaclass=_Executor):
    """One tool, observed: ``InstrumentedToolExecutor(tool, obs, name=None)``.

    `tool` is a function or an object with ``execute``, ``run``, ``invoke``, ``call`` (or their
    async forms ``aexecute``, ``arun``, …) or ``__call__``. What comes back behaves like it in
    everything: attributes, ``isinstance``, signature, results, exceptions, laziness.

    Raises:
        InstrumentationError: it has none of these.
    """

    if TYPE_CHECKING:  # made by the metaclass; what comes back has everything that went in

        def __init__(self, tool: Any, obs: Instruments, *, name: str | None = None) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
