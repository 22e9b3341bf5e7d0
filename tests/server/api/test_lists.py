"""Lists: filters, search, order, and cursors that new arrivals do not disturb."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Any

import pytest
from api_kit import DAY_NS, Traffic, metrics_request, traces_request

if TYPE_CHECKING:
    from api_kit import Api


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["trace_id"] for row in rows}


@pytest.mark.parametrize(
    "given",
    [
        {"model": "gpt-4.1"},
        {"model": ["gpt-4.1", "home-made"]},
        {"tool": "<b>odd</b>"},
        {"model": "gpt-4.1", "tool": "shell"},
        {"service": "my-agent"},
        {"agent": "coder", "service": "other-agent"},
        {"session": "session-3"},
        {"user": "ada"},
        {"min_cost_usd": 0.01},
        {"min_duration_ms": 4000},
        {"status": "error"},
    ],
)
def test_filters(api: Api, traffic: Traffic, given: dict[str, Any]) -> None:
    def matches(spans: list[Any]) -> bool:
        root = spans[0]
        lists = {k: v if isinstance(v, list) else [v] for k, v in given.items()}
        end_ns = max(span.end_ns for span in spans)
        tests = {
            "model": lambda v: any(span.model in v for span in spans),
            "tool": lambda v: any(span.tool in v for span in spans),
            "service": lambda v: root.service in v,
            "agent": lambda v: root.agent in v,
            "session": lambda v: root.session in v,
            "user": lambda v: root.user in v,
            "status": lambda v: any(span.status in v for span in spans),
            "min_cost_usd": lambda v: sum(span.cost or 0 for span in spans) >= v[0],
            "min_duration_ms": lambda v: (end_ns - root.start_ns) / 1e6 >= v[0],
        }
        return all(tests[name](value) for name, value in lists.items())

    groups: dict[str, list[Any]] = {}
    for span in traffic.spans:
        groups.setdefault(span.trace_id, []).append(span)
    wanted = {trace_id for trace_id, spans in groups.items() if matches(spans)}
    assert wanted
    assert ids(api.pages("traces", "traces", limit=5, **given)) == wanted


@pytest.mark.parametrize("sort", ["start", "duration", "cost", "tokens", "spans", "errors"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_order_and_pages(api: Api, traffic: Traffic, sort: str, order: str) -> None:
    rows = api.pages("traces", "traces", sort=sort, order=order, limit=6)
    assert len(rows) == len(ids(rows)) == len({span.trace for span in traffic.spans})
    places = {
        "start": lambda row: row["start_ms"],
        "duration": lambda row: row["duration_ms"],
        "cost": lambda row: row["cost_usd"] or 0,
        "tokens": lambda row: row["input_tokens"] + row["output_tokens"],
        "spans": lambda row: row["spans"],
        "errors": lambda row: row["errors"],
    }
    found = [places[sort](row) for row in rows]
    assert found == sorted(found, reverse=order == "desc")


def test_search_looks_into_contents_names_and_ids(api: Api, traffic: Traffic) -> None:
    span = traffic.spans[0]
    assert ids(api.pages("traces", "traces", q=f"ANSWER 1 of {span.session} ")) == set()
    for text in ("Task 0: fix", span.trace_id[:9].upper(), f"extra {span.id}"):
        assert ids(api.pages("traces", "traces", q=text)) == {span.trace_id}, text
    odd = {one.trace_id for one in traffic.spans if one.tool == "<b>odd</b>"}
    assert ids(api.pages("traces", "traces", q="<B>ODD", model="gpt-4.1")) <= odd
    assert [s["session_id"] for s in api.pages("sessions", "sessions", q="task of session-7")] == [
        "session-7"
    ]


def test_search_finds_quotes_and_lines_in_contents(empty_api: Api) -> None:
    spans = Traffic(seed=2, sessions=2).spans
    call = next(span for span in spans if span.is_llm)
    said = [{"role": "user", "parts": [{"type": "text", "content": 'say "hé"\nthen go'}]}]
    call.contents["output_messages"] = said
    empty_api.send("traces", traces_request(spans))
    for text in ('say "HÉ"', '"hé"\nthen'):
        found = ids(empty_api.pages("traces", "traces", q=text))
        assert found == {call.trace_id}, text


def test_wildcards_are_letters(api: Api) -> None:
    assert api.get("traces", q="%")["traces"] == []
    assert api.get("logs", q="_____%")["logs"] == []


def test_windows(api: Api, traffic: Traffic) -> None:
    roots = [span for span in traffic.spans if not span.parent]
    from_ms, to_ms = roots[5].start_ns // 10**6, roots[11].start_ns // 10**6
    wanted = {r.trace_id for r in roots if from_ms <= r.start_ns / 1e6 < to_ms}
    assert ids(api.pages("traces", "traces", from_=from_ms, to=to_ms, limit=4)) == wanted


def test_pages_are_stable_while_traces_arrive(empty_api: Api) -> None:
    old = Traffic(seed=1, sessions=12)
    empty_api.send("traces", traces_request(old.spans))
    page = empty_api.get("traces", limit=5)
    seen = [row["trace_id"] for row in page["traces"]]
    number = 0
    while page["next_cursor"] is not None:
        number += 1
        new = Traffic(seed=100 + number, sessions=3, since_ns=DAY_NS + 10**15 * number)
        empty_api.send("traces", traces_request(new.spans))
        page = empty_api.get("traces", limit=5, cursor=page["next_cursor"])
        seen += [row["trace_id"] for row in page["traces"]]
    assert len(seen) == len(set(seen))
    assert set(seen) == {span.trace_id for span in old.spans}


def test_the_newest_are_found_without_a_look_at_all(empty_api: Api) -> None:
    """More traces than the first look takes, in parts that commits have cut."""
    many = Traffic(seed=5, sessions=130)
    for third in range(3):
        empty_api.send("traces", traces_request(many.spans[third::3]))
    roots = sorted((s for s in many.spans if not s.parent), key=lambda s: -s.start_ns)
    found = empty_api.pages("traces", "traces", limit=20)
    assert [row["trace_id"] for row in found] == [root.trace_id for root in roots]
    assert sum(row["spans"] for row in found) == len(many.spans)


def test_a_trace_whose_root_is_still_to_come_runs(empty_api: Api) -> None:
    """Not even announced, but something of it has just come; its root has the last word."""
    spans = Traffic(seed=4, sessions=1).spans
    trace_id, session = spans[0].trace_id, spans[0].session
    later_ns = time.time_ns() - max(span.end_ns for span in spans)

    def statuses() -> list[str]:
        return [
            *(row["status"] for row in empty_api.pages("traces", "traces")),
            *(row["status"] for row in empty_api.pages("sessions", "sessions")),
            empty_api.get(f"traces/{trace_id}")["trace"]["status"],
            empty_api.get(f"sessions/{session}")["session"]["status"],
        ]

    for span in spans:
        span.start_ns, span.end_ns = span.start_ns + later_ns, span.end_ns + later_ns
    empty_api.send("traces", traces_request(spans[1:]))
    assert statuses() == ["running"] * 4
    assert len(empty_api.pages("traces", "traces", status="running")) == 1
    empty_api.send("traces", traces_request(spans[:1]))
    assert statuses() == [spans[0].status] * 4


def test_a_trace_whose_root_never_comes_is_over_after_a_while(empty_api: Api) -> None:
    spans = Traffic(seed=4, sessions=1).spans[1:]
    empty_api.send("traces", traces_request(spans))
    errors = any(span.status == "error" for span in spans)
    (trace,) = empty_api.pages("traces", "traces")
    (session,) = empty_api.pages("sessions", "sessions")
    assert trace["status"] == session["status"] == ("error" if errors else "success")


def test_a_trace_that_began_before_the_window_is_not_in_it(empty_api: Api) -> None:
    """Though commits have cut it, and one of its parts begins within."""
    spans = Traffic(seed=6, sessions=3).spans
    for one in spans:
        empty_api.send("traces", traces_request([one]))
    for number, inside in ((0, 2), (1, 1), (2, 0)):
        root = [span for span in spans if not span.parent][number]
        from_ms = root.start_ns // 10**6 + 1
        assert len(empty_api.get("traces", from_=from_ms)["traces"]) == inside
        assert len(empty_api.get("traces", from_=from_ms, sort="cost")["traces"]) == inside


def test_answers_do_not_wait_for_acknowledgements(empty_api: Api) -> None:
    """On a connection that is kept, a delayed acknowledgement would cost each answer 40 ms."""
    client = http.client.HTTPConnection("127.0.0.1", empty_api.server.port("web"), timeout=30)
    took_s = []
    for _ in range(12):
        begun = time.perf_counter()
        client.request("GET", "/healthz")
        client.getresponse().read()
        took_s.append(time.perf_counter() - begun)
    client.close()
    assert min(took_s[2:]) < 0.03


def test_a_window_of_a_long_trace(empty_api: Api) -> None:
    spans = Traffic(seed=3, sessions=1).spans
    first = spans[0]
    for span in spans:
        span.trace = first.trace
    empty_api.send("traces", traces_request(spans))
    pages = []
    cursor: dict[str, str] = {}
    while True:
        page = empty_api.get(f"traces/{first.trace_id}", limit=3, **cursor)
        pages += page["columns"]["span_id"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == [s.span_id for s in sorted(spans, key=lambda s: (s.start_ns, s.id))]
    from_ms = (spans[-1].start_ns - first.start_ns) / 1e6
    window = empty_api.get(f"traces/{first.trace_id}", from_ms=from_ms, to_ms=from_ms + 1)
    begin = first.start_ns + int(from_ms * 1e6)
    wanted = {s.span_id for s in spans if s.end_ns >= begin and s.start_ns < begin + 10**6}
    assert set(window["columns"]["span_id"]) == wanted


def test_metrics_and_their_series(empty_api: Api) -> None:
    minute = 60_000_000_000
    points = [
        ("my.counter", {"model": "a"}, DAY_NS + tick * minute, float(tick)) for tick in range(10)
    ]
    points.append(("my.counter", {"model": "b"}, DAY_NS, 7.0))
    empty_api.send("metrics", metrics_request("my-agent", points))
    (metric,) = empty_api.get("metrics", q="my.")["metrics"]
    assert (metric["series"], metric["points"], metric["type"]) == (2, 11, "sum")
    window = {"from_": DAY_NS // 10**6, "to": (DAY_NS + 10 * minute) // 10**6}
    found = empty_api.get("metrics/my.counter", **window, step=300)
    first, second = found["series"]
    assert first["attributes"] == {"model": "a"}
    assert len(first["times_ms"]) in {2, 3}
    assert first["values"][-1] == 9.0
    assert second["values"] == [7.0]
    assert empty_api.get("metrics/my.counter", **window, limit=1)["truncated"]


def test_accounting_balances_or_says_that_it_does_not(empty_api: Api) -> None:
    outcomes = {"created": 100, "exported": 90, "sampled_out": 5, "dropped": 2}

    def report(time_ns: int, waiting: int) -> list[Any]:
        points = [
            ("alexobs.records", {"signal": "traces", "outcome": key}, time_ns, float(value))
            for key, value in outcomes.items()
        ]
        return [
            *points,
            ("alexobs.records.waiting", {"signal": "traces"}, time_ns, float(waiting)),
            ("alexobs.records.dropped", {"signal": "traces", "reason": "full"}, time_ns, 2.0),
            ("alexobs.redactions", {"rule": "email"}, time_ns, 4.0),
        ]

    empty_api.send("metrics", metrics_request("my-agent", report(DAY_NS, 9)))
    (process,) = empty_api.get("accounting")["processes"]
    assert not process["signals"]["traces"]["balanced"]
    empty_api.send("metrics", metrics_request("my-agent", report(DAY_NS + 10**9, 3)))
    (process,) = empty_api.get("accounting")["processes"]
    assert process["signals"]["traces"] == {
        **outcomes,
        "waiting": 3,
        "balanced": True,
        "dropped_by_reason": {"full": 2},
    }
    assert process["redactions"] == {"email": 4}
    assert (process["service"], process["host"], process["pid"]) == ("my-agent", "box", 4711)


def test_the_store_counts_what_it_has(api: Api, traffic: Traffic) -> None:
    state = api.get("store")
    assert state["rows"]["spans"] == len(traffic.spans)
    assert state["rows"]["logs"] == len(traffic.logs)
    assert state["size_bytes"] > 0
    newest = max(span.start_ns for span in traffic.spans)
    assert state["newest_ms"] == pytest.approx(newest / 1e6, abs=0.001)
