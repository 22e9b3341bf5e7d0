"""What instruments hold after measurements of all kinds."""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexobs.metrics import MeterProvider
from alexobs.metrics.attributes import MAX_VALUE_CHARS
from alexobs.records import HistogramPoint, MetricData, NumberPoint


def provider(**options: Any) -> MeterProvider:
    return MeterProvider(warn=lambda _: None, **options)


def metric(metrics: list[MetricData], name: str) -> MetricData:
    found = [one for one in metrics if one.name == name]
    assert len(found) == 1, [one.name for one in metrics]
    return found[0]


def values(made: MeterProvider, name: str, temporality: Any = "cumulative") -> dict[Any, Any]:
    """Return attributes (as sorted pairs) to value of one instrument; empty without points."""
    found = {}
    for one in made.collect(temporality):
        if one.name == name:
            for point in one.points:
                assert isinstance(point, NumberPoint)
                found[tuple(sorted(point.attributes.items()))] = point.value
    return found


def histogram_point(made: MeterProvider, name: str, temporality: Any = "cumulative") -> Any:
    (point,) = metric(made.collect(temporality), name).points
    assert isinstance(point, HistogramPoint)
    return point


def test_both_orders_of_attributes_lead_to_one_series() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    for _ in range(3):
        counter.add(1, {"a": "x", "b": "y"})
        counter.add(2, {"b": "y", "a": "x"})
    assert values(made, "c") == {(("a", "x"), ("b", "y")): 9}


def test_true_and_1_and_1_0_are_three_series_in_any_order() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    for _ in range(2):
        for value in (1, True, 1.0, "1"):
            counter.add(1, {"k": value})
    (data,) = made.collect()
    assert sorted(repr(point.attributes["k"]) for point in data.points) == [
        "'1'",
        "1",
        "1.0",
        "True",
    ]
    assert [point.value for point in data.points] == [2, 2, 2, 2]  # type: ignore[union-attr]


class Colour(StrEnum):
    RED = "red"


class Explosive:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (["a", 1, True], ("a", 1, True)),
        (("a", None), ("a",)),
        (b"bytes", "bytes"),
        (b"\xff", "�"),
        (Colour.RED, "red"),
        ({"deep": 1}, "{'deep': 1}"),
        (Explosive(), "<Explosive>"),
        ([Explosive()], ("<Explosive>",)),
        (2**70, hex(2**70)),
        ("\ud800", "?"),
        ("x" * 5000, "x" * MAX_VALUE_CHARS),
        (Decimal("1.5"), "1.5"),
        (CYCLE, ("[[...]]",)),
    ],
)
def test_odd_values_are_recorded_in_one_series(value: Any, kept: Any) -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(1, {"k": value})
    counter.add(2, {"k": value})
    assert values(made, "c") == {(("k", kept),): 3}


def test_nan_as_an_attribute_value_is_one_series() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(1, {"k": math.nan})
    counter.add(1, {"k": float("nan")})
    assert list(values(made, "c").values()) == [2]


class Undecided:
    def __bool__(self) -> bool:
        raise RuntimeError


@pytest.mark.parametrize(
    "attributes", [None, {}, 5, "ab", [("a", 1)], {"k": None}, Explosive(), Undecided()]
)
def test_attributes_that_are_no_mapping_never_raise(attributes: Any) -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(1, attributes)
    counter.add(1, attributes)
    assert list(values(made, "c").values()) == [2]


@pytest.mark.parametrize("amount", ["x", None, [], Explosive(), math.nan, math.inf, -1, 10**400])
def test_unusable_amounts_are_ignored_and_counted(amount: Any) -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(1, {"k": "v"})
    counter.add(amount, {"k": "v"})
    counter.add(1.5, {"k": "v"})
    assert values(made, "c") == {(("k", "v"),): 2.5}
    assert sum(made.faults.counts.values()) == 1


@pytest.mark.parametrize("amount", ["x", None, Explosive(), math.nan, math.inf, -math.inf])
def test_unusable_histogram_values_are_ignored_and_counted(amount: Any) -> None:
    made = provider()
    histogram = made.get_meter("m").create_histogram("h", unit="s")
    for value in (0.5, amount, 2):
        histogram.record(value)
    point = histogram_point(made, "h")
    assert (point.count, point.sum, point.min, point.max) == (2, 2.5, 0.5, 2.0)
    assert sum(made.faults.counts.values()) == 1


@pytest.mark.parametrize("amount", [Decimal("2.5"), "2.5"])
def test_amounts_that_can_be_numbers_are(amount: Any) -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(0.5)
    counter.add(amount)
    assert values(made, "c") == {(): 3.0}


