from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from alexobs.config.model import TailConfig
from alexobs.pipeline.enrich import Enriched
from alexobs.pipeline.tail import TailBuffer
from alexobs.records import CallFacts, Cost
from alexobs.sampling import TailPolicy, bound_of, is_sampled


def span(trace_id: int, *, root: bool = False, error: bool = False, seconds: float = 0.1) -> Any:
    return SimpleNamespace(
        trace_id=trace_id,
        local_root=root,
        status_code=2 if error else 0,
        start_time=1_000,
        end_time=1_000 + int(seconds * 1e9),
    )


def costing(usd: float) -> Enriched:
    return Enriched(CallFacts(kind="llm", status="success"), {}, Cost(usd, "id", "date", {}))


def buffer(max_traces: int = 10, **rules: Any) -> TailBuffer:
    return TailBuffer(TailPolicy(TailConfig(**rules)), max_traces)


def test_a_trace_waits_for_its_root_and_is_kept_whole_for_an_error() -> None:
    tail = buffer(keep_errors=True)
    child, root = span(1, error=True), span(1, root=True)
    assert tail.add(child, None) == ([], 0)
    assert tail.waiting == 1
    assert tail.add(root, None) == ([child, root], 0)
    assert tail.waiting == 0


def test_a_trace_without_reason_is_left_out_whole_and_counted() -> None:
    tail = buffer(keep_errors=True, slower_than_s=1.0, costlier_than_usd=0.5)
    tail.add(span(1), costing(0.3))
    assert tail.add(span(1, root=True), costing(0.1)) == ([], 2)


def test_slow_and_expensive_traces_are_kept() -> None:
    tail = buffer(slower_than_s=1.0, costlier_than_usd=0.5)
    assert len(tail.add(span(1, root=True, seconds=2), None)[0]) == 1
    tail.add(span(2), costing(0.3))
    assert len(tail.add(span(2, root=True), costing(0.3))[0]) == 2


def test_a_span_after_its_root_follows_the_decision() -> None:
    tail = buffer(keep_errors=True)
    tail.add(span(1, root=True, error=True), None)
    tail.add(span(2, root=True), None)
    late = span(1)
    assert tail.add(late, None) == ([late], 0)
    assert tail.add(span(2), None) == ([], 1)


def test_too_many_open_traces_decide_the_oldest_by_what_is_known() -> None:
    tail = buffer(max_traces=2, keep_errors=True)
    first = span(1, error=True)
    tail.add(first, None)
    tail.add(span(2), None)
    assert tail.add(span(3), None) == ([first], 0)
    assert tail.waiting == 2


def test_flush_decides_everything() -> None:
    tail = buffer(keep_errors=True)
    failed = span(1, error=True)
    tail.add(failed, None)
    tail.add(span(2), None)
    assert tail.flush() == ([failed], 1)
    assert tail.waiting == 0


def test_the_share_of_traces_is_the_rate_and_depends_on_the_id_alone() -> None:
    ids = [(number * 0x9E3779B97F4A7C15) & (2**64 - 1) for number in range(10_000)]
    kept = sum(is_sampled(i, bound_of(0.1)) for i in ids)
    assert 900 < kept < 1100
    assert not any(is_sampled(i, bound_of(0.0)) for i in ids)
    assert all(is_sampled(i, bound_of(1.0)) for i in ids)
    assert all(is_sampled(i, bound_of(0.5)) for i in ids if is_sampled(i, bound_of(0.1)))
    assert is_sampled((1 << 127) | ids[0], bound_of(0.1)) == is_sampled(ids[0], bound_of(0.1))
