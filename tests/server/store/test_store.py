from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alexobs import semconv
from alexobs.errors import ServerError
from alexobs.exporters.otlp.encode import encode_spans
from alexobs.records import Resource, Scope, SpanData
from alexobs.server.ingest import proto
from alexobs.server.ingest.decode import Checker
from alexobs.server.ingest.normalise import Normaliser
from alexobs.server.ingest.writer import Writer
from alexobs.server.store import QueryError, Retention, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DAY_NS = 86_400 * 10**9


def span(
    number: int,
    *,
    trace: int = 1,
    start_ns: int = 10**18,
    took_ns: int = 10**9,
    **attributes: Any,
) -> SpanData:
    return SpanData(
        trace_id=trace,
        span_id=number,
        parent_span_id=0 if number == 1 else 1,
        name=f"span {number}",
        start_ns=start_ns,
        end_ns=start_ns + took_ns,
        attributes=attributes,
        scope=Scope("alexobs"),
    )


def put(store: Store, spans: Sequence[SpanData]) -> None:
    normaliser = Normaliser()
    writer = Writer(store, normaliser)
    body = encode_spans(spans, Resource({"service.name": "test"}))
    checked = Checker(normaliser).check("traces", body)
    writer.submit(checked, len(body)).result(10)
    writer.stop()


def announce(store: Store, number: int) -> None:
    """Say that a span runs, as its process does when it starts."""
    request = proto.LogsRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            event_name=semconv.EVENT_SPAN_RUNNING,
            trace_id=(1).to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
        )
    )
    proto.set_attributes(record.attributes, {"alex.span.start_ns": time.time_ns()})
    normaliser = Normaliser()
    writer = Writer(store, normaliser)
    writer.submit(Checker(normaliser).check_message("logs", request), 100).result(10)
    writer.stop()


def rows(store: Store, text: str) -> list[tuple[Any, ...]]:
    return store.sql(text, max_rows=10_000).rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data", Retention(days=0, max_bytes=0))
    yield store
    store.close()


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, [span(1), span(2)])
    committed = store.committed
    store.close()
    again = Store(tmp_path)
    assert again.committed == committed
    assert rows(again, "SELECT name FROM spans ORDER BY name") == [("span 1",), ("span 2",)]
    put(again, [span(2), span(3)])
    assert rows(again, "SELECT count(*) FROM spans") == [(3,)]
    again.close()