def test_up_down_counters_go_down_and_gauges_keep_the_last() -> None:
    made = provider()
    meter = made.get_meter("m")
    level, gauge = meter.create_up_down_counter("l"), meter.create_gauge("g")
    for amount in (5, -7):
        level.add(amount)
        gauge.set(amount)
    gauge.set("nothing")  # type: ignore[arg-type]
    assert values(made, "l") == {(): -2}
    assert values(made, "g") == {(): -7}
    gauge.set(math.nan)
    assert math.isnan(values(made, "g")[()])


@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-1000, 1000), min_size=1, max_size=600),
    st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20, unique=True),
)
def test_buckets_are_those_of_a_plain_count(amounts: list[float], bounds: list[float]) -> None:
    bounds = sorted(bounds)
    made = provider()
    histogram = made.get_meter("m").create_histogram(
        "h", explicit_bucket_boundaries_advisory=bounds
    )
    for amount in amounts:
        histogram.record(amount)
    point = histogram_point(made, "h")
    expected = [0] * (len(bounds) + 1)
    for amount in amounts:
        expected[next((i for i, b in enumerate(bounds) if amount <= b), len(bounds))] += 1
    assert list(point.counts) == expected
    assert point.count == len(amounts)
    assert point.sum == pytest.approx(sum(amounts), abs=1e-3)
    assert (point.min, point.max) == (min(amounts), max(amounts))


