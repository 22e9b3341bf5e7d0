from __future__ import annotations

import threading
from typing import Any

import pytest

from alexobs.pipeline.queue import CHECK_FROM, RecordQueue, estimate_bytes


class Record:
    def __init__(self, size: int = 0) -> None:
        self.own_attributes = {"text": "x" * size}


def queue(max_records: int = 100_000, max_bytes: int = 1 << 30) -> tuple[RecordQueue, list[int]]:
    woken: list[int] = []
    return RecordQueue(max_records, max_bytes, lambda: woken.append(1)), woken


def test_records_come_out_in_order_and_are_counted() -> None:
    records, _ = queue()
    for number in range(10):
        records.put(number)
    assert records.take(3) == [0, 1, 2]
    assert records.take(100) == [3, 4, 5, 6, 7, 8, 9]
    assert records.take(1) == []
    assert (records.created, len(records), records.dropped) == (10, 0, 0)


def test_only_the_first_record_after_a_pause_wakes() -> None:
    records, woken = queue()
    for number in range(5):
        records.put(number)
    assert len(woken) == 1
    records.idle = True
    records.put(5)
    assert len(woken) == 2


def test_the_oldest_are_dropped_beyond_the_count() -> None:
    records, _ = queue(max_records=10)
    for number in range(25):
        records.put(number)
    assert records.take(100) == list(range(15, 25))
    assert records.dropped == 15
    assert records.created == 25


def test_the_oldest_are_dropped_beyond_the_bytes() -> None:
    records, _ = queue(max_bytes=10_000_000)
    for _ in range(2000):
        records.put(Record(100_000))
    waiting = records.take(10_000)
    assert 90 <= len(waiting) <= CHECK_FROM
    assert records.dropped + len(waiting) == 2000


@pytest.mark.parametrize("max_records", [65_536, 1_000])
def test_measuring_stays_cheap_while_much_waits(max_records: int) -> None:
    measured = 0

    class Counting:
        @property
        def own_attributes(self) -> dict[str, Any]:
            nonlocal measured
            measured += 1
            return {}

    records, _ = queue(max_records)
    for _ in range(20_000):
        records.put(Counting())
    assert measured < 20_000


def test_texts_and_calls_count_by_their_size() -> None:
    class Call(Record):
        call = object()

    assert estimate_bytes(Record(5000)) >= 5000
    assert estimate_bytes(Call(0)) > estimate_bytes(Record(0))
    assert estimate_bytes(object()) > 0


def test_many_threads_lose_nothing() -> None:
    records, _ = queue(max_records=1_000_000)
    taken: list[int] = []
    stop = threading.Event()

    def work(start: int) -> None:
        for number in range(start, start + 5000):
            records.put(number)

    def drain() -> None:
        while not stop.is_set() or len(records):
            taken.extend(records.take(64))

    drainer = threading.Thread(target=drain)
    drainer.start()
    threads = [threading.Thread(target=work, args=(i * 5000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    drainer.join()
    assert sorted(taken) == list(range(20_000))
    assert records.created == 20_000


def test_a_smaller_bound_counts_at_once() -> None:
    records, _ = queue()
    for number in range(50):
        records.put(number)
    records.resize(10, 1 << 30)
    records.put(50)
    assert records.take(100) == list(range(41, 51))
    assert records.dropped == 41
