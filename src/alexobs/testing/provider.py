"""A scripted LLM provider: a real HTTP server that the real provider packages can talk to.

::

    with ScriptedProvider() as provider:
        provider.fail(429, retry_after_s=0.1)
        provider.tool_call("read_file", {"path": "a.py"})
        provider.reply("Done.", usage=Usage(input_tokens=900, output_tokens=5))
        client = openai.OpenAI(base_url=provider.openai_url, api_key="unused")

One script serves every dialect: OpenAI chat completions, responses and embeddings, Anthropic
messages, Gemini. Answers are deterministic: ids and times are made by counting.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from alexobs.records import Usage
from alexobs.testing.loopback import LoopbackServer, Request, Response, chunked_bytes, plain_bytes
from alexobs.testing.routes import Route, find_route
from alexobs.testing.script import Failure, Reply, Step, ToolCall
from alexobs.testing.wires import Exchange, StreamingWire

__all__ = ["Failure", "ProviderRequest", "Reply", "ScriptedProvider", "ToolCall", "Usage"]

FAILURE_MESSAGES = {
    400: "The request is not valid.",
    401: "The API key is not valid.",
    404: "The model does not exist.",
    429: "Rate limit reached.",
    500: "The server had an error while processing the request.",
    503: "The model is overloaded.",
    529: "Overloaded",
}
MAX_KEPT_REQUESTS = 10_000
MAX_KEPT_ANSWERS = 128


@dataclass(frozen=True)
class ProviderRequest:
    """One request that arrived, as tests want to look at it.

    ``number`` counts from 1. ``api`` is ``openai.chat``, ``openai.responses``,
    ``openai.embeddings``, ``anthropic.messages``, ``google.generate``, ``google.embeddings``,
    or empty for a path that no dialect knows.
    """

    number: int
    api: str
    model: str
    stream: bool
    http: Request

    @cached_property
    def json(self) -> Any:
        """The parsed body; None when it is none."""
        try:
            return self.http.json()
        except ValueError:
            return None

    def __str__(self) -> str:
        stream = ", streamed" if self.stream else ""
        return (
            f"request {self.number} ({self.http.method} {self.http.path}, "
            f"model {self.model!r}{stream})"
        )


Decide = Callable[[ProviderRequest], Step | str]


class ScriptedProvider:
    """An HTTP server on loopback that answers as it was told.

    The steps of the script are used in order, one per request, whatever the dialect. When the
    script has run out, the request fails with a message that names it, and SDKs do not retry it.

    Args:
        port: port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, *, port: int = 0) -> None:
        self._lock = threading.Lock()
        self._script: deque[Step] = deque()
        self._decide: Decide | None = None
        self._fixed: Reply | None = None
        self._answers: OrderedDict[tuple[str, str, bytes], Response] = OrderedDict()
        self._count = 0
        self._requests: deque[ProviderRequest] = deque(maxlen=MAX_KEPT_REQUESTS)
        self._stored: dict[str, dict[str, Any]] = {}
        self._server = LoopbackServer(self._answer, port=port)

    # -- where it is -----------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """The server's address."""
        return self._server.url

    @property
    def openai_url(self) -> str:
        """Base URL for the OpenAI SDK."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for the Anthropic SDK."""
        return self.url

    @property
    def google_url(self) -> str:
        """Base URL for the Google GenAI SDK (``http_options={"base_url": ...}``)."""
        return self.url

    # -- the script ------------------------------------------------------------------------------
    def add(self, *steps: Step) -> Self:
        """Append steps to the script."""
        with self._lock:
            self._script.extend(steps)
        return self

    def reply(self, text: str = "", **options: Any) -> Self:
        """Append an answer; `options` are the fields of `Reply`."""
        return self.add(Reply(text, **options))

    def structured(self, value: Any, **options: Any) -> Self:
        """Append an answer whose text is `value` as JSON."""
        return self.reply(json.dumps(value, ensure_ascii=False), **options)

    def tool_call(
        self, name: str, arguments: Mapping[str, Any] | None = None, **options: Any
    ) -> Self:
        """Append an answer that asks for one tool; `options` are the fields of `Reply`."""
        return self.tool_calls([ToolCall(name, arguments or {})], **options)

    def tool_calls(self, calls: Sequence[ToolCall], **options: Any) -> Self:
        """Append an answer that asks for several tools at once."""
        return self.add(Reply(tool_calls=tuple(calls), **options))

    def embedding(self, *vectors: Sequence[float], **options: Any) -> Self:
        """Append an answer to an embeddings request; without vectors they are made up."""
        return self.add(Reply(vectors=vectors, **options))

    def fail(self, status: int = 500, message: str = "", **options: Any) -> Self:
        """Append a failure; `options` are the fields of `Failure`."""
        return self.add(Failure(status, message, **options))

    def malformed(self, body: bytes = b'{"choices": [', *, status: int = 200) -> Self:
        """Append a response that is not what it says it is."""
        return self.add(Failure(status, body=body))

    def reset(self) -> Self:
        """Append a connection that is reset instead of answered."""
        return self.add(Failure(reset=True))

    def cut_after(self, chunks: int, text: str = "This answer is cut.", **options: Any) -> Self:
        """Append a stream that is reset after `chunks` events."""
        return self.reply(text, cut_after_chunks=chunks, **options)

    def error_after(self, chunks: int, text: str = "This answer fails.", **options: Any) -> Self:
        """Append a stream that ends in the provider's error event after `chunks` events."""
        return self.reply(text, error_after_chunks=chunks, **options)

    def replies_by(self, decide: Decide) -> Self:
        """Let `decide` answer every request that the script has no step for."""
        self._decide = decide
        return self

    def always(self, text: str = "ok", **options: Any) -> Self:
        """Answer every further request with the same reply, from bytes made once (benchmarks)."""
        self._fixed = Reply(text, **options)
        self._answers.clear()
        return self

    # -- what happened ---------------------------------------------------------------------------
    @property
    def requests(self) -> list[ProviderRequest]:
        """The requests that have arrived, oldest first (the last 10,000)."""
        with self._lock:
            return list(self._requests)

    @property
    def remaining(self) -> int:
        """Steps of the script that have not been used."""
        with self._lock:
            return len(self._script)

    def close(self) -> None:
        """Stop the server."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- answering -------------------------------------------------------------------------------
    def _answer(self, http: Request) -> Response | None:
        key = (http.path, http.query, http.body)
        if self._fixed is not None and not self._script and key in self._answers:
            with self._lock:
                self._count += 1
            return self._answers[key]
        route = find_route(http)
        asked = _parse(http)
        with self._lock:
            self._count += 1
            request = ProviderRequest(
                self._count,
                route.api if route else "",
                route.model(http, asked) if route else "",
                route is not None and route.is_stream(http, asked),
                http,
            )
            self._requests.append(request)
            asks = http.method == "POST" and route is not None
            step = self._script.popleft() if self._script and asks else None
        return self._respond(request, route, asked, step)

    def _respond(
        self,
        request: ProviderRequest,
        route: Route | None,
        asked: Mapping[str, Any],
        step: Step | None,
    ) -> Response | None:
        if request.http.method == "GET":
            return self._stored_response(request)
        if route is None:
            return _error(f"ScriptedProvider knows no API at this path: {request}", 404)
        if step is None:
            step, fixed = self._unscripted(request)
        else:
            fixed = False
        if isinstance(step, Failure):
            return _failure(step, route)
        response = self._reply(step, request, route, asked)
        if fixed:
            response = self._keep(request.http, response)
        return response

    def _unscripted(self, request: ProviderRequest) -> tuple[Step, bool]:
        if self._decide is not None:
            decided = self._decide(request)
            return (Reply(decided) if isinstance(decided, str) else decided), False
        if self._fixed is not None:
            return self._fixed, True
        last = json.dumps(request.json, ensure_ascii=False)[-200:]
        message = (
            f"ScriptedProvider: the script has no reply left for {request}. "
            f"Add one with reply(), tool_call() or fail(), or answer all with replies_by() "
            f"or always(). The request ended in: {last}"
        )
        return Failure(400, message, retry=False), False

    def _keep(self, http: Request, response: Response) -> Response:
        """Keep a fixed answer as the bytes that go over the wire."""
        slow = response.first_byte_after_s or response.chunk_every_s
        if slow or response.reset_after_chunks is not None:
            return response
        raw = plain_bytes(response) if response.chunks is None else chunked_bytes(response)
        kept = Response(raw=raw)
        with self._lock:
            self._answers[http.path, http.query, http.body] = kept
            if len(self._answers) > MAX_KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return kept

    def _reply(
        self, reply: Reply, request: ProviderRequest, route: Route, asked: Mapping[str, Any]
    ) -> Response:
        usage = _counted(reply, request.http) if reply.usage == "auto" else reply.usage
        model = reply.model or request.model
        exchange = Exchange(request.number, asked, model, reply, usage)
        headers = {"x-request-id": f"req_{request.number:04d}", **reply.headers}
        body = route.wire.body(exchange)
        if route.api == "openai.responses":
            self._stored[body["id"]] = body
        if request.stream and isinstance(route.wire, StreamingWire):
            return _stream(route.wire, exchange, headers)
        return Response(
            body=json.dumps(body, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json", **headers},
            first_byte_after_s=reply.first_byte_after_s,
            reset_after_chunks=reply.cut_after_chunks,
        )

    def _stored_response(self, request: ProviderRequest) -> Response:
        stored = self._stored.get(request.http.path.rpartition("/")[2])
        if stored is None:
            return _error(f"ScriptedProvider has stored nothing for {request}", 404)
        headers = {"Content-Type": "application/json"}
        return Response(body=json.dumps(stored, ensure_ascii=False).encode(), headers=headers)


def _parse(http: Request) -> dict[str, Any]:
    try:
        asked = http.json() if http.body else {}
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _counted(reply: Reply, http: Request) -> Usage:
    """Count four characters as a token, which is near the truth for English."""
    said = len(reply.text) + sum(len(call.arguments_json) for call in reply.tool_calls)
    thought = len(reply.reasoning) // 4
    return Usage(
        input_tokens=max(1, len(http.body) // 4),
        output_tokens=max(1, said // 4) + thought,
        reasoning_tokens=thought,
    )


def _stream(wire: StreamingWire, exchange: Exchange, headers: Mapping[str, str]) -> Response:
    reply = exchange.reply
    events = wire.events(exchange)
    if reply.error_after_chunks is not None:
        events = events[: reply.error_after_chunks]
        events.append(wire.error_event(FAILURE_MESSAGES[529]))
    return Response(
        chunks=events,
        headers={"Content-Type": "text/event-stream; charset=utf-8", **headers},
        first_byte_after_s=reply.first_byte_after_s,
        chunk_every_s=reply.chunk_every_s,
        reset_after_chunks=reply.cut_after_chunks,
    )


def _failure(failure: Failure, route: Route) -> Response | None:
    if failure.reset:
        return None
    if not failure.message:
        message = FAILURE_MESSAGES.get(failure.status, "The request failed.")
        failure = replace(failure, message=message)
    headers = {"Content-Type": failure.content_type}
    if failure.retry_after_s is not None:
        headers["Retry-After"] = f"{failure.retry_after_s:g}"
        headers["retry-after-ms"] = f"{failure.retry_after_s * 1000:g}"
    if failure.retry is not None:
        headers["x-should-retry"] = "true" if failure.retry else "false"
    body = failure.body
    if body is None:
        body = json.dumps(route.wire.error(failure), ensure_ascii=False).encode()
    return Response(failure.status, body, headers, first_byte_after_s=failure.first_byte_after_s)


def _error(message: str, status: int) -> Response:
    body = json.dumps({"error": {"message": message, "type": "scripted_provider"}}).encode()
    headers = {"Content-Type": "application/json", "x-should-retry": "false"}
    return Response(status, body, headers)