def test_totals_are_exact_with_8_threads_and_a_collector() -> None:
    made = provider()
    meter = made.get_meter("m")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h", unit="s")
    bound = counter.bind({"k": "bound"})
    rounds, threads = 5000, 8
    start = threading.Barrier(threads + 1)

    def record(number: int) -> None:
        start.wait()
        for turn in range(rounds):
            counter.add(1, {"k": "shared"})
            counter.add(1, {"k": "own", "n": str(number)})
            histogram.record(0.001 * (turn % 100), {"k": "shared"})
            bound.add(2)

    workers = [threading.Thread(target=record, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    deltas: dict[Any, float] = {}
    while any(worker.is_alive() for worker in workers):
        made.collect("cumulative")
        for key, value in values(made, "c", "delta").items():
            deltas[key] = deltas.get(key, 0) + value
    for worker in workers:
        worker.join()
    for key, value in values(made, "c", "delta").items():
        deltas[key] = deltas.get(key, 0) + value
    totals = values(made, "c")
    assert totals[(("k", "shared"),)] == rounds * threads
    assert totals[(("k", "bound"),)] == 2 * rounds * threads
    assert all(totals[(("k", "own"), ("n", str(n)))] == rounds for n in range(threads))
    assert deltas == totals
    point = histogram_point(made, "h")
    assert point.count == sum(point.counts) == rounds * threads


def test_pending_values_are_bounded_without_any_collection() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    series = counter.bind({"k": "v"})
    for _ in range(10_000):
        counter.add(1, {"k": "v"})
        assert len(series.pending) <= 256
    assert values(made, "c") == {(("k", "v"),): 10_000}


def test_recording_from_a_signal_handler_and_a_finaliser_amid_folds_does_not_deadlock() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    recorded = 0

    class Dying:
        def __init__(self) -> None:
            self.itself = self  # only the collector of cycles frees it

        def __del__(self) -> None:
            nonlocal recorded
            recorded += 1
            counter.add(1, {"from": "finaliser", "n": str(recorded % 300)})

    def handler(*_: object) -> None:
        nonlocal recorded
        recorded += 1
        counter.add(1, {"from": "handler"})
        counter.bind({"from": "handler", "n": str(recorded % 300)})

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for turn in range(3000):
            Dying()
            counter.add(0, {"turn": str(turn % 500)})
            if turn % 50 == 0:
                made.collect()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    gc.collect()
    assert sum(values(made, "c").values()) == recorded > 3000


def test_series_beyond_the_limit_are_summed_in_the_overflow_series() -> None:
    told: list[str] = []
    made = MeterProvider(cardinality_limit=10, warn=told.append)
    counter = made.get_meter("m").create_counter("c")
    for number in range(100):
        counter.add(1, {"user": f"u{number}"})
        counter.add(1, {"user": f"u{number}"})
    found = values(made, "c")
    assert len(found) == 10
    assert found[(("otel.metric.overflow", True),)] == 2 * 91
    assert found[(("user", "u0"),)] == 2
    assert [text for text in told if "'c' has 10 series" in text] == told
    assert len(told) == 1


def test_what_is_remembered_of_attributes_is_bounded() -> None:
    made = provider(cardinality_limit=10)
    counter = made.get_meter("m").create_counter("c")
    keys = [f"k{number}" for number in range(8)]
    for turn in range(2000):  # ever new orders of one set, ever new values, ever new types
        counter.add(1, dict.fromkeys(keys[turn % 8 :] + keys[: turn % 8], "x"))
        counter.add(1, dict.fromkeys(keys[: 1 + turn % 8], turn))
        counter.add(1, {"v": [turn]})
    store = counter.store
    kept = len(store.aliases) + len(store._typed) + len(store._by_key)
    assert kept <= 10 * 6
    assert sum(values(made, "c").values()) == 6000


def test_redaction_sees_every_new_label_once_and_fails_closed() -> None:
    seen: list[str] = []

    def redact(key: str, value: Any) -> Any:
        seen.append(value)
        if value == "break":
            raise RuntimeError
        return "[redacted]" if "secret" in value else value

    made = provider(redact=redact)
    counter = made.get_meter("m").create_counter("c")
    for value in ("secret-1", "secret-1", "secret-2", "plain", "plain", "break"):
        counter.add(1, {"k": value})
    assert values(made, "c") == {(("k", "[redacted]"),): 4, (("k", "plain"),): 2}
    assert seen == ["secret-1", "secret-2", "plain", "break"]


def test_switched_off_instruments_and_bound_series_record_nothing_until_on_again() -> None:
    made = provider()
    meter = made.get_meter("m")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
    gauge, level = meter.create_gauge("g"), meter.create_up_down_counter("l")
    bound = counter.bind({"k": "v"})

    def use() -> None:
        counter.add(1)
        histogram.record(1)
        gauge.set(1)
        level.add(1)
        bound.add(1)
        counter.bind({"k": "new"}).add(1)
        histogram.bind().record(1)
        gauge.bind().set(1)
        level.bind().add(1)

    made.set_enabled(False)
    made.set_enabled(False)
    use()
    assert made.collect() == []
    late = meter.create_counter("late")
    late.add(1)
    made.set_enabled(True)
    late.add(1)
    use()
    assert values(made, "c") == {(): 1, (("k", "new"),): 1, (("k", "v"),): 1}
    assert values(made, "late") == {(): 1}
    assert histogram_point(made, "h").count == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_starts_from_zero_even_when_locks_were_held() -> None:
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    bound = counter.bind({"k": "v"})
    bound.add(5)
    made.collect()
    bound.add(1)
    read_end, write_end = os.pipe()
    with counter.store._folding, counter.store._creating, made._registering:
        child = os.fork()
        if child == 0:
            try:
                made.after_fork_in_child()
                bound.add(2)
                counter.add(3, {"k": "v"})
                made.get_meter("m").create_counter("new").add(1)
                os.write(write_end, repr(values(made, "c")).encode())
            finally:
                os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    assert answer.decode() == repr({(("k", "v"),): 5})
    assert values(made, "c") == {(("k", "v"),): 6}


def test_levels_and_gauges_survive_many_updates_and_odd_attributes() -> None:
    made = provider()
    meter = made.get_meter("m")
    level, gauge = meter.create_up_down_counter("l"), meter.create_gauge("g")
    histogram = meter.create_histogram("h")
    bound_level, bound_gauge = level.bind({"k": ["v"]}), gauge.bind({"k": ["v"]})
    for turn in range(1000):
        attributes: Any = {"k": ["v"]}
        level.add(1, attributes)
        bound_level.add(-2)
        gauge.set(turn, attributes)
        bound_gauge.set(turn + 0.5)
        histogram.record(turn, attributes)
    assert values(made, "l") == {(("k", ("v",)),): -1000}
    assert values(made, "g") == {(("k", ("v",)),): 999.5}
    assert histogram_point(made, "h").count == 1000
    assert max(len(s.pending) for s in (bound_level, bound_gauge)) == 0


def test_a_collection_does_not_wait_for_ever_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexobs.metrics.store._COLLECT_WAIT_S", 0.01)
    made = provider()
    counter = made.get_meter("m").create_counter("c")
    counter.add(1)
    made.collect()
    counter.add(1)
    with counter.store._folding:
        assert values(made, "c") == {(): 1}
    assert made.faults.counts["busy"] == 1
    assert values(made, "c") == {(): 2}


def test_a_warning_that_fails_harms_nobody() -> None:
    def broken(_: str) -> None:
        raise RuntimeError

    made = MeterProvider(warn=broken)
    counter = made.get_meter("m").create_counter("c")
    counter.add(-1)
    counter.add(1)
    assert values(made, "c") == {(): 1}
    assert made.faults.counts == {"negative": 1, "warn": 1}


def test_every_fault_is_counted_and_the_first_of_its_kind_is_told() -> None:
    told: list[str] = []
    made = MeterProvider(warn=told.append)
    counter = made.get_meter("m").create_counter("c")
    for _ in range(5):
        counter.add(-1)
    made.collect()
    assert made.faults.counts == {"negative": 5}
    (text,) = told
    assert text == (
        "instrument 'c': a counter cannot go down, so a negative amount was ignored (int)"
    )
