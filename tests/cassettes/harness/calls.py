"""From a recorded request back to the SDK calls that make it.

Everything is decided from the request itself: path, query, body and headers. Each request can be
made in several ways (plain, raw response, stream, stream manager; sync and async); the first way
is the one that was recorded.
"""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.recording import Interaction

Provider = Literal["openai", "anthropic", "google"]
Shape = Literal["plain", "stream", "managed", "raw", "raw_stream", "lazy", "lazy_stream"]


@dataclass(frozen=True, slots=True)
class Target:
    """An SDK method and its arguments: ``client.<resource>.<method>(**arguments)``."""

    provider: Provider
    base_path: str
    resource: str
    method: str
    arguments: Mapping[str, Any]
    vertex: tuple[str, str] | None = None  # project and location


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make a recorded request."""

    target: Target
    shape: Shape
    is_async: bool

    def __str__(self) -> str:
        style = "async " if self.is_async else ""
        return f"{style}{self.target.resource}.{self.target.method} ({self.shape})"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a recorded request is not driven."""

    reason: str
    ways: tuple[Way, ...] = field(default=())


def ways(item: Interaction) -> list[Way] | Unsupported:
    """Return the ways to make a request, the recorded one first."""
    found = _targets(item)
    if isinstance(found, Unsupported):
        return found
    headers = item.request_headers
    recorded_async = headers.get("x-stainless-async", "false") != "false"
    recorded_async |= headers.get("user-agent", "").startswith("Async")
    made = [Way(target, shape, recorded_async) for target, shape in found]
    # Of the other kind of client one way is enough: over all files, each meets each.
    made.append(Way(*found[0], not recorded_async))
    return sorted(made, key=lambda way: not _is_recorded(way, item, recorded_async))


def _is_recorded(way: Way, item: Interaction, recorded_async: bool) -> bool:
    headers = item.request_headers
    raw = headers.get("x-stainless-raw-response", "")
    helper = " ".join(
        headers.get(name, "")
        for name in (
            "x-stainless-helper-method",
            "x-stainless-stream-helper",
            "x-stainless-helper",
        )
    )
    wanted = "plain"
    if way.shape in ("stream", "managed", "raw_stream", "lazy_stream"):
        wanted = "managed" if "stream" in helper else "stream"
    if raw:
        kind = "lazy" if raw == "stream" else "raw"
        wanted = f"{kind}_stream" if wanted in ("stream", "managed") else kind
    parses = way.target.method == "parse"
    return (
        way.is_async == recorded_async
        and way.shape == wanted
        and (parses == ("parse" in helper) or wanted != "plain")
    )


def _targets(item: Interaction) -> list[tuple[Target, Shape]] | Unsupported:
    for pattern, make in ROUTES:
        if found := re.search(pattern, item.path):
            return make(item, **found.groupdict())
    return Unsupported(f"no installed provider package speaks {item.method} {item.host}{item.path}")


def _chat(item: Interaction, base: str) -> list[tuple[Target, Shape]]:
    return _openai(item, base, "chat.completions")


def _responses(item: Interaction, base: str) -> list[tuple[Target, Shape]]:
    return _openai(item, base, "responses")


def _embeddings(item: Interaction, base: str) -> list[tuple[Target, Shape]]:
    arguments = _arguments("openai", "embeddings", "create", item)
    target = Target("openai", base, "embeddings", "create", arguments)
    return [(target, "plain"), (target, "raw"), (target, "lazy")]


def _openai(item: Interaction, base: str, resource: str) -> list[tuple[Target, Shape]]:
    arguments = _arguments("openai", resource, "create", item)
    create = Target("openai", base, resource, "create", arguments)
    if not item.asked.get("stream"):
        made: list[tuple[Target, Shape]] = [(create, "plain"), (create, "raw"), (create, "lazy")]
        plain = {name: value for name, value in arguments.items() if name != "stream"}
        if all(_is_strict(tool) for tool in item.asked.get("tools") or ()):
            parse = Target("openai", base, resource, "parse", plain)
            made.insert(1, (parse, "plain"))
        return made
    rest = {name: value for name, value in arguments.items() if name != "stream"}
    made = [(create, "stream"), (create, "raw_stream"), (create, "lazy_stream")]
    if resource == "responses" or all(map(_is_strict, item.asked.get("tools") or ())):
        made.insert(1, (Target("openai", base, resource, "stream", rest), "managed"))
    return made


def _is_strict(tool: Mapping[str, Any]) -> bool:
    # parse(), and some versions' stream(), refuse function tools that are not.
    return tool.get("type") != "function" or bool(tool.get("function", tool).get("strict"))


def _fetched(item: Interaction, base: str, response_id: str) -> list[tuple[Target, Shape]]:
    arguments: dict[str, Any] = {"response_id": response_id}
    if "starting_after" in item.query:
        arguments["starting_after"] = int(item.query["starting_after"])
    if item.query.get("stream") == "true":
        target = Target("openai", base, "responses", "retrieve", {**arguments, "stream": True})
        return [(target, "stream"), (target, "raw_stream"), (target, "lazy_stream")]
    target = Target("openai", base, "responses", "retrieve", arguments)
    # A stream that nobody asked for in the query comes from a recorder that dropped it.
    if item.is_event_stream:
        target = Target("openai", base, "responses", "retrieve", {**arguments, "stream": True})
        return [(target, "stream")]
    return [(target, "plain"), (target, "raw"), (target, "lazy")]


