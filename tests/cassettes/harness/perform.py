"""Makes an SDK call and notes all that a caller can see of it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import openai
from google import genai
from google.oauth2.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.calls import Target, Way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave: values in order, and the exception that ended it, if any."""

    values: tuple[Any, ...]
    error: tuple[str, str, Any] | None


class Clients:
    """Provider clients against one address, made when first needed.

    Args:
        url: the replay server's address.
        wrap: what is done to each client before it is used.
    """

    def __init__(self, url: str, wrap: Callable[[Any], Any] = lambda client: client) -> None:
        self._url = url
        self._wrap = wrap
        self._made: dict[tuple[Any, ...], Any] = {}

    def get(self, target: Target, *, is_async: bool) -> Any:
        key = (target.provider, target.base_path, is_async, target.vertex)
        if key not in self._made:
            self._made[key] = self._wrap(self._make(target, is_async))
        made = self._made[key]
        return made.aio if target.provider == "google" and is_async else made

    async def close(self) -> None:
        for (provider, _, is_async, _), client in self._made.items():
            if provider == "google":
                client.close()
                await client.aio.aclose()
            elif is_async:
                await client.close()
            else:
                client.close()

    def _make(self, target: Target, is_async: bool) -> Any:
        if target.provider == "google":
            return self._google(target)
        options: Any = {
            "base_url": self._url + target.base_path,
            "api_key": "unused",
            "max_retries": 0,
        }
        package: Any = openai if target.provider == "openai" else anthropic
        name = "OpenAI" if target.provider == "openai" else "Anthropic"
        return getattr(package, f"Async{name}" if is_async else name)(**options)

    def _google(self, target: Target) -> Any:
        options: Any = {"base_url": self._url}
        if target.base_path:
            options["api_version"] = target.base_path
        if target.vertex is None:
            return genai.Client(api_key="unused", http_options=options)
        project, location = target.vertex
        credentials: Any = Credentials
        return genai.Client(
            vertexai=True,
            project=project,
            location=location,
            credentials=credentials(token="unused"),
            http_options=options,
        )


async def perform(client: Any, way: Way) -> Outcome:
    """Make a call, to its end, and return what came of it."""
    values: list[Any] = []
    error = None
    try:
        await _perform(client, way, values)
    except Exception as raised:  # whatever it is, it is compared
        status = getattr(raised, "status_code", getattr(raised, "code", None))
        error = (type(raised).__qualname__, str(raised), status)
    return Outcome(tuple(values), error)


async def _perform(client: Any, way: Way, values: list[Any]) -> None:
    resource = client
    for name in way.target.resource.split("."):
        resource = getattr(resource, name)
    arguments = dict(way.target.arguments)
    if way.shape in ("raw", "raw_stream"):
        method = getattr(resource.with_raw_response, way.target.method)
        response = await _settled(method(**arguments))
        values.append(_status(response))
        await _take(await _settled(response.parse()), values)
    elif way.shape in ("lazy", "lazy_stream"):
        method = getattr(resource.with_streaming_response, way.target.method)
        async with _Managed(method(**arguments)) as response:
            values.append(_status(response))
            await _take(await _settled(response.parse()), values)
    elif way.shape == "managed":
        async with _Managed(getattr(resource, way.target.method)(**arguments)) as stream:
            await _take(stream, values)
            values.append(plain(await _settled(_final(stream))))
    else:
        await _take(await _settled(getattr(resource, way.target.method)(**arguments)), values)


def _final(stream: Any) -> Any:
    for name in ("get_final_message", "get_final_response", "get_final_completion"):
        if hasattr(stream, name):
            return getattr(stream, name)()
    return None


def _status(response: Any) -> Any:
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return getattr(response, "status_code", None), headers


async def _take(value: Any, values: list[Any]) -> None:
    """Append a result, or the items of a stream, in plain form."""
    if hasattr(value, "__aiter__"):
        async for item in value:
            values.append(plain(item))  # noqa: PERF401 - what came before an error counts too
    elif hasattr(value, "__next__"):
        values.extend(map(plain, value))  # keeps what came before an error
    else:
        values.append(plain(value))


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class _Managed:
    """Either kind of context manager, as an async one."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        if hasattr(self._manager, "__aenter__"):
            return await self._manager.__aenter__()
        return self._manager.__enter__()

    async def __aexit__(self, *exc_info: object) -> None:
        if hasattr(self._manager, "__aexit__"):
            await self._manager.__aexit__(*exc_info)
        else:
            self._manager.__exit__(*exc_info)


def plain(value: Any) -> Any:
    """Return a result as its type's name and its data."""
    if hasattr(value, "model_dump"):
        return type(value).__name__, value.model_dump(mode="json", warnings=False)
    return type(value).__name__, value