def test_a_second_owner_is_refused_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    program = (
        "import sys, pathlib; from alexobs.server.store import Store\n"
        "Store(pathlib.Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "another alexobs server owns" in done.stderr
    store.close()


def test_data_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with duckdb.connect(str(tmp_path / "alexobs.duckdb")) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(ServerError, match="newer alexobs"):
        Store(tmp_path)
    with duckdb.connect(str(tmp_path / "alexobs.duckdb")) as connection:
        found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchall()
    assert found == [("99",)]


def test_a_damaged_file_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "alexobs.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(ServerError, match=r"alexobs\.duckdb cannot be opened"):
        Store(tmp_path)


def test_a_trace_is_found_by_its_id(store: Store) -> None:
    put(store, [span(1, trace=7), span(2, trace=7), span(3, trace=8)])
    found = store.query("trace_spans", trace_id=f"{7:032x}").dicts()
    assert [row["name"] for row in found] == ["span 1", "span 2"]
    assert store.query("trace_spans", trace_id="no id").rows == []


def test_sums_per_minute_and_trace_equal_the_spans(store: Store) -> None:
    call = {"alex.kind": "llm", "gen_ai.request.model": "m", "alex.tokens.output": 5}
    put(store, [span(1), *(span(n, **call, **{"alex.cost": 0.5}) for n in (2, 3))])
    put(store, [span(4, **call, **{"alex.cost.unpriced": "no price"})])
    assert rows(store, "SELECT sum(spans), sum(output), sum(cost), sum(unpriced) FROM rollup") == [
        (4, 15, 1.0, 1)
    ]
    assert rows(
        store, "SELECT sum(spans), sum(llm_calls), sum(cost), any_value(root_name) FROM trace_parts"
    ) == [(4, 3, 1.0, "span 1")]
    assert rows(store, "SELECT sum(spans) FROM rollup_latency WHERE kind = 'llm'") == [(3,)]


def test_a_percentile_from_buckets_is_within_one_percent(store: Store) -> None:
    put(store, [span(1, **{"alex.kind": "llm"})])
    ((bucket,),) = rows(store, "SELECT bucket FROM rollup_latency")
    assert 1.02**bucket / 1e6 == pytest.approx(1.0, rel=0.02)


def test_reading_goes_on_while_a_commit_is_open(store: Store) -> None:
    put(store, [span(1)])
    store._writer.execute("BEGIN")
    store._writer.execute("DELETE FROM finished_spans")
    assert rows(store, "SELECT count(*) FROM spans") == [(1,)]
    store._writer.execute("ROLLBACK")


def test_waiting_ends_with_the_next_commit(store: Store) -> None:
    seen: list[int] = []
    before = store.committed
    thread = threading.Thread(target=lambda: seen.append(store.wait(before, 20)))
    thread.start()
    put(store, [span(1)])
    thread.join()
    assert seen == [before + 1]


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE meta",
        "DELETE FROM finished_spans",
        "INSERT INTO meta VALUES ('a', 'b') RETURNING *",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "COPY spans TO '/tmp/x'",
        "ATTACH '/tmp/x.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "SELECT * FROM store",
        "EXPORT DATABASE '/tmp/x'",
        "",
        "SELECT nothing_called_so",
    ],
)
def test_users_sql_reads_the_data_and_nothing_else(store: Store, text: str) -> None:
    with pytest.raises(QueryError):
        store.sql(text)


def test_users_sql_ends_in_time(store: Store) -> None:
    begun = time.monotonic()
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        store.sql("SELECT count(*) FROM range(1000000000000) a, range(1000000) b", timeout_s=0.2)
    assert time.monotonic() - begun < 5
    assert store.sql("SELECT 1").rows == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT list(range) FROM range(100000000)",
        "SELECT count(DISTINCT range::VARCHAR) FROM range(10000000)",
    ],
)
def test_users_sql_is_bounded_in_memory(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path / "data", memory_limit="64MB")
    with pytest.raises(QueryError, match=r"Out of Memory|took longer"):
        store.sql(text, timeout_s=1)
    put(store, [span(1)])  # and the writer still has room
    assert rows(store, "SELECT name FROM spans") == [("span 1",)]
    store.close()


def test_closing_stops_questions_that_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
        asked = pool.submit(store.sql, endless, timeout_s=60)
        while not asked.running():
            time.sleep(0)
        time.sleep(0.05)
        begun = time.monotonic()
        store.close()
        assert time.monotonic() - begun < 4
        with pytest.raises(QueryError, match="was stopped"):
            asked.result(1)
    with pytest.raises(ServerError, match="closed"):
        store.sql("SELECT 1")


def test_what_was_stored_is_known_whether_warmed_up_or_not(tmp_path: Path) -> None:
    for warm in (True, False):
        store = Store(tmp_path)
        if warm:
            store.warm_up()
        put(store, [span(1), span(2, **{"gen_ai.input.messages": '["hi"]'})])
        store.close()
    store = Store(tmp_path)
    assert rows(store, "SELECT count(*) FROM spans") == [(2,)]
    assert rows(store, "SELECT count(*) FROM message_rows") == [(1,)]
    store.close()


def test_running_spans_of_dead_processes_go(store: Store) -> None:
    announce(store, 1)
    hour_ns = 3600 * 10**9
    now_ns = time.time_ns()
    store.tidy(now_ns + hour_ns - 60 * 10**9)
    assert rows(store, "SELECT count(*) FROM spans WHERE status = 'running'") == [(1,)]
    store.tidy(now_ns + hour_ns + 60 * 10**9)
    assert rows(store, "SELECT count(*) FROM spans") == [(0,)]
    put(store, [span(1)])  # its end is taken all the same
    assert rows(store, "SELECT name FROM spans") == [("span 1",)]


