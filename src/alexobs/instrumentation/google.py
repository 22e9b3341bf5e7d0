"""The seams of Google's GenAI SDK: its API client, and the one its interactions go through.

Both are below everything that a user calls. ``generate_content`` may ask the model several times
(automatic function calling, continuations, chats); each of these is paid for, and is one call.
"""

from __future__ import annotations

import functools
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from alexobs import semconv
from alexobs.context import current_context
from alexobs.instrumentation.call import CALL_KEY, LLMCall, begin
from alexobs.instrumentation.sse import SseDecoder
from alexobs.instrumentation.stream import TappedAsyncIterator, lazily, tap_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from alexobs.instrumentation.call import Operation
    from alexobs.instrumentation.observation import Instruments

_FIRST_ERROR_STATUS = 400


class Methods(NamedTuple):
    """Operations of the API client by the last word of the path, one set per platform."""

    gemini: Mapping[str, Operation]
    vertex: Mapping[str, Operation]


class Bodies:
    """Takes the answers of the API client apart: each holds one JSON text."""

    def __call__(self, piece: Any) -> Iterable[Mapping[str, Any]]:
        """Return the object in one piece of a stream."""
        return (load(piece),) if piece.body else ()

    def rest(self) -> None:
        """Return nothing: each piece is whole."""


def load(answer: Any) -> Any:
    """Return the plain body of an answer of the API client."""
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:  # a proxy's page: the SDK raises when it reads it, after the request
        return {"error": {"status": "json.decoder.JSONDecodeError"}}


_bodies = Bodies()


# -- the API client --------------------------------------------------------------------------------


def _begin(
    operations: Methods, instruments: Instruments, client: Any, path: str, sent: tuple[Any, Any]
) -> LLMCall | None:
    try:
        resource, _, method = path.partition("?")[0].rpartition(":")
        chosen = operations.vertex if client.vertexai else operations.gemini
        operation = chosen.get(method)
        body, options = sent
        if operation is None or (method == "predict" and not _embeds(body)):
            return None
        call = begin(
            instruments,
            operation,
            model=resource.rpartition("/")[2],
            body=body,
            endpoint=client._http_options.base_url,  # noqa: SLF001
        )
        if call is not None:
            call.max_attempts = _attempts(client, options)
    except Exception as fault:
        instruments.fault("request", fault)
        return None
    return call


def _embeds(body: Any) -> bool:
    return any("content" in instance for instance in body.get("instances") or ())


def _attempts(client: Any, options: Any) -> int:
    """Return how many attempts a request may take: its own setting, else the client's."""
    own = options.get("retry_options") if isinstance(options, dict) else None
    own = own or getattr(options, "retry_options", None)
    wanted = own.get("attempts") if isinstance(own, dict) else getattr(own, "attempts", None)
    return int(wanted or getattr(client._retry.stop, "max_attempt_number", None) or 1)  # noqa: SLF001


