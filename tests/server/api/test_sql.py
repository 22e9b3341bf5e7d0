"""SQL over the public views: what it answers, and what it cannot reach."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from api_kit import Api, Traffic

ATTACKS = {
    "read a file": "SELECT * FROM read_text('/etc/passwd')",
    "read a csv": "SELECT * FROM read_csv('/etc/passwd')",
    "read by name": "SELECT * FROM '/etc/passwd'",
    "read parquet": "SELECT * FROM 'x.parquet'",
    "list files": "SELECT * FROM glob('/*')",
    "blob": "SELECT * FROM read_blob('/etc/hostname')",
    "network": "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "sniff": "SELECT * FROM sniff_csv('/etc/passwd')",
    "write": "COPY (SELECT 1) TO '/tmp/alexobs-attack.csv'",
    "export": "EXPORT DATABASE '/tmp/alexobs-attack'",
    "attach": "ATTACH '/tmp/alexobs-attack.db'",
    "attach memory": "ATTACH ':memory:' AS other",
    "use": "USE memory",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "set": "SET enable_external_access = true",
    "set memory": "SET memory_limit = '1TB'",
    "pragma": "PRAGMA database_list",
    "pragma set": "PRAGMA enable_profiling",
    "insert": "INSERT INTO finished_spans BY NAME SELECT 1 AS seq",
    "insert returning": "INSERT INTO meta VALUES ('a', 'b') RETURNING *",
    "update": "UPDATE finished_spans SET name = 'x'",
    "delete": "DELETE FROM finished_spans",
    "drop": "DROP TABLE finished_spans",
    "create": "CREATE TABLE t (a INT)",
    "temp": "CREATE TEMP TABLE t (a INT)",
    "view": "CREATE OR REPLACE VIEW spans AS SELECT 1",
    "macro": "CREATE MACRO m() AS 1",
    "two": "SELECT 1; DELETE FROM finished_spans",
    "two with comment": "SELECT 1 /* ; */; DROP TABLE meta --",
    "transaction": "COMMIT",
    "begin": "BEGIN",
    "checkpoint": "CHECKPOINT",
    "prepare": "PREPARE p AS SELECT 1",
    "execute": "EXECUTE p",
    "call": "CALL pragma_version()",
    "explain write": "EXPLAIN ANALYZE DELETE FROM finished_spans",
    "vacuum": "VACUUM",
    "python": "SELECT * FROM api",
    "python batch": "SELECT * FROM batch",
    "detach": "DETACH alexobs",
    "secrets": "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "query function": "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/alexobs-attack''')",
    "query table": "SELECT * FROM query_table('/etc/passwd')",
    "nothing": "",
    "comment": "-- nothing",
    "junk": "\x00SELECT",
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_attacks_are_refused(api: Api, traffic: Traffic, attack: str) -> None:
    answer = api.sql(ATTACKS[attack])
    assert answer.status == 422, answer.body
    assert answer.json["error"]["code"] in {"query_failed", "invalid_body"}
    count = api.sql("SELECT count(*) FROM spans").json
    assert count["rows"] == [[len(traffic.spans)]]


def test_the_environment_cannot_be_read(api: Api) -> None:
    assert api.sql("SELECT getenv('HOME')").status == 422


def test_settings_stay_as_they_are(api: Api) -> None:
    api.sql("SET threads = 1")
    query = "SELECT value FROM duckdb_settings() WHERE name = 'enable_external_access'"
    assert api.sql(query).json["rows"] == [["false"]]


def test_variables_do_not_outlive_a_query(api: Api) -> None:
    assert api.sql("SET VARIABLE a = 1").status == 422
    assert api.sql("SELECT getvariable('a')").json["rows"] == [[None]]


@pytest.mark.parametrize(
    "slow",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range = -b.range",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "SELECT sum(length(repeat('x', 1000)) + hash(i)) FROM range(100000000000) t(i)",
    ],
)
def test_time_is_bounded(api: Api, slow: str) -> None:
    started = time.monotonic()
    answer = api.sql(slow, timeout_s=0.3)
    assert answer.status == 422
    assert answer.json["error"]["code"] == "query_too_slow"
    assert time.monotonic() - started < 5
    assert api.sql("SELECT 1").json["rows"] == [[1]]


def test_what_would_make_values_large_is_refused(api: Api) -> None:
    answer = api.sql("SELECT length(repeat('x', 1000000000))")
    assert answer.status == 422
    assert answer.json["error"]["message"].startswith("repeat: how much it makes must be a number")


def test_rows_are_bounded(api: Api) -> None:
    answer = api.sql("SELECT * FROM range(1000000)", max_rows=10).json
    assert len(answer["rows"]) == 10
    assert answer["truncated"]
    assert not api.sql("SELECT 1", max_rows=1).json["truncated"]


def test_bytes_are_bounded(api: Api) -> None:
    large = "SELECT string_agg(repeat('x', 100), '') AS text FROM range(10000)"
    answer = api.sql(f"SELECT text FROM ({large}), range(100)", max_rows=100)
    assert answer.status == 200
    assert answer.json["truncated"]
    assert len(answer.body) < 20_000_000


def test_any_type_has_a_form_in_json(api: Api) -> None:
    query = (
        "SELECT TIMESTAMP '2025-01-01 10:00:00.5' AS t, DATE '2025-01-01' AS d, 1.50::DECIMAL(5,2)"
        " AS m, 170141183460469231731687303715884105727::HUGEINT AS h, 'a'::BLOB AS b, "
        "MAP {[1, 2]: 'x'} AS p, {'a': [1, NULL]} AS s, 'nan'::DOUBLE AS n, INTERVAL 1 DAY AS i, "
        "uuid() AS u, TIME '10:00' AS c, '101'::BIT AS bits"
    )
    answer = api.sql(query)
    assert answer.status == 200, answer.body
    row = dict(zip(answer.json["columns"], answer.json["rows"][0], strict=True))
    assert row["t"] == "2025-01-01T10:00:00.500000"
    assert row["h"] == 2**127 - 1
    assert row["s"] == {"a": [1, None]}
    assert row["n"] is None


def test_the_views_answer_questions(api: Api, traffic: Traffic) -> None:
    rows = api.sql("SELECT model, sum(cost_usd) FROM spans WHERE model IS NOT NULL GROUP BY 1").json
    found = dict(rows["rows"])
    for model in ("gpt-4.1", "claude-sonnet-4-5"):
        costs = [span.cost for span in traffic.spans if span.model == model]
        assert found[model] == pytest.approx(sum(cost or 0 for cost in costs))
    assert found["home-made"] is None
    for view in ("logs", "metric_points", "sessions", "messages"):
        assert api.sql(f"SELECT count(*) FROM {view}").status == 200


@pytest.mark.parametrize("signal", ["spans", "logs", "messages"])
def test_export(api: Api, traffic: Traffic, tmp_path: Path, signal: str) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - for this test alone

    lines = api.ask("GET", f"/api/export?signal={signal}").body.splitlines()
    path = tmp_path / "x.parquet"
    path.write_bytes(api.ask("GET", f"/api/export?signal={signal}&format=parquet").body)
    table = pq.read_table(path)
    (wanted,) = api.sql(f"SELECT count(*) FROM {signal}").json["rows"][0]
    assert len(lines) == table.num_rows == wanted
    rows = [json.loads(line) for line in lines]
    assert rows[0].keys() == set(table.column_names)
    if signal == "spans":
        ids = {(row["trace_id"], row["span_id"]) for row in rows}
        assert ids == {(span.trace_id, span.span_id) for span in traffic.spans}


def test_export_of_a_window(api: Api, traffic: Traffic) -> None:
    starts = sorted(span.start_ns for span in traffic.spans)
    from_ms, to_ms = starts[20] // 10**6, starts[60] // 10**6
    lines = api.ask("GET", f"/api/export?from={from_ms}&to={to_ms}").body.splitlines()
    assert len(lines) == sum(from_ms <= start / 10**6 < to_ms for start in starts)