def test_users_sql_is_cut_after_so_many_rows(store: Store) -> None:
    result = store.sql("SELECT * FROM range(100)", max_rows=10)
    assert (len(result.rows), result.truncated) == (10, True)


def test_what_is_too_old_goes_with_its_messages(tmp_path: Path) -> None:
    store = Store(tmp_path, Retention(days=7))
    now = time.time_ns()
    old, new = '["old text"]', '["new text"]'
    put(store, [span(1, start_ns=now - 9 * DAY_NS, **{"gen_ai.input.messages": old})])
    put(store, [span(2, start_ns=now, **{"gen_ai.input.messages": new})])
    assert store.tidy() > 0
    assert rows(store, "SELECT name FROM spans") == [("span 2",)]
    assert rows(store, "SELECT body FROM messages") == [('"new text"',)]
    assert rows(store, "SELECT sum(spans) FROM rollup") == [(1,)]
    assert store.tidy() == 0
    store.close()


def test_beyond_the_size_the_oldest_go(tmp_path: Path) -> None:
    store = Store(tmp_path, Retention(days=0, max_bytes=1 << 20))
    now = time.time_ns()
    noise = [f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" * 20 for n in range(1, 12_001)]
    put(store, [span(n, start_ns=now + n, noise=text) for n, text in enumerate(noise, 1)])
    store._writer.execute("CHECKPOINT")
    before = store._keeper.used_bytes()
    assert before > 1 << 20
    assert store.tidy() > 0
    ((count, oldest),) = rows(store, "SELECT count(*), min(start_ns) FROM finished_spans")
    assert 0 < count < 12_000
    assert oldest > now + 1
    store.close()


def test_sums_stay_the_same_when_they_are_summed_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexobs.server.store.retention.COMPACT_ROWS", 1)
    for number in range(1, 5):
        put(store, [span(number, **{"alex.kind": "llm", "alex.cost": 0.25})])
    texts = [
        "SELECT sum(spans), sum(cost), min(start_ns), max(root_name) FROM trace_parts",
        "SELECT sum(spans), sum(cost), sum(duration_ns) FROM rollup",
        "SELECT sum(spans) FROM rollup_latency",
    ]
    before = [rows(store, text) for text in texts]
    store.tidy()
    assert [rows(store, text) for text in texts] == before
    assert rows(store, "SELECT count(*) FROM trace_parts") == [(1,)]


def test_only_what_has_come_is_summed_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexobs.server.store.retention.COMPACT_ROWS", 2)
    store = Store(tmp_path, Retention(days=0, max_bytes=0))
    call = {"alex.kind": "llm"}
    minute_ns = 60 * 10**9
    for number, minute in enumerate((0, 0, 9, 9), 1):
        put(store, [span(number, start_ns=10**18 + minute * minute_ns, **call)])
    store.tidy()
    store.close()
    store = Store(tmp_path, Retention(days=0, max_bytes=0))  # it knows what is summed up already
    newest = rows(store, "SELECT max(seq) FROM rollup")[0][0]
    for number in (5, 6):
        put(store, [span(number, start_ns=10**18 + 9 * minute_ns, **call)])
    store.tidy()
    found = rows(store, "SELECT minute, spans, seq FROM rollup ORDER BY minute")
    assert [spans for _, spans, _ in found] == [2, 4]
    assert found[0][2] < newest < found[1][2]
    store.close()


def latency(store: Store, **window: int) -> list[tuple[Any, ...]]:
    """Percentiles from whole hours, which equal those from minutes."""
    step, (first, last) = 180, (window["from_minute"], window["to_minute"])
    cuts = [minute // 60 for minute in (*range(first, last, step), last) if minute % 60]
    by_hour = store.query("api_panel_latency", **window, step=step, cuts=cuts).rows
    assert by_hour == store.query("api_panel_latency", **window, step=step).rows
    return by_hour


def put_days(store: Store, first: int, since_ns: int) -> None:
    """Spans of two days, each half an hour after the one before, each shorter."""
    half_hour_ns = 1800 * 10**9
    spans = [
        span(
            first + index,
            start_ns=since_ns + index * half_hour_ns,
            took_ns=first * 10**9 // (index + 1),
            **{"alex.kind": "llm"},
        )
        for index in range(96)
    ]
    put(store, spans)


def test_hours_hold_what_minutes_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Summed up or not, with what comes late, with a part deleted, and of an older version."""
    monkeypatch.setattr("alexobs.server.store.retention.COMPACT_ROWS", 90)
    store = Store(tmp_path, Retention(days=30))
    now_ns = time.time_ns()
    since_ns = now_ns - 29 * DAY_NS
    minute = since_ns // (60 * 10**9)
    windows = [
        {"from_minute": minute + start, "to_minute": minute + 2880 + end}
        for start, end in ((0, 0), (-minute % 60, 60), (17, -29), (-500, 500))
    ]
    hours = "SELECT coalesce(sum(spans), 0) FROM rollup_latency_hours"

    def look() -> list[list[tuple[Any, ...]]]:
        return [latency(store, **window) for window in windows]

    put_days(store, 1, since_ns)
    first = look()
    assert rows(store, hours) == [(0,)]
    store.tidy(now_ns)
    assert rows(store, hours) == [(96,)]
    assert look() == first
    put_days(store, 1001, since_ns + 10**9)  # late
    assert rows(store, hours) == [(96,)]
    both = look()
    assert both != first
    store.tidy(now_ns)
    assert rows(store, hours) == [(192,)]
    assert look() == both
    store.tidy(now_ns + DAY_NS + DAY_NS // 3)  # a part of one of the hours goes as well
    left = look()
    assert rows(store, hours) == rows(store, "SELECT sum(spans) FROM rollup_latency") < [(192,)]
    store.close()
    with duckdb.connect(str(tmp_path / "alexobs.duckdb")) as connection:
        connection.execute("DROP TABLE rollup_latency_hours")
        connection.execute("DELETE FROM meta WHERE key = 'rollup_latency_hours'")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'version'")
    store = Store(tmp_path)
    assert rows(store, "SELECT value FROM meta WHERE key = 'version'") == [("2",)]
    assert rows(store, hours)[0][0] > 0
    assert look() == left
    store.close()


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_an_export_holds_every_row(store: Store, tmp_path: Path, kind: Any) -> None:
    put(store, [span(1, note="a"), span(2, **{"gen_ai.input.messages": '["hi"]'})])
    counts = store.export(tmp_path / "out", kind)
    assert counts == {"spans": 2, "logs": 0, "metric_points": 0, "sessions": 0, "messages": 1}
    path = tmp_path / "out" / f"spans.{kind}"
    if kind == "parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(row["name"] for row in found) == ["span 1", "span 2"]
    assert dict(found[0]["attributes"])["note"] == "a"


def test_arrow_and_rows_agree(store: Store) -> None:
    put(store, [span(1), span(2)])
    table = store.arrow("trace_spans", trace_id=f"{1:032x}")
    assert isinstance(table, pa.Table)
    assert table["name"].to_pylist() == ["span 1", "span 2"]


def test_a_message_that_is_sent_again_is_kept_once(tmp_path: Path) -> None:
    history = [f'"message {n}"' for n in range(5)]
    for number in range(1, 6):  # a process each: what is remembered in memory is gone
        store = Store(tmp_path)
        text = f"[{','.join(history[:number])}]"
        put(store, [span(number, **{"gen_ai.input.messages": text})])
        assert rows(store, "SELECT count(*) FROM message_rows") == [(number,)]
        store.close()
