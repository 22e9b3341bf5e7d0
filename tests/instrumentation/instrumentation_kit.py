"""Instruments that keep what they are given; shared by the tests of this folder."""

from __future__ import annotations

import itertools
from typing import Any

from alexobs.config.model import Config
from alexobs.records import CallFacts, Messages, Resource
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
