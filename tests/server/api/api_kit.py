"""Generated traffic with known facts, and a server to send it to."""

from __future__ import annotations

import http.client
import json
import random
import threading
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alexobs.server.app import Server, Settings
from alexobs.server.store import Retention

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_NS = 1_760_000_040_000_000_000  # some day's minute
MODELS = {"gpt-4.1": 2e-6, "claude-sonnet-4-5": 3e-6, "home-made": None}
TOOLS = ("search", "read_file", "shell", "<b>odd</b>")
SERVICES = ("my-agent", "other-agent")
BUCKETS = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")


@dataclass
class Fact:
    """One span as it was made."""

    trace: int
    id: int
    parent: int
    name: str
    kind: str
    start_ns: int
    end_ns: int
    session: str
    service: str
    agent: str
    user: str
    status: str = "success"
    error: str = ""
    iteration: int = 0
    model: str = ""
    tool: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    contents: dict[str, Any] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        return format(self.trace, "032x")

    @property
    def span_id(self) -> str:
        return format(self.id, "016x")

    @property
    def is_llm(self) -> bool:
        return self.kind in {"llm", "embedding"}


@dataclass
class LogFact:
    """One log line as it was made."""

    time_ns: int
    severity: int
    body: str
    trace: int
    span: int
    session: str
    service: str
    fields: dict[str, Any]


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


class Traffic:
    """Sessions of agents over a day, from a seed; every figure is known from `spans`."""

    def __init__(self, seed: int = 7, sessions: int = 40, since_ns: int = DAY_NS) -> None:
        self.random = random.Random(seed)
        self.spans: list[Fact] = []
        self.logs: list[LogFact] = []
        self._since_ns = since_ns
        for number in range(sessions):
            self._session(number)

    def _id(self, bits: int) -> int:
        return self.random.getrandbits(bits) | 1

    def _session(self, number: int) -> None:
        rng = self.random
        start = self._since_ns + number * 2_000_000_000_000 + rng.randrange(10**9)
        root = Fact(
            self._id(128),
            self._id(64),
            0,
            "alex.session.solve_task",
            "session",
            start,
            0,
            f"session-{number}",
            rng.choice(SERVICES),
            rng.choice(("planner", "coder")),
            rng.choice(("ada", "bob", "")),
        )
        self.spans.append(root)
        now = start + 1_000_000
        conversation = [message("user", f"task {number}: fix the bug")]
        for iteration in range(1, rng.randint(2, 5)):
            now = self._iteration(root, iteration, now, conversation)
        root.end_ns = now + 1_000_000
        if rng.random() < 0.15:
            root.status, root.error = "error", "TaskFailed"

    def _iteration(self, root: Fact, number: int, now: int, conversation: list[Any]) -> int:
        parent = self._child(root, root.id, "alex.react.iteration", "iteration", now, number)
        now = self._llm(root, parent, now + 1000, number, conversation)
        for _ in range(self.random.randint(0, 2)):
            now = self._tool(root, parent, now + self.random.randrange(10**8), number)
        parent.end_ns = now + 1000
        return parent.end_ns + self.random.randrange(10**9)

    def _child(  # noqa: PLR0917
        self, root: Fact, parent: int, name: str, kind: str, start: int, iteration: int
    ) -> Fact:
        fact = Fact(
            root.trace,
            self._id(64),
            parent,
            name,
            kind,
            start,
            0,
            root.session,
            root.service,
            root.agent,
            root.user,
            iteration=iteration,
        )
        self.spans.append(fact)
        return fact

    def _llm(self, root: Fact, parent: Fact, now: int, number: int, said: list[Any]) -> int:
        rng = self.random
        fact = self._child(root, parent.id, "alex.llm.generate", "llm", now, number)
        fact.end_ns = now + int(rng.lognormvariate(0, 1) * 1e9)
        fact.model = rng.choice(list(MODELS))
        fact.tokens = {bucket: rng.randrange(1, 900) for bucket in BUCKETS}
        price = MODELS[fact.model]
        fact.cost = None if price is None else sum(fact.tokens.values()) * price
        if rng.random() < 0.1:
            fact.status, fact.error = rng.choice((("error", "RateLimit"), ("cancelled", "")))
        answer = message("assistant", f"answer {number} of {root.session}")
        fact.contents = {"input_messages": list(said), "output_messages": [answer]}
        said += [answer, message("user", f"go on after {number} of {root.session}")]
        self.logs.append(
            LogFact(
                fact.end_ns,
                rng.choice((5, 9, 13, 17)),
                f"model {fact.model} answered",
                root.trace,
                fact.id,
                root.session,
                root.service,
                {"model": fact.model, "tokens": fact.tokens["output"]},
            )
        )
        return fact.end_ns

    def _tool(self, root: Fact, parent: Fact, now: int, number: int) -> int:
        fact = self._child(root, parent.id, "alex.tool.execute", "tool", now, number)
        fact.end_ns = now + self.random.randrange(10**6, 10**9)
        fact.tool = self.random.choice(TOOLS)
        fact.contents = {"tool_arguments": {"q": number}, "tool_result": f"found {number}"}
        return fact.end_ns


