"""Streams: what is consumed is seen, when it ends is known, and nothing else changes.

A provider's stream stays the object that its SDK made: only the iterator inside it is exchanged,
and the HTTP response tells when it is closed, on whichever way. So types, attributes, context
managers and helpers (``text_stream``, ``get_final_message``) are the SDK's own. Streams of objects
that we know nothing about are wrapped by proxies that look like them.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Recorder(Protocol):
    """What a stream reports to; `LLMCall` and `ToolCall` are two."""

    busy: bool
    """True while the stream's own code runs: a close then is part of it, not of the consumer."""

    def chunk(self, chunk: Any) -> None:
        """Take one piece."""

    def finish(self) -> None:
        """End after the last piece."""

    def fail(self, error: BaseException) -> None:
        """End with what was raised."""

    def close(self) -> None:
        """End because nobody reads on."""


class TappedIterator:
    """Stands for the iterator inside a provider's synchronous stream."""

    def __init__(self, source: Iterator[Any], recorder: Recorder) -> None:
        self._recorder = recorder
        self._source = source
        self._next = source.__next__

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        recorder = self._recorder
        recorder.busy = True
        try:
            chunk = self._next()
        except StopIteration:
            recorder.finish()
            raise
        except BaseException as error:
            recorder.fail(error)
            raise
        finally:
            recorder.busy = False
        recorder.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        self._recorder.close()


class TappedAsyncIterator:
    """Stands for the iterator inside a provider's asynchronous stream."""

    def __init__(self, source: AsyncIterator[Any], recorder: Recorder) -> None:
        self._recorder = recorder
        self._source = source
        self._next = source.__anext__

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        recorder = self._recorder
        recorder.busy = True
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            recorder.finish()
            raise
        except BaseException as error:
            recorder.fail(error)
            raise
        finally:
            recorder.busy = False
        recorder.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __del__(self) -> None:
        self._recorder.close()


def lazily(call: Any, source: Iterator[Any]) -> Iterator[Any]:
    """Return a generator like `source`, which asks only when it is read; `call` starts then."""
    with call:
        chunk = next(source, _END)
    try:
        while chunk is not _END:
            call.chunk(chunk)
            yield chunk
            chunk = next(source, _END)
    except GeneratorExit:
        call.close()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    else:
        call.finish()
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


_END = object()


def tap_stream(stream: Any, recorder: Recorder) -> None:
    """Watch a provider's stream object that keeps its iterator in ``_iterator``."""
    iterator = stream._iterator  # noqa: SLF001 - the one place where both SDKs keep it
    tapped = TappedAsyncIterator if hasattr(iterator, "__anext__") else TappedIterator
    stream._iterator = tapped(iterator, recorder)  # noqa: SLF001
    watch_close(stream.response, recorder)


def watch_close(response: Any, recorder: Recorder) -> None:
    """Tell `recorder` when an HTTP response is closed; every way to end a stream leads there."""
    _watch(response, recorder, reading=False)


def tap_response(response: Any, recorder: Recorder) -> None:
    """Watch an HTTP response that is read later, or never, by the caller's own means.

    All ways of reading (``read``, ``json``, ``iter_lines``, a stream made of it) go through
    ``iter_bytes`` or ``aiter_bytes``; it stays as lazy as it was.
    """
    if _watch(response, recorder, reading=True):
        weakref.finalize(response, recorder.close).atexit = False
    else:
        recorder.close()


def _watch(response: Any, recorder: Recorder, *, reading: bool) -> bool:
    """Put watched methods before those of one response, until it is closed.

    Its class is exchanged for a subclass. Functions stored in the object would have to hold it:
    strongly, which makes a cycle and leaves a dropped connection to the garbage collector, or
    weakly, which is too weak to close it while it is being collected.
    """
    try:
        kind: Any = type(response)
        response.__class__ = _watched_class(kind, reading)
        response._alexobs_recorder = recorder  # noqa: SLF001
    except (AttributeError, TypeError):
        return False  # no HTTP library's response: a stand-in, in somebody's test
    return True


@functools.lru_cache(maxsize=64)
def _watched_class(kind: Any, reading: bool) -> type:
    def close(self: Any) -> Any:
        recorder = _let_go(self, kind)
        try:
            return kind.close(self)
        finally:
            _closed(recorder)

    async def aclose(self: Any) -> Any:
        recorder = _let_go(self, kind)
        try:
            return await kind.aclose(self)
        finally:
            _closed(recorder)

    def iter_bytes(self: Any, *args: Any, **options: Any) -> Iterator[bytes]:
        source = kind.iter_bytes(self, *args, **options)
        yield from TappedIterator(iter(source), self._alexobs_recorder)

    async def aiter_bytes(self: Any, *args: Any, **options: Any) -> AsyncIterator[bytes]:
        source = kind.aiter_bytes(self, *args, **options)
        async for chunk in TappedAsyncIterator(aiter(source), self._alexobs_recorder):
            yield chunk

    methods: dict[str, Any] = {"close": close, "aclose": aclose}
    if reading:
        methods.update(iter_bytes=iter_bytes, aiter_bytes=aiter_bytes)
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (kind,), {**methods, **names, "__doc__": kind.__doc__})


def _let_go(response: Any, kind: type) -> Recorder | None:
    if type(response) is not kind:
        response.__class__ = kind
    recorder: Recorder | None = vars(response).pop("_alexobs_recorder", None)
    return recorder


def _closed(recorder: Recorder | None) -> None:
    if recorder is not None and not recorder.busy:
        recorder.close()
