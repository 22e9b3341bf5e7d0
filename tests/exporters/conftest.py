from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alexobs.records import Scope, SpanData
from alexobs.testing.otlp import OTLPSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as sink:
        yield sink


@pytest.fixture
def make_span() -> Callable[..., SpanData]:
    numbers = iter(range(1, 1_000_000))

    def make(name: str = "alex.tool.execute", **changes: Any) -> SpanData:
        number = next(numbers)
        given: dict[str, Any] = {
            "trace_id": 0xABCDEF,
            "span_id": number,
            "name": name,
            "start_ns": 1_700_000_000_000_000_000 + number,
            "end_ns": 1_700_000_000_000_000_000 + 5_000_000 * number,
            "attributes": {"alex.tool_name": "read_file", "number": number},
            "scope": Scope("alexobs", "1.0"),
        }
        return SpanData(**{**given, **changes})

    return make