_CONTENT_KEYS = {
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "tool_arguments": "gen_ai.tool.call.arguments",
    "tool_result": "gen_ai.tool.call.result",
}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def attributes_of(fact: Fact) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alex.kind": fact.kind,
        "alex.status": fact.status,
        "alex.session_id": fact.session,
        "alex.agent": fact.agent,
        "test.extra": f"extra {fact.id}",
        "test.number": fact.id % 1000,
    }
    if fact.user:
        found["alex.user_id"] = fact.user
    if fact.iteration:
        found["alex.iteration"] = fact.iteration
    if fact.error:
        found["error.type"] = fact.error
    if fact.kind == "session":
        found["alex.task"] = f"the task of {fact.session}"
    if fact.tool:
        found["alex.tool_name"] = fact.tool
    if fact.is_llm:
        found |= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "test",
            "gen_ai.request.model": fact.model,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "alex.llm.raw_usage": json.dumps({"total": sum(fact.tokens.values())}),
            **{f"alex.tokens.{bucket}": count for bucket, count in fact.tokens.items()},
        }
        if fact.cost is None:
            found["alex.cost.unpriced"] = "unknown model"
        else:
            found |= {
                "alex.cost": fact.cost,
                "alex.cost.price_id": f"test:{fact.model}",
                "alex.cost.price_date": "2025-10-01",
            }
    found |= {_CONTENT_KEYS[key]: json.dumps(value) for key, value in fact.contents.items()}
    return found


def span_json(fact: Fact) -> dict[str, Any]:
    return {
        "traceId": fact.trace_id,
        "spanId": fact.span_id,
        "parentSpanId": format(fact.parent, "016x") if fact.parent else "",
        "name": fact.name,
        "kind": 3 if fact.is_llm else 1,
        "startTimeUnixNano": str(fact.start_ns),
        "endTimeUnixNano": str(fact.end_ns),
        "attributes": _pairs(attributes_of(fact)),
        "status": {"code": 2, "message": "it broke"} if fact.status == "error" else {},
        "events": [
            {"name": "note", "timeUnixNano": str(fact.start_ns), "attributes": _pairs({"n": 1})}
        ]
        if fact.is_llm
        else [],
    }


def _resource(service: str) -> dict[str, Any]:
    instance = {"service.name": service, "service.instance.id": f"{service}-1"}
    return {"attributes": _pairs({**instance, "host.name": "box", "process.pid": 4711})}


def traces_request(spans: list[Fact]) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": _resource(service),
                "scopeSpans": [
                    {
                        "scope": {"name": "test"},
                        "spans": [span_json(one) for one in spans if one.service == service],
                    }
                ],
            }
            for service in sorted({one.service for one in spans})
        ]
    }


def logs_request(logs: list[LogFact]) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {
                "resource": _resource(one.service),
                "scopeLogs": [
                    {
                        "scope": {"name": "test"},
                        "logRecords": [
                            {
                                "timeUnixNano": str(one.time_ns),
                                "severityNumber": one.severity,
                                "body": {"stringValue": one.body},
                                "traceId": format(one.trace, "032x"),
                                "spanId": format(one.span, "016x"),
                                "attributes": _pairs(
                                    {"alex.session_id": one.session, **one.fields}
                                ),
                            }
                        ],
                    }
                ],
            }
            for one in logs
        ]
    }


Point = tuple[str, dict[str, Any], int, float]


def metrics_request(service: str, points: list[Point]) -> dict[str, Any]:
    """Sums: name, attributes, time, value."""
    return {
        "resourceMetrics": [
            {
                "resource": _resource(service),
                "scopeMetrics": [
                    {
                        "scope": {"name": "test"},
                        "metrics": [
                            {
                                "name": name,
                                "unit": "{thing}",
                                "description": f"what {name} counts",
                                "sum": {
                                    "isMonotonic": True,
                                    "aggregationTemporality": 2,
                                    "dataPoints": [
                                        {
                                            "attributes": _pairs(attributes),
                                            "startTimeUnixNano": str(DAY_NS),
                                            "timeUnixNano": str(time_ns),
                                            "asDouble": value,
                                        }
                                    ],
                                },
                            }
                            for name, attributes, time_ns, value in points
                        ],
                    }
                ],
            }
        ]
    }


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """A running server, as its clients see it."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        port: str = "web",
    ) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self.server.port(port), timeout=30)
        try:
            client.request(method, path, body, headers or {})
            response = client.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            client.close()

    def get(self, path: str, /, **parameters: Any) -> Any:
        """Return the JSON of a successful answer; ``from_`` is the parameter ``from``."""
        given = {name.rstrip("_"): value for name, value in parameters.items()}
        query = urllib.parse.urlencode(given, doseq=True)
        answer = self.ask("GET", f"/api/{path}" + (f"?{query}" if query else ""))
        assert answer.status == 200, answer.body
        return answer.json

    def sql(self, query: str, **more: Any) -> Answer:
        body = json.dumps({"query": query, **more}).encode()
        return self.ask("POST", "/api/sql", body, {"content-type": "application/json"})

    def send(self, signal: str, request: dict[str, Any]) -> None:
        headers = {"content-type": "application/json"}
        answer = self.ask("POST", f"/v1/{signal}", json.dumps(request).encode(), headers, "http")
        assert answer.status == 200, answer.body

    def pages(self, path: str, key: str, /, **parameters: Any) -> list[Any]:
        """Return the rows of all pages."""
        rows: list[Any] = []
        cursor: dict[str, Any] = {}
        while True:
            page = self.get(path, **parameters, **cursor)
            rows += page[key]
            if page["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["next_cursor"]}


def running(folder: Path) -> Iterator[Api]:
    server = Server(
        Settings(
            data_dir=folder,
            grpc_port=0,
            http_port=0,
            web_port=0,
            retention=Retention(days=0, max_bytes=0),  # the traffic is of one day, long ago
        )
    )
    ready = threading.Event()
    thread = threading.Thread(target=lambda: server.run(ready=ready.set))
    thread.start()
    assert ready.wait(20)
    yield Api(server)
    server.stop()
    thread.join(20)
    assert not thread.is_alive()