def _anthropic(item: Interaction, base: str) -> list[tuple[Target, Shape]]:
    resource = "beta.messages" if item.query.get("beta") == "true" else "messages"
    arguments = _arguments("anthropic", resource, "create", item)
    if beta := item.request_headers.get("anthropic-beta"):
        arguments["extra_headers"] = {"anthropic-beta": beta}
    create = Target("anthropic", base, resource, "create", arguments)
    rest = {name: value for name, value in arguments.items() if name != "stream"}
    if item.asked.get("stream"):
        helper = Target("anthropic", base, resource, "stream", rest)
        return [
            (create, "stream"),
            (helper, "managed"),
            (create, "raw_stream"),
            (create, "lazy_stream"),
        ]
    made: list[tuple[Target, Shape]] = [(create, "plain"), (create, "raw"), (create, "lazy")]
    made.insert(1, (Target("anthropic", base, resource, "parse", rest), "plain"))
    return made


def _google(item: Interaction, model: str, method: str) -> list[tuple[Target, Shape]] | Unsupported:
    model, asked = unquote(model), item.asked
    if method in ("generateContent", "streamGenerateContent"):
        config = _without(asked, "contents", "generationConfig", "model")
        config |= asked.get("generationConfig") or {}
        arguments = {"model": model, "contents": asked["contents"], "config": config or None}
        if method == "generateContent":
            return [(_google_target(item, "generate_content", arguments), "plain")]
        return [(_google_target(item, "generate_content_stream", arguments), "stream")]
    if method in ("batchEmbedContents", "embedContent", "predict"):
        parts = asked.get("requests") or asked.get("instances") or [asked]
        config = _without(parts[0], "content", "model", "embedContentConfig")
        config |= parts[0].get("embedContentConfig") or {}
        contents = [part["content"] for part in parts if "content" in part]
        if contents:
            arguments = {"model": model, "contents": contents, "config": config or None}
            return [(_google_target(item, "embed_content", arguments), "plain")]
    return Unsupported(f"no call of google-genai that is driven here makes {method}")


def _without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def _google_target(item: Interaction, method: str, arguments: Mapping[str, Any]) -> Target:
    place = re.search(r"/projects/([^/]+)/locations/([^/]+)/", item.path)
    vertex = (unquote(place[1]), unquote(place[2])) if place else None
    return Target("google", _version(item), "models", method, arguments, vertex)


def _interactions(item: Interaction, interaction_id: str | None) -> list[tuple[Target, Shape]]:
    if interaction_id is None:
        target = Target("google", _version(item), "interactions", "create", item.asked)
        streams = bool(item.asked.get("stream"))
    else:
        arguments: dict[str, Any] = {"id": unquote(interaction_id), **item.query}
        streams = item.query.get("stream") == "true"
        arguments["stream"] = streams
        target = Target("google", _version(item), "interactions", "get", arguments)
    if streams:
        return [(target, "stream")]
    return [(target, "plain"), (target, "raw"), (target, "lazy")]


def _version(item: Interaction) -> str:
    found = re.match(r"^/(?P<version>v\d\w*)/", item.path)
    return found["version"] if found else ""


def _arguments(provider: Provider, resource: str, method: str, item: Interaction) -> dict[str, Any]:
    """Return the body as keyword arguments; what the method does not know goes in extra_body."""
    known = _parameters(provider, resource, method)
    arguments = {name: value for name, value in item.asked.items() if name in known}
    extra = {name: value for name, value in item.asked.items() if name not in known}
    query = {name: value for name, value in item.query.items() if name != "beta"}
    if extra:
        arguments["extra_body"] = extra
    if query:
        arguments["extra_query"] = query
    return arguments


@functools.cache  # a client takes 30 ms
def _parameters(provider: Provider, resource: str, method: str) -> frozenset[str]:
    if provider == "openai":
        import openai  # noqa: PLC0415

        target: Any = openai.OpenAI(api_key="unused")
    else:
        import anthropic  # noqa: PLC0415

        target = anthropic.Anthropic(api_key="unused")
    with target as client:
        found: Any = client
        for name in resource.split("."):
            found = getattr(found, name)
        return frozenset(inspect.signature(getattr(found, method)).parameters)


ROUTES: tuple[tuple[str, Callable[..., list[tuple[Target, Shape]] | Unsupported]], ...] = (
    (r"^(?P<base>.*)/chat/completions$", _chat),
    (r"^(?P<base>.*)/responses$", _responses),
    (r"^(?P<base>.*)/responses/(?P<response_id>[^/]+)$", _fetched),
    (r"^(?P<base>.*)/embeddings$", _embeddings),
    (r"^(?P<base>.*)/v1/messages$", _anthropic),
    (r"/models/(?P<model>[^/:]+):(?P<method>\w+)$", _google),
    (r"/interactions(?:/(?P<interaction_id>[^/]+))?$", _interactions),
)


def each_pass(items: list[Interaction]) -> Iterator[list[tuple[Interaction, Way]]]:
    """Yield plans that make every request of a file once, in another way each time."""
    made = [(item, found) for item in items if isinstance(found := ways(item), list)]
    for turn in range(max((len(found) for _, found in made), default=0)):
        yield [(item, found[turn % len(found)]) for item, found in made]
