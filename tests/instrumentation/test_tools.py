from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from instrumentation_kit import Recorder, facts_of, shown
from opentelemetry import trace

from alexobs import semconv
from alexobs.errors import InstrumentationError
from alexobs.instrumentation import (
    InstrumentedToolExecutor,
    InstrumentedToolRegistry,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def content(recorder: Recorder) -> tuple[Any, Any]:
    facts = recorder.facts
    return (
        shown(facts, semconv.GEN_AI_TOOL_CALL_ARGUMENTS),
        facts.content.get(semconv.GEN_AI_TOOL_CALL_RESULT),
    )


def test_a_function(recorder: Recorder) -> None:
    @tool(obs=recorder)
    def add(a: int, b: int = 2, *rest: int, note: str = "", **more: int) -> int:
        """Add numbers.

        At length.
        """
        return a + b

    assert add(1, 4, 5, note="n", extra=6) == 5
    assert add.__name__ == "add"
    assert str(inspect.signature(add)).startswith("(a: 'int', b: 'int' = 2")
    facts = recorder.facts
    assert (facts.kind, facts.status, facts.tool_name) == ("tool", "success", "add")
    assert facts.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.description": "Add numbers.",
    }
    assert content(recorder) == ({"a": 1, "b": 4, "args": [5], "note": "n", "extra": 6}, 5)
    assert recorder.span.name == "alex.tool.execute"


def test_errors_are_recorded_and_raised_unchanged(recorder: Recorder) -> None:
    @tool(obs=recorder, name="reader")
    def read(path: str) -> str:
        raise FileNotFoundError(path)

    with pytest.raises(FileNotFoundError, match=r"a\.py") as raised:
        read("a.py")
    assert [entry.name for entry in raised.traceback[1:]] == ["wrapper", "read"]
    assert recorder.facts.status == "error"
    assert recorder.facts.error_type == "FileNotFoundError"
    assert recorder.facts.tool_name == "reader"
    (event,) = recorder.span.events
    assert event.name == "exception"


async def test_async_functions_and_their_cancellation(recorder: Recorder) -> None:
    started = asyncio.Event()

    @tool(obs=recorder)
    async def wait(seconds: float) -> str:
        started.set()
        await asyncio.sleep(seconds)
        return "done"

    assert inspect.iscoroutinefunction(wait)
    assert await wait(0) == "done"
    started.clear()
    task = asyncio.create_task(wait(60))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [facts_of(span).status for span in recorder.spans] == ["success", "cancelled"]


def test_generators(recorder: Recorder) -> None:
    outside = trace.get_current_span()

    @tool(obs=recorder)
    def count(to: int) -> Iterator[int]:
        for number in range(to):
            assert trace.get_current_span() is not outside
            sent = yield number
            if sent:
                yield sent

    assert inspect.isgeneratorfunction(count)
    assert list(count(2)) == [0, 1]
    generator: Any = count(3)
    assert next(generator) == 0
    assert trace.get_current_span() is outside
    assert generator.send(7) == 7
    generator.close()
    dropped = count(3)
    next(dropped)
    del dropped
    gc.collect()
    count(3)  # never read: never executed
    thrown: Any = count(3)
    next(thrown)
    with pytest.raises(KeyError):
        thrown.throw(KeyError("x"))
    statuses = [facts_of(span).status for span in recorder.spans]
    assert statuses == ["success", "cancelled", "cancelled", "error"]
    assert facts_of(recorder.spans[1]).content[semconv.GEN_AI_TOOL_CALL_RESULT] == [0, 7]


async def test_async_generators(recorder: Recorder) -> None:
    @tool(obs=recorder)
    async def count(to: int) -> AsyncIterator[int]:
        for number in range(to):
            await asyncio.sleep(0)
            yield number

    assert inspect.isasyncgenfunction(count)
    assert [number async for number in count(3)] == [0, 1, 2]
    left: Any = count(3)
    assert await anext(left) == 0
    assert await left.asend(None) == 1
    await left.aclose()
    elsewhere: Any = count(3)
    await asyncio.create_task(anext(elsewhere))  # type: ignore[arg-type]
    await elsewhere.aclose()  # in another context than the one that began it
    statuses = [facts_of(span).status for span in recorder.spans]
    assert statuses == ["success", "cancelled", "cancelled"]


def test_methods_and_classes(recorder: Recorder) -> None:
    class Kit:
        @tool(obs=recorder)
        def method(self, a: int) -> int:
            return a

        @tool(obs=recorder)
        @staticmethod
        def static(a: int) -> int:
            return a

        @tool(obs=recorder)
        @classmethod
        def of_class(cls, a: int) -> int:
            return a

    @tool(obs=recorder)
    class Search:
        name = "search"

        def run(self, query: str) -> str:
            return query

        def __call__(self, query: str) -> str:
            return self.run(query)

    assert Kit().method(1) == Kit.static(1) == Kit.of_class(1) == 1
    assert Search()("q") == "q"
    names = [facts_of(span).tool_name for span in recorder.spans]
    assert names == ["method", "static", "of_class", "search"]
    for span in recorder.spans[:3]:
        assert facts_of(span).content[semconv.GEN_AI_TOOL_CALL_ARGUMENTS] == {"a": 1}


