"""Functions of any kind, observed: plain, async, generators and async generators, written once.

What kind a function is, is decided once, when it is wrapped. A plain function may still return a
coroutine or a generator that somebody made elsewhere; that is seen when it returns.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Protocol, Self

from alexobs.context import detach

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from alexobs.instrumentation.observation import Observation

    class Start(Protocol):
        """Returns the observation of one call, or None to let it through."""

        def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Observation | None:
            """Return the observation, not started."""
            ...


def signature_of(function: Any) -> inspect.Signature | None:
    """Return a signature, or None for what has none (some functions written in C)."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def named(
    signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return arguments by the names of their parameters; further ones stand under ``args``."""
    if signature is None:
        return {**({"args": list(args)} if args else {}), **kwargs}
    try:
        found = signature.bind(*args, **kwargs).arguments
    except TypeError:  # they do not fit: the call itself has said so
        return {**({"args": list(args)} if args else {}), **kwargs}
    flat: dict[str, Any] = {}
    for name, value in found.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            flat.update(value)
        else:
            flat["args" if kind is inspect.Parameter.VAR_POSITIONAL else name] = value
    return flat


def observed(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    """Return a function like `function` whose calls are observed by what `start` returns."""
    if inspect.iscoroutinefunction(function):
        return _async(function, start)
    if inspect.isasyncgenfunction(function):
        return _asyncgen(function, start)
    if inspect.isgeneratorfunction(function):
        return _generator(function, start)
    return _plain(function, start)


def _plain(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        with call:
            result = function(*args, **kwargs)
        return settled(call, result)

    return wrapper


def _async(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        with call:
            result = await function(*args, **kwargs)
        return settled(call, result)

    return wrapper


def _generator(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        source = function(*args, **kwargs)
        if call is None:
            return (yield from source)
        return (yield from ObservedGenerator(source, call))

    return wrapper


def _asyncgen(function: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        source = function(*args, **kwargs)
        stream = source if call is None else ObservedAsyncGenerator(source, call)
        try:
            value = await anext(stream)
            while True:  # what `yield from` would do, if async generators had it
                try:
                    sent = yield value
                except GeneratorExit:
                    await stream.aclose()
                    raise
                except BaseException as error:
                    value = await stream.athrow(error)
                else:
                    value = await (anext(stream) if sent is None else stream.asend(sent))
        except StopAsyncIteration:
            return

    return wrapper


def settled(call: Observation, result: Any) -> Any:
    """Take what a call returned: an answer, or something that still has to run."""
    if isinstance(result, types.CoroutineType):
        return _awaited(call, result)
    if isinstance(result, types.GeneratorType):
        return ObservedGenerator(result, call)
    if isinstance(result, types.AsyncGeneratorType):
        return ObservedAsyncGenerator(result, call)
    call.answer(result)
    return result


async def _awaited(call: Observation, result: Awaitable[Any]) -> Any:
    with call:
        answer = await result
    return settled(call, answer)


class ObservedGenerator:
    """A generator that is observed: its span is current while its body runs, never between."""

    def __init__(self, source: Generator[Any, Any, Any], call: Observation) -> None:
        self._source = source
        self._call = call

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._source)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._step(self._source.__next__)

    def send(self, value: Any) -> Any:
        """Resume with a value."""
        return self._step(self._source.send, value)

    def throw(self, *error: Any) -> Any:
        """Resume with an exception."""
        return self._step(self._source.throw, *error)

    def close(self) -> None:
        """End the generator where it stands."""
        try:
            self._source.close()
        except BaseException as error:
            self._call.fail(error)
            raise
        self._call.close()

    def _step(self, resume: Callable[..., Any], *values: Any) -> Any:
        call = self._call
        token = call.attach()
        try:
            chunk = resume(*values)
        except StopIteration:
            call.finish()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            detach(token)
        call.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        self._call.close()


class ObservedAsyncGenerator:
    """An async generator that is observed."""

    def __init__(self, source: Any, call: Observation) -> None:
        self._source = source
        self._call = call

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._source)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._step(self._source.__anext__)

    async def asend(self, value: Any) -> Any:
        """Resume with a value."""
        return await self._step(self._source.asend, value)

    async def athrow(self, *error: Any) -> Any:
        """Resume with an exception."""
        return await self._step(self._source.athrow, *error)

    async def aclose(self) -> None:
        """End the generator where it stands."""
        try:
            await self._source.aclose()
        except BaseException as error:
            self._call.fail(error)
            raise
        self._call.close()

    async def _step(self, resume: Callable[..., Any], *values: Any) -> Any:
        call = self._call
        token = call.attach()
        try:
            chunk = await resume(*values)
        except StopAsyncIteration:
            call.finish()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            detach(token)
        call.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        self._call.close()
