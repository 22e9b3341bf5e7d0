"""Every number of every page equals a direct calculation from what was sent."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from api_kit import DAY_NS, Traffic, traces_request

if TYPE_CHECKING:
    from api_kit import Api, Fact

BUCKETS = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")


def sums(spans: list[Fact]) -> dict[str, Any]:
    """The figures of some spans, as the API has them."""
    llm = [span for span in spans if span.is_llm]
    cost = math.fsum(span.cost or 0 for span in llm)
    unpriced = sum(span.cost is None for span in llm)
    return {
        "spans": len(spans),
        "errors": sum(span.status == "error" for span in spans),
        "llm_calls": len(llm),
        "tool_calls": sum(span.kind == "tool" for span in spans),
        "input_tokens": sum(span.tokens[bucket] for span in llm for bucket in BUCKETS[:3]),
        "output_tokens": sum(span.tokens[bucket] for span in llm for bucket in BUCKETS[3:]),
        "cost_usd": pytest.approx(cost) if cost or not unpriced else None,
        "unpriced_calls": unpriced,
    }


def subset(row: dict[str, Any], keys: Any) -> dict[str, Any]:
    return {key: row[key] for key in keys}


def by(spans: list[Fact], key: str) -> dict[Any, list[Fact]]:
    found: dict[Any, list[Fact]] = defaultdict(list)
    for span in spans:
        found[getattr(span, key)].append(span)
    return found


def test_traces(api: Api, traffic: Traffic) -> None:
    rows = {row["trace_id"]: row for row in api.pages("traces", "traces", limit=7)}
    groups = by(traffic.spans, "trace_id")
    assert rows.keys() == groups.keys()
    for trace_id, spans in groups.items():
        root, row = spans[0], rows[trace_id]
        wanted = sums(spans)
        assert subset(row, wanted) == wanted
        assert row["status"] == root.status
        assert row["session_id"] == root.session
        assert row["root_span_id"] == root.span_id
        assert row["start_ms"] == pytest.approx(root.start_ns / 1e6, abs=0.001)
        end_ns = max(span.end_ns for span in spans)
        assert row["duration_ms"] == pytest.approx((end_ns - root.start_ns) / 1e6, abs=0.001)


def test_one_trace(api: Api, traffic: Traffic) -> None:
    trace_id, spans = max(by(traffic.spans, "trace_id").items(), key=lambda item: len(item[1]))
    columns = api.get(f"traces/{trace_id}")["columns"]
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.id))
    assert columns["span_id"] == [span.span_id for span in ordered]
    parents = [format(span.parent, "016x") if span.parent else None for span in ordered]
    assert columns["parent_span_id"] == parents
    assert columns["model"] == [span.model or None for span in ordered]
    assert columns["tool"] == [span.tool or None for span in ordered]
    assert columns["cost_usd"] == [span.cost for span in ordered]
    durations = [(span.end_ns - span.start_ns) / 1e6 for span in ordered]
    assert columns["duration_ms"] == pytest.approx(durations, abs=0.001)
    tokens = [sum(span.tokens.values()) if span.is_llm else None for span in ordered]
    found = zip(columns["input_tokens"], columns["output_tokens"], strict=True)
    assert [None if a is None else a + b for a, b in found] == tokens


def test_sessions_and_their_turns(api: Api, traffic: Traffic) -> None:
    rows = {row["session_id"]: row for row in api.pages("sessions", "sessions", limit=11)}
    groups = by(traffic.spans, "session")
    assert rows.keys() == groups.keys()
    for session, spans in groups.items():
        took_ms = (max(span.end_ns for span in spans) - spans[0].start_ns) / 1e6
        wanted = {
            **sums(spans),
            "task": f"the task of {session}",
            "traces": 1,
            "status": spans[0].status,
            "start_ms": pytest.approx(spans[0].start_ns / 1e6, abs=0.001),
            "duration_ms": pytest.approx(took_ms, abs=0.001),
        }
        assert subset(rows[session], wanted) == wanted
    for session in list(groups)[:8]:
        turns = api.get(f"sessions/{session}")["turns"]
        spans = groups[session]
        calls = sorted((s for s in spans if s.kind in {"llm", "tool"}), key=lambda s: s.start_ns)
        assert [turn["span_id"] for turn in turns] == [span.span_id for span in calls]
        ended = 0
        for turn, span in zip(turns, calls, strict=True):
            idle = max(0, span.start_ns - ended) / 1e6 if ended else 0
            assert turn["idle_ms"] == pytest.approx(idle, abs=0.001)
            ended = max(ended, span.end_ns)


def test_a_session_shows_each_message_once(api: Api, traffic: Traffic) -> None:
    session = traffic.spans[0].session
    calls = [span for span in traffic.spans if span.session == session and span.is_llm]
    turns = [turn for turn in api.get(f"sessions/{session}")["turns"] if turn["kind"] == "llm"]
    shown = [m for turn in turns for m in (*turn["input_messages"], *turn["output_messages"])]
    last = calls[-1].contents
    assert shown == [*last["input_messages"], *last["output_messages"]]
    sent = sum(len(call.contents["input_messages"]) for call in calls)
    fresh = sum(len(turn["input_messages"]) for turn in turns)
    assert sum(turn["repeated_messages"] for turn in turns) == sent - fresh


def test_one_span(api: Api, traffic: Traffic) -> None:
    span = next(one for one in traffic.spans if one.cost is not None and one.status == "success")
    found = api.get(f"spans/{span.trace_id}/{span.span_id}")
    assert found["contents"]["input_messages"] == span.contents["input_messages"]
    assert found["price"]["cost_usd"] == span.cost
    assert found["price"]["tokens"] == span.tokens
    assert found["price"]["price_date"] == "2025-10-01"
    assert found["price"]["raw_usage"] == {"total": sum(span.tokens.values())}
    assert found["attributes"]["test.extra"] == f"extra {span.id}"
    assert found["attributes"]["test.number"] == span.id % 1000
    assert found["resource"]["host.name"] == "box"
    assert [event["name"] for event in found["events"]] == ["note"]
    assert [line["body"] for line in found["logs"]] == [f"model {span.model} answered"]
    tool = next(one for one in traffic.spans if one.tool)
    contents = api.get(f"spans/{tool.trace_id}/{tool.span_id}")["contents"]
    assert (contents["tool_arguments"], contents["tool_result"]) == tuple(tool.contents.values())


def test_costs(api: Api, traffic: Traffic, whole: dict[str, int]) -> None:
    found = api.get("costs", **whole, limit=200)
    llm = [span for span in traffic.spans if span.is_llm]
    keys = ("cost_usd", "llm_calls", "unpriced_calls")
    assert subset(found["total"], keys) == subset(sums(llm), keys)
    day_of = {id(s): datetime.fromtimestamp(s.start_ns / 1e9, UTC).date().isoformat() for s in llm}
    both = {(row["day"], row["model"]): row["llm_calls"] for row in found["by_day_and_model"]}
    assert both == Counter((day_of[id(span)], span.model) for span in llm)
    dear = {(row["day"], row["model"]): row["cost_usd"] for row in found["by_day_and_model"]}
    for (day, model), cost in dear.items():
        mine = [span for span in llm if (day_of[id(span)], span.model) == (day, model)]
        assert cost == sums(mine)["cost_usd"]
    for name, key in (("model",) * 2, ("agent",) * 2, ("service",) * 2, ("session",) * 2):
        rows = {row["key"]: subset(row, keys) for row in found[f"by_{name}"]}
        groups = by(llm, key)
        assert rows == {value: subset(sums(spans), keys) for value, spans in groups.items()}
    for name, group in (
        ("by_day", lambda span: day_of[id(span)]),
        ("by_user", lambda span: span.user or None),
    ):
        groups = defaultdict(list)
        for span in llm:
            groups[group(span)].append(span)
        rows = {row["key"]: subset(row, keys) for row in found[name]}
        assert rows == {key: subset(sums(spans), keys) for key, spans in groups.items()}
    buckets = {row["bucket"]: row["tokens"] for row in found["by_token_bucket"]}
    assert buckets == {bucket: sum(span.tokens[bucket] for span in llm) for bucket in BUCKETS}
    dearest = sorted((span.cost for span in llm if span.cost), reverse=True)[:200]
    assert [call["cost_usd"] for call in found["calls"]] == dearest
    unpriced = [span for span in llm if span.cost is None]
    assert [(row["model"], row["reason"], row["calls"]) for row in found["unpriced"]] == [
        ("home-made", "unknown model", len(unpriced))
    ]


def test_a_call_without_a_session_counts_for_its_traces_one(empty_api: Api) -> None:
    spans = Traffic(seed=2, sessions=6).spans
    request = traces_request(spans)
    for resource in request["resourceSpans"]:
        for one in resource["scopeSpans"][0]["spans"]:
            if one["name"] == "alex.llm.generate":
                who = ("alex.session_id", "alex.user_id")
                one["attributes"] = [pair for pair in one["attributes"] if pair["key"] not in who]
    empty_api.send("traces", request)
    found = empty_api.get("costs", from_=DAY_NS // 10**6, to=DAY_NS // 10**6 + 86_400_000)
    llm = [span for span in spans if span.is_llm]
    for name, key in (("by_session", "session"), ("by_user", "user")):
        rows = {row["key"] or "": row["llm_calls"] for row in found[name]}
        assert rows == Counter(getattr(span, key) for span in llm)


def test_days_begin_where_the_user_is(api: Api, traffic: Traffic, whole: dict[str, int]) -> None:
    found = api.get("costs", **whole, utc_offset_min=-420)
    llm = [span for span in traffic.spans if span.is_llm]
    days = Counter(
        datetime.fromtimestamp(s.start_ns / 1e9 - 420 * 60, UTC).date().isoformat() for s in llm
    )
    assert {row["key"]: row["llm_calls"] for row in found["by_day"]} == days


def total(series: list[dict[str, Any]], **labels: str) -> float:
    return math.fsum(
        value
        for one in series
        if labels.items() <= one["labels"].items()
        for value in one["values"]
        if value is not None
    )


def test_panels(api: Api, traffic: Traffic, whole: dict[str, int]) -> None:
    found = api.get("panels", **whole)
    panels, step = found["panels"], found["step_s"]
    llm = [span for span in traffic.spans if span.is_llm]
    for (model, status), count in Counter((span.model, span.status) for span in llm).items():
        rate = total(panels["llm_requests"]["series"], model=model, status=status)
        assert rate * step == pytest.approx(count)
    for bucket in BUCKETS:
        rate = total(panels["tokens"]["series"], bucket=bucket)
        assert rate * step == pytest.approx(sum(span.tokens[bucket] for span in llm))
    for model, spans in by(llm, "model").items():
        spent = math.fsum(span.cost or 0 for span in spans)
        assert total(panels["cost"]["series"], model=model) == pytest.approx(spent)
    assert panels["cost"]["total_usd"] == sums(llm)["cost_usd"]
    tools = Counter(span.tool for span in traffic.spans if span.tool)
    shares = {one["labels"]["tool"]: one["value"] for one in panels["tool_usage"]["shares"]}
    assert shares == tools
    models = {one["labels"]["model"]: one["value"] for one in panels["model_usage"]["shares"]}
    assert models == Counter(span.model for span in llm)
    assert panels["active_sessions"]["value"] == 0


def test_a_model_without_a_price_has_no_line_of_zeros(api: Api, whole: dict[str, int]) -> None:
    cost = api.get("panels", **whole, model="home-made")["panels"]["cost"]
    assert cost["series"] == []
    assert cost["total_usd"] is None
    assert cost["unpriced_calls"] > 0


def test_panels_at_each_point(api: Api, traffic: Traffic, whole: dict[str, int]) -> None:
    found = api.get("panels", **whole, step=3600)
    llm = [span for span in traffic.spans if span.is_llm]
    series = found["panels"]["tokens"]["series"][3]
    assert series["labels"] == {"bucket": "output"}
    for start_ms, value in zip(found["times_ms"], series["values"], strict=True):
        inside = [s for s in llm if start_ms <= s.start_ns // 10**6 < start_ms + 3_600_000]
        assert value * 3600 == pytest.approx(sum(span.tokens["output"] for span in inside))


@pytest.mark.parametrize(("quantile", "share"), [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)])
def test_percentiles_are_within_one_percent(
    api: Api, traffic: Traffic, whole: dict[str, int], quantile: str, share: float
) -> None:
    found = api.get("panels", **whole, step=31_536_000)["panels"]
    seconds = sorted((s.end_ns - s.start_ns) / 1e9 for s in traffic.spans if s.is_llm)
    exact = seconds[math.ceil(share * len(seconds)) - 1]
    series = {one["labels"]["quantile"]: one["values"] for one in found["llm_latency"]["series"]}
    assert series[quantile] == [pytest.approx(exact, rel=0.01)]
    if quantile == "0.95":
        for one in found["tool_duration"]["series"]:
            mine = [s for s in traffic.spans if s.tool == one["labels"]["tool"]]
            seconds = sorted((span.end_ns - span.start_ns) / 1e9 for span in mine)
            exact = seconds[math.ceil(share * len(seconds)) - 1]
            assert one["values"] == [pytest.approx(exact, rel=0.01)]


def test_panels_filter_by_model_tool_and_service(
    api: Api, traffic: Traffic, whole: dict[str, int]
) -> None:
    found = api.get("panels", **whole, model=["gpt-4.1"], tool="search", service="my-agent")
    shares = [*found["panels"]["model_usage"]["shares"], *found["panels"]["tool_usage"]["shares"]]
    mine = [span for span in traffic.spans if span.service == "my-agent"]
    assert [one["value"] for one in shares] == [
        sum(span.model == "gpt-4.1" for span in mine),
        sum(span.tool == "search" for span in mine),
    ]


def test_sessions_that_were_active_at_the_end_of_the_window(api: Api, traffic: Traffic) -> None:
    root = traffic.spans[0]
    minute_ms = -(-root.start_ns // 60_000_000_000) * 60_000
    running = {
        span.session
        for span in traffic.spans
        if span.start_ns < minute_ms * 10**6 < span.end_ns and span.kind == "session"
    }
    found = api.get("panels", from_=minute_ms - 60_000, to=minute_ms)
    assert found["panels"]["active_sessions"]["value"] == len(running)


def test_facets(api: Api, traffic: Traffic) -> None:
    facets = api.get("facets")["facets"]
    for name, key in (("service",) * 2, ("agent",) * 2, ("status",) * 2, ("model",) * 2):
        counts = Counter(getattr(span, key) for span in traffic.spans if getattr(span, key))
        assert {one["value"]: one["count"] for one in facets[name]} == counts
    users = Counter(span.user for span in traffic.spans if span.user and not span.parent)
    assert {one["value"]: one["count"] for one in facets["user"]} == users


def test_logs(api: Api, traffic: Traffic) -> None:
    found = api.pages("logs", "logs", limit=13)
    wanted = sorted(traffic.logs, key=lambda log: -log.time_ns)
    assert [line["body"] for line in found] == [log.body for log in wanted]
    assert found[0]["attributes"]["tokens"] == wanted[0].fields["tokens"]
    warnings = [log for log in wanted if log.severity >= 13]
    assert len(api.pages("logs", "logs", level="warn")) == len(warnings)
    one = wanted[3]
    of_trace = api.get("logs", trace=format(one.trace, "032x"), order="asc")["logs"]
    assert len(of_trace) == sum(log.trace == one.trace for log in wanted)
    assert all(line["session_id"] == one.session for line in of_trace)
    many = api.pages("logs", "logs", q="HOME-MADE")
    assert len(many) == sum("home-made" in log.body for log in wanted)
