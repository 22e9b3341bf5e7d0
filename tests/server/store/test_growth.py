"""No statement of a user's makes values large within what cannot be interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from alexobs.server.store import QueryError, Retention, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = """
select length(repeat('x', 1000000000))
select length(repeat(repeat('x', 1000), 1000))
select length(system.main.repeat('x', 1000000000))
select length('x'.repeat(1000000000))
select length("REPEAT"('x', 1000000000))
select length(repeat('x', range)) from range(1000000000)
select length(lpad('x', 1000000000, 'y')) from range(3000)
select length(rpad('x', 1000000000, 'y')) from range(3000)
select length(printf('%1000000000d', 1)) from range(3000)
select length(format('{:>1000000000}', 1)) from range(3000)
select len(range(1000000000)) from range(3000)
select len(range(0, 1000000000, 1)) from range(3000)
select len(range(-1000000000, 0))
select len(generate_series(1000000000)) from range(3000)
select len(range(range)) from range(1000000000)
select len(list_resize([1], 1000000000)) from range(3000)
select bar(1, 0, 10, 1000000000)
select length(to_base(1, 2, 1000000000))
select length(bitstring('1', 1000000000)::varchar)
select unnest(generate_series(timestamp '2000-01-01', timestamp '2030-01-01', interval 1 second))
from range(10) t(i), unnest(range(i * 1000000000))
select len(list_transform(range(1000), lambda x: range(1000))) from range(10000)
select len(flatten(list_transform(range(1000), lambda x: [x, x, x]))) from range(3000)
select list_transform(range(1000), lambda x: name) from spans
select list_transform(range(9), lambda x: list_transform(range(9), lambda y: 1))
select list_transform(range(9), lambda x: (select 1))
select list_reduce(list_transform(range(100), lambda x: 'a'), lambda a, b: a || a)
select [x || name for x in ['a']] from spans
select columns(lambda x: repeat('x', 1000000000) > x) from spans
with recursive r as (select 'x' a union all select a || a from r) select max(length(a)) from r
with recursive r as (select [1] a union all select a + a from r) select max(len(a)) from r
with recursive r as (select range(3) a union all select a + a from r) select max(len(a)) from r
with recursive r as (select '[1]'::int[] a union all select a + a from r) select len(a) from r
with recursive r as (select ARRAY[1] a union all select a + a from r) select max(len(a)) from r
with recursive r as (select 'a' a union all select ARRAY[a, a]::varchar from r) from r
select list_transform(range(9), lambda x: ARRAY[x, x])
with recursive r as (select '1' a union all select replace(a, '1', '11') from r) from r
with recursive r as (select 'a' a union all select hex(a) from r) select max(len(a)) from r
with recursive r as (select 'a' a union all select (a, a)::varchar from r) select max(len(a)) from r
select length(replace(repeat('a', 1000), 'a', repeat('b', 1000)))
select length(replace(name, 'a', name)) from spans
select length(array_to_string(range(1000), repeat('x', 1000))) from range(10000)
select hex(hex(hex(hex(hex(hex(hex(hex(hex(hex('a'))))))))))
select list(range) over () from range(100000)
select len(string_agg(range::varchar, '') over ()) from range(100000)
select * from query('select length(repeat(''x'', 1000000000))')
from json_execute_serialized_sql(json_serialize_sql('select repeat(''x'', 1000000000)'))
select pg_sleep(20)
select 1 where length(repeat('x', 1000000000)) > 1
select 1 order by length(repeat('x', 1000000000))
select sum(1) filter (length(repeat('x', 1000000000)) > 1)
select 1 limit length(repeat('x', 1000000000))
values (repeat('x', 1000000000))
select (select repeat('x', 1000000000))
select * from (select 1) t join (select 1) u on length(repeat('x', 1000000000)) > 1
select row_number() over (order by repeat('x', 1000000000))
select * replace (repeat('x', 1000000000) as name) from spans
summarize select repeat('x', 1000000000)
""".strip().splitlines()
DOUBLING = ", ".join(f"a{n} || a{n} AS a{n + 1}" for n in range(40))
REFUSED.append(f"SELECT length(a40) FROM (SELECT 'x' AS a0, {DOUBLING})")
REFUSED.append(f"SELECT len(a40) FROM (SELECT range(9) AS a0, {DOUBLING.replace('||', '+')})")
REFUSED.append("SELECT " + "(" * 5000 + "1" + ")" * 5000)

TAKEN = """
select repeat('=', 40)
select lpad(name, 20, ' '), upper(name), lower(kind), trim(model), reverse(name) from spans
select name || ' (' || kind || ')' as title, service || '/' || model from spans
select concat_ws('/', service, name, kind, model, provider, session_id, user_id, agent) from spans
select replace(name, 'alex.', ''), regexp_replace(name, '[0-9]+', '#', 'g') from spans
select list_transform(input_messages, lambda h: h % 7), list_filter([1], lambda x: x > 1) from spans
select string_agg(DISTINCT name, ', '), list(kind ORDER BY name), histogram(model) from spans
select date_trunc('hour', start_time) as hour, count(*), sum(cost_usd) from spans group by hour
select d, count(name) from range(0, 100000) t(d) left join spans on d = iteration group by d limit 3
select count(DISTINCT (model, provider)), {'a': 1, 'b': name} from spans group by name
with recursive f as (select 1 a, 1 b union all select b, a + b from f where b < 99) from f
select 1+trace_id::int+2, a+b+a+b+a+b+a+b+a+b+a+b+a+b+a+b+a+b from (select 1 a, 2 b), spans
select row_number() over (partition by model order by start_time), lag(name) over () from spans
with recursive r as (select 1 as n union all select n + 1 from r where n < 9) select max(n) from r
select attributes['a'], body->>'$.role' from spans, messages
select strftime(start_time, '%Y-%m-%d'), quantile_cont(duration_s, [0.5, 0.9]) from spans group by 1
summarize spans
describe spans
""".strip().splitlines()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("growth"), Retention(days=0, max_bytes=0))
    yield store
    store.close()


@pytest.mark.parametrize("text", REFUSED)
def test_what_would_make_values_large_is_refused(store: Store, text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(QueryError) as caught:
        store.sql(text)
    assert time.monotonic() - begun < 1
    assert "Error:" not in str(caught.value) or "depth" in str(caught.value)


@pytest.mark.parametrize("text", TAKEN)
def test_what_people_ask_is_taken(store: Store, text: str) -> None:
    assert store.sql(text).columns
