"""Instruments that keep what they are given; shared by the tests of this folder."""

from __future__ import annotations

import itertools
import json
from typing import Any

from alexobs.config.model import Config
from alexobs.records import CallFacts, Messages, Resource
from alexobs.testing.loopback import LoopbackServer, Request, Response
from alexobs.tracing import Ids, Runtime, Span, TracerProvider


class Recorder:
    """Instruments that keep spans in a list, and raise faults of ours after the test."""

    def __init__(self, *, content: Any = "full") -> None:
        self.active = True
        self.content = content
        self.spans: list[Span] = []
        self.faults: list[tuple[str, BaseException]] = []
        runtime = Runtime(
            Config(),
            resource=Resource(),
            finish=self.spans.append,
            describe=lambda _: {},
            fault=self.fault,
            ids=Ids(),
            now_ns=itertools.count(1).__next__,
        )
        self.tracer = TracerProvider(runtime).get_tracer("test")

    def fault(self, where: str, error: BaseException) -> None:
        self.faults.append((where, error))

    @property
    def span(self) -> Span:
        assert len(self.spans) == 1, [span.name for span in self.spans]
        return self.spans[0]

    @property
    def facts(self) -> CallFacts:
        return facts_of(self.span)


def facts_of(span: Span) -> CallFacts:
    assert span.call is not None
    return span.call.facts()


def shown(facts: CallFacts, key: str) -> Any:
    """Return captured content in the conventions' form."""
    content = facts.content[key]
    if isinstance(content, Messages):
        return [content.convert(item) for item in content.items]
    return content


class Answers:
    """A server that answers each path with what is set for it."""

    def __init__(self) -> None:
        self.by_path: dict[str, Any] = {}
        self.server = LoopbackServer(self._answer)

    def _answer(self, request: Request) -> Response:
        found = self.by_path[request.path]
        if isinstance(found, list):
            lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in found]
            headers = {"Content-Type": "text/event-stream"}
            return Response(200, headers=headers, chunks=[*lines, b"data: [DONE]\n\n"])
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        return Response(200, body, {"Content-Type": "application/json"})