def request(
    operations: Methods, original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``BaseApiClient.request``."""

    @functools.wraps(original)
    def wrapper(self: Any, http_method: str, path: str, body: Any, options: Any = None) -> Any:
        call = None
        if instruments.active:
            call = _begin(operations, instruments, self, path, (body, options))
        if call is None:
            return original(self, http_method, path, body, options)
        with call:
            answer = original(self, http_method, path, body, options)
        call.answer(answer)
        return answer

    return wrapper


def async_request(
    operations: Methods, original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``BaseApiClient.async_request``."""

    @functools.wraps(original)
    async def wrapper(
        self: Any, http_method: str, path: str, body: Any, options: Any = None
    ) -> Any:
        call = None
        if instruments.active:
            call = _begin(operations, instruments, self, path, (body, options))
        if call is None:
            return await original(self, http_method, path, body, options)
        with call:
            answer = await original(self, http_method, path, body, options)
        call.answer(answer)
        return answer

    return wrapper


def request_streamed(
    operations: Methods, original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``BaseApiClient.request_streamed``: a generator, which asks when it is read."""

    @functools.wraps(original)
    def wrapper(self: Any, http_method: str, path: str, body: Any, options: Any = None) -> Any:
        call = None
        if instruments.active:
            call = _begin(operations, instruments, self, path, (body, options))
        source = original(self, http_method, path, body, options)
        if call is None:
            return source
        call.stream, call.decode = True, _bodies
        return lazily(call, source)

    return wrapper


def async_request_streamed(
    operations: Methods, original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``BaseApiClient.async_request_streamed``: asks first, then is read."""

    @functools.wraps(original)
    async def wrapper(
        self: Any, http_method: str, path: str, body: Any, options: Any = None
    ) -> Any:
        call = None
        if instruments.active:
            call = _begin(operations, instruments, self, path, (body, options))
        if call is None:
            return await original(self, http_method, path, body, options)
        call.stream, call.decode = True, _bodies
        with call:
            source = await original(self, http_method, path, body, options)
        return TappedAsyncIterator(source, call)

    return wrapper


# -- attempts --------------------------------------------------------------------------------------


def _open_call(instruments: Instruments) -> LLMCall | None:
    call = current_context().get(CALL_KEY) if instruments.active else None
    return call if isinstance(call, LLMCall) and not call.ended else None


def _count_attempt(call: LLMCall) -> None:
    """Count an attempt; that it comes at all means that the one before it is tried again."""
    call.attempts += 1
    failed = call.failed_attempt
    if failed is None:
        return
    cause, when_s = failed
    call.failed_attempt = None
    call.span.add_event(
        semconv.ALEX_LLM_ATTEMPT_EVENT,
        {
            semconv.ALEX_LLM_ATTEMPT_NUMBER: call.attempts - 1,
            semconv.ALEX_LLM_ATTEMPT_MAX: max(call.max_attempts, call.attempts),
            semconv.ALEX_LLM_ATTEMPT_CAUSE: cause,
            semconv.ALEX_LLM_ATTEMPT_DELAY: round(time.perf_counter() - when_s, 3),
        },
    )


def _note_failure(call: LLMCall, error: BaseException) -> None:
    code = getattr(error, "code", None)
    call.failed_attempt = (str(code or type(error).__name__), time.perf_counter())


def request_once(original: Callable[..., Any], instruments: Instruments) -> Callable[..., Any]:
    """Stand before one attempt of a request."""

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open_call(instruments)
        if call is None:
            return original(self, *args, **kwargs)
        _count_attempt(call)
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            _note_failure(call, error)
            raise

    return wrapper


def async_request_once(
    original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before one attempt of an asynchronous request."""

    @functools.wraps(original)
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open_call(instruments)
        if call is None:
            return await original(self, *args, **kwargs)
        _count_attempt(call)
        try:
            return await original(self, *args, **kwargs)
        except BaseException as error:
            _note_failure(call, error)
            raise

    return wrapper


# -- interactions ----------------------------------------------------------------------------------


def _begin_interaction(
    operations: Mapping[str, Operation], instruments: Instruments, known: Mapping[str, Any]
) -> LLMCall | None:
    try:
        operation = operations.get(known["hook_ctx"].operation_id)
        if operation is None:
            return None
        sent = known["request"]
        call = begin(instruments, operation, endpoint=sent.url)
        if call is not None:
            call.stream = bool(known.get("stream"))
            call.body = sent
    except Exception as fault:
        instruments.fault("request", fault)
        return None
    return call


def _settle_interaction(call: LLMCall, response: Any) -> None:
    try:
        if response.status_code >= _FIRST_ERROR_STATUS:
            call.refuse(str(response.status_code))
        elif response.is_closed:
            call.stream = False
            call.answer(response)
        else:
            call.decode = SseDecoder.for_response(response)
            tap_response(response, call)
    except Exception as fault:
        call.answer(None)
        call.instruments.fault("answer", fault)


def do_request(
    operations: Mapping[str, Operation], original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``BaseSDK.do_request``, which is always called by keyword."""

    @functools.wraps(original)
    def wrapper(self: Any, **known: Any) -> Any:
        call = _begin_interaction(operations, instruments, known) if instruments.active else None
        if call is None:
            return original(self, **known)
        with call:
            response = original(self, **known)
        _settle_interaction(call, response)
        return response

    return wrapper


def do_request_async(
    operations: Mapping[str, Operation], original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before ``AsyncBaseSDK.do_request_async``."""

    @functools.wraps(original)
    async def wrapper(self: Any, **known: Any) -> Any:
        call = _begin_interaction(operations, instruments, known) if instruments.active else None
        if call is None:
            return await original(self, **known)
        with call:
            response = await original(self, **known)
        _settle_interaction(call, response)
        return response

    return wrapper


def before_request(original: Callable[..., Any], instruments: Instruments) -> Callable[..., Any]:
    """Stand before the hook that runs before each attempt of an interaction."""

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open_call(instruments)
        if call is not None:
            call.attempts += 1
        return original(self, *args, **kwargs)

    return wrapper


def async_before_request(
    original: Callable[..., Any], instruments: Instruments
) -> Callable[..., Any]:
    """Stand before the asynchronous hook."""

    @functools.wraps(original)
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _open_call(instruments)
        if call is not None:
            call.attempts += 1
        return await original(self, *args, **kwargs)

    return wrapper