def test_a_long_generator_is_held_in_bounded_memory(recorder: Recorder) -> None:
    @tool(obs=recorder)
    def count() -> Iterator[int]:
        yield from range(5000)

    assert sum(count()) == sum(range(5000))
    assert len(recorder.facts.content[semconv.GEN_AI_TOOL_CALL_RESULT]) == 256


def test_an_object_with_an_entry_method(recorder: Recorder) -> None:
    class Shell:
        """Runs commands."""

        name = "shell"
        timeout_s = 5

        def execute(self, command: str) -> str:
            return command.upper()

    bare = Shell()
    shell = InstrumentedToolExecutor(bare, recorder)
    assert isinstance(shell, Shell)
    assert isinstance(shell, InstrumentedToolExecutor)
    assert shell.timeout_s == 5
    shell.timeout_s = 6
    assert bare.timeout_s == 6
    assert shell.execute(command="ls") == "LS"
    assert recorder.facts.tool_name == "shell"
    assert content(recorder) == ({"command": "ls"}, "LS")
    assert bare.execute("ls") == "LS"
    assert len(recorder.spans) == 1
    assert InstrumentedToolExecutor(shell, recorder) is shell


def test_a_lambda_that_returns_a_coroutine(recorder: Recorder) -> None:
    async def inner() -> int:
        return 3

    made = InstrumentedToolExecutor(lambda: inner(), recorder, name="late")  # noqa: PLW0108
    assert asyncio.run(made()) == 3
    assert recorder.facts.status == "success"
    assert recorder.facts.content[semconv.GEN_AI_TOOL_CALL_RESULT] == 3


def test_what_is_no_tool_is_refused(recorder: Recorder) -> None:
    with pytest.raises(InstrumentationError, match="no tool"):
        InstrumentedToolExecutor(object(), recorder)

    class Nothing:
        pass

    with pytest.raises(InstrumentationError, match="defines none"):
        tool(Nothing, obs=recorder)


def test_a_mapping_of_tools(recorder: Recorder) -> None:
    bare: dict[str, Callable[..., Any]] = {"add": lambda a: a + 1}
    registry = InstrumentedToolRegistry(bare, recorder)
    assert isinstance(registry, dict)
    assert isinstance(registry, InstrumentedToolRegistry)
    assert registry["add"] is registry.get("add")
    assert registry["add"](1) == 2
    assert registry.get("absent") is None
    registry["double"] = lambda a: a * 2
    assert bare["double"](4) == 8
    assert {name: item(3) for name, item in registry.items()} == {"add": 4, "double": 6}
    assert sorted(registry) == ["add", "double"]
    assert {**registry}["add"](1) == 2
    names = [facts_of(span).tool_name for span in recorder.spans]
    assert names == ["add", "double", "add", "double", "add"]


class Registry:
    """A registry as agents have them."""

    def __init__(self) -> None:
        self.tools: dict[str, Any] = {}

    def register(self, name: str, function: Any = None) -> Any:
        if function is None:
            return lambda late: self.register(name, late)
        self.tools[name] = function
        return function

    def get(self, name: str) -> Any:
        return self.tools[name]

    def execute(self, name: str, **arguments: Any) -> Any:
        return self.tools[name](**arguments)

    async def aexecute(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.tools[name](**arguments)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tools.values())


async def test_a_registry_with_methods_gives_one_span_per_execution(recorder: Recorder) -> None:
    bare = Registry()
    bare.register("old", lambda a: a)
    registry = InstrumentedToolRegistry(bare, recorder)
    registry.register("new", lambda a: a)

    @registry.register("late")
    def late(a: int) -> int:
        return a

    assert registry.execute("old", a=1) == 1
    assert registry.execute("new", a=2) == 2
    assert await registry.aexecute("late", {"a": 3}) == 3
    assert registry.get("old")(4) == 4
    assert registry.tools["new"](5) == 5
    assert [item(6) for item in registry] == [6, 6, 6]
    assert len(recorder.spans) == 8
    found = [facts_of(span) for span in recorder.spans]
    assert [facts.tool_name for facts in found[:5]] == ["old", "new", "late", "old", "new"]
    assert found[0].content[semconv.GEN_AI_TOOL_CALL_ARGUMENTS] == {"a": 1}
    with pytest.raises(KeyError):
        registry.execute("absent")
    assert facts_of(recorder.spans[-1]).status == "error"


def test_what_is_no_registry_is_refused(recorder: Recorder) -> None:
    with pytest.raises(InstrumentationError, match="no registry"):
        InstrumentedToolRegistry(object(), recorder)
