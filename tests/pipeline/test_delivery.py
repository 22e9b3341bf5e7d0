from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexobs.errors import SpoolError
from alexobs.pipeline.accounting import Accounting
from alexobs.pipeline.delivery import Delivery, Destination
from alexobs.pipeline.spool import Spool
from alexobs.records import Batch, SendResult, Signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alexobs.pipeline.ticket import Ticket

OK = SendResult(accepted=True)
BUSY = SendResult(accepted=False, retry=True, message="503")
BAD = SendResult(accepted=False, message="400")
LARGE = SendResult(accepted=False, too_large=True, message="413")


@dataclass
class Scripted:
    """A back end that answers by a rule and keeps what it accepted."""

    answer: Callable[[Batch], SendResult] = lambda _: OK
    encoding: str = "otlp"
    accepted: list[bytes] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    closed: int = 0

    def send(self, batch: Batch, timeout_s: float) -> SendResult:
        self.sent.append(batch.body)
        self.timeouts_s.append(timeout_s)
        result = self.answer(batch)
        if result.accepted:
            self.accepted.append(batch.body)
        return result

    def close(self) -> None:
        self.closed += 1


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


class World:
    """A delivery with everything around it at hand."""

    def __init__(self, directory: Path | None, *senders: Scripted, max_bytes: int = 10**8) -> None:
        self.clock = Clock()
        self.accounting = Accounting()
        self.created: Counter[Signal] = Counter()
        self.said: list[str] = []
        self.spool = Spool(directory, max_bytes=max_bytes, dropped=self.accounting.dropped)
        self.delivery = Delivery(
            [Destination(sender, halve) for sender in senders],
            self.spool,
            self.accounting,
            clock=self.clock,
            sleep=self.clock.sleep,
            draw=lambda: 1.0,
            say=self.said.append,
        )

    def submit(self, *bodies: bytes, signal: Signal = "traces", encoding: str = "otlp") -> None:
        for body in bodies:
            self.created[signal] += len(body)
            self.delivery.submit(Batch(signal, encoding, len(body), body))

    def run(self, seconds: float) -> None:
        """Drive it as the sending thread does."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            due = self.delivery.step(self.clock.now)
            self.clock.now = min(end, max(due, self.clock.now + 0.001))

    def check_identity(self) -> None:
        waiting = self.delivery.waiting()
        for signal, created in self.created.items():
            dropped = self.accounting.dropped_count[signal]
            exported = self.accounting.exported_count[signal]
            assert created == exported + dropped.total() + waiting.get(signal, 0), signal


def halve(batch: Batch) -> tuple[Batch, Batch] | None:
    middle = batch.count // 2
    return (
        Batch(batch.signal, batch.encoding, middle, batch.body[:middle]),
        Batch(batch.signal, batch.encoding, batch.count - middle, batch.body[middle:]),
    )


@pytest.fixture(params=["disk", "memory"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "disk" else None


def test_batches_arrive_once_and_in_order(directory: Path | None) -> None:
    sender = Scripted()
    world = World(directory, sender)
    world.submit(b"aa", b"b", b"ccc")
    assert world.delivery.waiting() == {"traces": 6}
    world.run(1)
    assert sender.sent == [b"aa", b"b", b"ccc"]
    assert world.accounting.exported_count == {"traces": 6}
    assert world.delivery.waiting() == {"traces": 0}


def test_a_back_end_that_is_down_is_tried_less_and_less_and_loses_nothing(
    directory: Path | None,
) -> None:
    up = False
    sender = Scripted(lambda _: OK if up else BUSY)
    world = World(directory, sender)
    bodies = [b"%02d" % i for i in range(20)]
    world.submit(*bodies)
    world.run(600)
    assert 15 <= len(sender.sent) <= 30
    up = True
    world.run(31)
    assert sorted(sender.accepted) == bodies
    # One other batch was tried in between, to find out whose fault it was.
    assert [body for body in sender.accepted if body != sender.accepted[0]] == [
        body for body in bodies if body != sender.accepted[0]
    ]
    world.check_identity()


def test_the_server_says_when(directory: Path | None) -> None:
    sender = Scripted(lambda _: BUSY._replace(retry_after_s=42.0))
    world = World(directory, sender)
    world.submit(b"a")
    world.run(42)
    assert len(sender.sent) == 1
    world.run(2)
    assert len(sender.sent) == 2


@pytest.mark.parametrize("expected", [True, False])
def test_nobody_at_an_address_that_nobody_has_chosen_is_no_alarm(
    tmp_path: Path, expected: bool
) -> None:
    nobody = SendResult(accepted=False, retry=True, message="x: refused", unreachable=True)
    sender = Scripted(lambda _: nobody)
    world = World(tmp_path, sender)
    where = Destination(sender, halve, address="http://localhost:4318", expected=expected)
    world.delivery.use([where])
    world.submit(b"a")
    world.run(200)
    alarms = [line for line in world.said if "trying again later" in line]
    assert len(alarms) == (4 if expected else 0)
    if not expected:
        (told,) = world.said
        assert told.startswith(f"no OTLP receiver at {where.address} yet; ")
        assert told.endswith(f"kept in {tmp_path} and sent when one starts")
        sender.answer = lambda _: SendResult(accepted=True)
        world.run(60)
        assert sender.accepted == [b"a"]
        sender.answer = lambda _: nobody
        world.submit(b"b")
        world.run(10)
        assert "trying again later" in world.said[1]


def test_a_poisoned_batch_does_not_block_the_rest(directory: Path | None) -> None:
    sender = Scripted(lambda batch: BUSY if batch.body.startswith(b"poison") else OK)
    world = World(directory, sender)
    world.submit(b"poison1", b"a", b"poison2", b"b", b"c")
    world.run(60)
    assert sender.accepted == [b"a", b"b", b"c"]
    world.submit(b"d")
    before = world.clock.now
    world.run(0.5)
    assert sender.accepted[-1] == b"d"
    assert world.clock.now - before < 1
    sent = len(sender.sent)
    world.run(3600)
    assert len(sender.sent) - sent <= 2 * 14, "it is tried again, but rarely"
    assert world.delivery.waiting() == {"traces": 14}
    world.check_identity()


def test_a_parked_batch_is_delivered_when_it_can_be(directory: Path | None) -> None:
    poisoned = True
    sender = Scripted(lambda batch: BUSY if poisoned and batch.body == b"x" else OK)
    world = World(directory, sender)
    world.submit(b"x", b"a", b"b")
    world.run(60)
    poisoned = False
    world.run(600)
    assert sorted(sender.accepted) == [b"a", b"b", b"x"]
    world.check_identity()


def test_a_sender_that_raises_is_a_sender_that_failed(directory: Path | None) -> None:
    def explode(batch: Batch) -> SendResult:
        raise RuntimeError("boom")

    sender = Scripted(explode)
    world = World(directory, sender)
    world.submit(b"a")
    world.run(1)
    assert "RuntimeError: boom" in world.said[0]
    assert world.delivery.waiting() == {"traces": 1}


def test_what_is_refused_is_dropped_and_said(directory: Path | None) -> None:
    sender = Scripted(lambda batch: BAD if batch.body == b"bad" else OK)
    world = World(directory, sender)
    world.submit(b"a", b"bad", b"b")
    world.run(1)
    assert sender.accepted == [b"a", b"b"]
    assert world.accounting.dropped_count["traces"] == {"refused": 3}
    assert world.said == ["otlp: 3 traces refused: 400"]
    world.check_identity()


@pytest.mark.parametrize(("said", "counted"), [(2, 2), (99, 3), (-1, 0)])
def test_partial_success(directory: Path | None, said: int, counted: int) -> None:
    sender = Scripted(lambda _: OK._replace(rejected=said))
    world = World(directory, sender)
    world.submit(b"abc", signal="logs")
    world.run(1)
    assert world.accounting.exported_count["logs"] == 3 - counted
    assert world.accounting.dropped_count["logs"].total() == counted
    world.check_identity()


def test_too_large_batches_are_halved_until_they_fit(directory: Path | None) -> None:
    sender = Scripted(lambda batch: LARGE if len(batch.body) > 2 or b"!" in batch.body else OK)
    world = World(directory, sender)
    world.submit(b"abcde!g", b"z")
    world.run(1)
    assert b"".join(sender.accepted) == b"abcdegz"
    assert world.accounting.dropped_count["traces"] == {"too_large": 1}
    world.check_identity()


def explode(batch: Batch) -> None:
    raise ValueError("not a message")


@pytest.mark.parametrize("split", [None, lambda _: None, explode])
def test_what_cannot_be_halved_is_dropped(
    split: Callable[[Batch], tuple[Batch, Batch] | None] | None,
) -> None:
    sender = Scripted(lambda _: LARGE)
    world = World(None)
    world.delivery.use([Destination(sender, split)])
    world.submit(b"abc")
    world.run(1)
    assert world.accounting.dropped_count["traces"] == {"too_large": 3}


def test_each_encoding_has_its_own_way(tmp_path: Path) -> None:
    otlp = Scripted(lambda _: BUSY)
    zipkin = Scripted(encoding="zipkin")
    world = World(tmp_path, otlp, zipkin)
    world.submit(b"a", signal="metrics")
    world.submit(b"b", b"c", encoding="zipkin")
    world.run(10)
    assert zipkin.accepted == [b"b", b"c"]
    assert world.delivery.waiting() == {"metrics": 1, "traces": 0}
    assert [(one.encoding, one.failures > 0) for one in world.delivery.status()] == [
        ("otlp", True),
        ("zipkin", False),
    ]


def test_two_destinations_of_one_encoding_share_the_signals(tmp_path: Path) -> None:
    leave(tmp_path, b"dead")
    spans, others = Scripted(), Scripted()
    only_spans: tuple[Signal, ...] = ("traces",)
    no_spans: tuple[Signal, ...] = ("logs", "metrics")
    world = World(tmp_path)
    world.delivery.use(
        [Destination(spans, halve, only_spans), Destination(others, halve, no_spans)]
    )
    world.submit(b"a", signal="traces")
    world.submit(b"b", signal="logs")
    world.submit(b"c", signal="metrics")
    world.run(5)
    assert (spans.accepted, others.accepted) == ([b"a", b"dead"], [b"b", b"c"])
    world.check_identity()


def test_a_batch_that_cannot_be_read_just_now_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Scripted()
    world = World(tmp_path, sender)
    world.submit(b"a")

    def no_descriptors(ticket: Ticket) -> None:
        raise SpoolError("Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(world.spool, "read", no_descriptors)
        world.run(0.5)
    assert sender.sent == []
    assert world.said == ["spool: Too many open files"]
    world.run(5)
    assert sender.accepted == [b"a"]
    world.check_identity()


def test_a_batch_that_is_lost_on_disk_is_accounted(tmp_path: Path) -> None:
    sender = Scripted()
    world = World(tmp_path, sender)
    world.submit(b"abc", b"d")
    assert world.spool.folder is not None
    segment = next(world.spool.folder.glob("*.seg"))
    segment.write_bytes(b"\0" * segment.stat().st_size)
    for ticket in list(world.spool._held.values()):
        world.spool._release(ticket)
    world.run(5)
    assert sender.sent == []
    assert world.accounting.dropped_count["traces"] == {"spool_lost": 4}
    world.check_identity()


def test_the_destination_goes_away_while_a_batch_is_on_its_way(tmp_path: Path) -> None:
    def go_away(batch: Batch) -> SendResult:
        world.delivery.use([])
        return OK

    world = World(tmp_path, Scripted(go_away))
    world.submit(b"a")
    world.run(5)
    assert world.accounting.exported_count["traces"] == 1
    world.check_identity()


def test_a_batch_given_up_while_its_halves_are_asked_for(tmp_path: Path) -> None:
    sender = Scripted()
    world = World(tmp_path, sender, max_bytes=100_000)

    def fill_up(batch: Batch) -> SendResult:
        if len(sender.sent) == 1:
            world.submit(*[bytes(60_000)] * 3)
            return LARGE
        return OK

    sender.answer = fill_up
    world.submit(b"a" * 60_000)
    world.run(1)
    world.check_identity()


def test_a_second_thread_does_not_send_beside_the_first(tmp_path: Path) -> None:
    world = World(tmp_path)

    def step_too(batch: Batch) -> SendResult:
        other = threading.Thread(target=lambda: again.append(world.delivery.step(7.0)))
        other.start()
        other.join()
        return OK

    again: list[float] = []
    sender = Scripted(step_too)
    world.delivery.use([Destination(sender)])
    world.submit(b"a", b"b")
    world.delivery.step(world.clock.now)
    assert again == [8.0]
    assert sender.sent == [b"a"]


def test_an_announcement_is_sent_once_and_not_accounted(tmp_path: Path) -> None:
    sender = Scripted(lambda _: BUSY)
    world = World(tmp_path, sender)
    world.delivery.announce(Batch("logs", "otlp", 1, b"running"))
    world.delivery.announce(Batch("logs", "zipkin", 1, b"nowhere to go"))
    world.run(100)
    assert sender.sent == [b"running"]
    assert world.delivery.waiting() == {}


def test_the_spool_gives_up_a_batch_that_is_being_sent(tmp_path: Path) -> None:
    sender = Scripted()
    world = World(tmp_path, sender, max_bytes=100_000)

    def fill_up(batch: Batch) -> SendResult:
        if len(sender.sent) == 1:
            world.submit(*[bytes(60_000)] * 3)
        return OK

    sender.answer = fill_up
    world.submit(b"a" * 60_000)
    world.run(1)
    world.check_identity()
    assert world.accounting.dropped_count["traces"]["spool_full"] == 180_000


def test_other_destinations_take_over_what_waits(tmp_path: Path) -> None:
    old = Scripted(lambda _: BUSY)
    world = World(tmp_path, old)
    world.submit(b"a", b"b")
    world.run(10)
    zipkin = Scripted(encoding="zipkin")
    world.delivery.use([Destination(zipkin)])
    assert old.closed == 1
    world.submit(b"c", encoding="zipkin")
    world.run(10)
    assert zipkin.accepted == [b"c"]
    assert world.delivery.waiting() == {"traces": 2}
    new = Scripted()
    world.delivery.use([Destination(new), Destination(zipkin)])
    assert zipkin.closed == 0
    world.run(10)
    assert new.accepted == [b"a", b"b"]
    world.check_identity()


def test_the_destination_changes_while_a_batch_is_on_its_way(tmp_path: Path) -> None:
    new = Scripted()

    def change(batch: Batch) -> SendResult:
        world.delivery.use([Destination(new)])
        return BUSY

    world = World(tmp_path, Scripted(change))
    world.submit(b"a")
    world.run(5)
    assert new.accepted == [b"a"]
    world.check_identity()


def test_draining_does_not_wait_for_what_is_safe_on_disk(tmp_path: Path) -> None:
    sender = Scripted(lambda _: BUSY)
    world = World(tmp_path, sender)
    world.submit(b"a", b"b")
    world.delivery.step(world.clock.now)
    before = world.clock.now
    world.delivery.drain(before + 5)
    assert world.clock.now == before
    assert len(sender.sent) == 2, "one more attempt, in spite of the backoff"


def test_draining_waits_for_what_is_only_in_memory() -> None:
    sender = Scripted(lambda _: OK if world.clock.now > 1004 else BUSY)
    world = World(None, sender)
    world.submit(b"a", b"b")
    world.delivery.drain(world.clock.now + 8)
    assert sorted(sender.accepted) == [b"a", b"b"]
    assert world.clock.now <= 1008


def test_draining_keeps_its_deadline() -> None:
    sender = Scripted(lambda _: BUSY)
    world = World(None, sender)
    world.submit(b"a")
    world.delivery.drain(world.clock.now + 5)
    assert world.clock.now == pytest.approx(1005, abs=0.01)
    assert max(sender.timeouts_s) <= 5
    world.delivery.close()
    assert world.accounting.dropped_count["traces"] == {"shutdown": 1}
    world.check_identity()


def test_draining_while_another_thread_hangs_keeps_its_deadline(tmp_path: Path) -> None:
    release, entered = threading.Event(), threading.Event()

    def hang(batch: Batch) -> SendResult:
        entered.set()
        release.wait(10)
        return OK

    sender = Scripted(hang)
    spool = Spool(tmp_path)
    delivery = Delivery([Destination(sender)], spool, Accounting())
    delivery.submit(Batch("traces", "otlp", 1, b"a"))
    thread = threading.Thread(target=delivery.step, args=(0.0,))
    thread.start()
    assert entered.wait(10)
    delivery.drain(delivery._clock() + 0.05)
    delivery.close()
    assert delivery.waiting() == {"traces": 1}
    release.set()
    thread.join()
    assert delivery.waiting() == {"traces": 1}, "too late to be noted; the next process replays it"


def leave(directory: Path, *bodies: bytes, encoding: str = "otlp", address: str = "") -> None:
    spool = Spool(directory)
    number = Destination(Scripted(encoding=encoding), address=address).number
    for body in bodies:
        spool.append(Batch("traces", encoding, len(body), body), destination=number)
    spool.close()


def test_the_dead_are_replayed_to_where_their_batches_were_for(tmp_path: Path) -> None:
    leave(tmp_path, b"ours", address="http://here")
    leave(tmp_path, b"theirs", address="http://there")
    sender = Scripted()
    world = World(tmp_path)
    world.delivery.use([Destination(sender, halve, address="http://here")])
    world.submit(b"own")
    world.run(100)
    assert sender.accepted == [b"own", b"ours"]
    world.delivery.replay_now(world.clock.now + 5, anywhere=True)
    assert sender.accepted == [b"own", b"ours", b"theirs"]


def test_what_no_later_process_is_to_have_stays_in_memory(tmp_path: Path) -> None:
    sender = Scripted(lambda _: BUSY)
    world = World(tmp_path)
    world.delivery.use([Destination(sender, spoolable=False)])
    world.submit(b"abc")
    world.run(10)
    assert list(tmp_path.iterdir()) == []
    world.delivery.close()
    assert world.accounting.dropped_count["traces"] == {"shutdown": 3}
    world.check_identity()


def test_the_dead_are_replayed_and_counted_apart(tmp_path: Path) -> None:
    leave(tmp_path, b"x1", b"x2")
    leave(tmp_path, b"y!", encoding="zipkin")
    leave(tmp_path, b"z1")
    sender = Scripted()
    world = World(tmp_path, sender)
    world.run(100)
    assert sender.sent == [], "not before a back end has shown that it works"
    world.submit(b"own")
    world.run(100)
    assert sorted(sender.accepted) == [b"own", b"x1", b"x2", b"z1"]
    assert world.accounting.exported_count["traces"] == 3
    assert world.accounting.replayed_count["traces"] == 6
    world.check_identity()
    world.delivery.close()
    assert len(list(tmp_path.iterdir())) == 1, "the one in another encoding stays"


def test_many_dead_are_replayed_a_few_at_a_time(tmp_path: Path) -> None:
    for i in range(30):
        leave(tmp_path, b"%d" % i)
    sender = Scripted()
    world = World(tmp_path, sender)
    world.submit(b"own")
    world.run(5)
    assert len(sender.accepted) == 31
    world.delivery.close()
    assert list(tmp_path.iterdir()) == []


def test_the_last_drain_replays_too(tmp_path: Path) -> None:
    leave(tmp_path, b"dead")
    sender = Scripted()
    world = World(tmp_path, sender)
    world.submit(b"own")
    world.delivery.drain(world.clock.now + 5)
    assert sender.accepted == [b"own", b"dead"]


def test_a_dead_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    leave(tmp_path, b"abcde!g")
    sender = Scripted(lambda batch: LARGE if len(batch.body) > 2 or b"!" in batch.body else OK)
    world = World(tmp_path, sender)
    world.submit(b"o")
    world.run(5)
    assert b"".join(sender.accepted) == b"oabcdeg"
    assert world.accounting.replayed_count["traces"] == 6
    assert world.delivery.replay.lost == {"too_large": 1}
    world.check_identity()
    world.delivery.close()
    assert list(tmp_path.iterdir()) == []


def test_a_dead_batch_that_is_refused_is_lost_apart(tmp_path: Path) -> None:
    leave(tmp_path, b"bad")
    sender = Scripted(lambda batch: BAD if batch.body == b"bad" else OK)
    world = World(tmp_path, sender)
    world.submit(b"o")
    world.run(5)
    assert world.delivery.replay.lost == {"refused": 3}
    world.check_identity()


def test_a_dead_batch_in_the_way_of_fork_and_close(tmp_path: Path) -> None:
    leave(tmp_path, b"dead", b"more")
    sender = Scripted(lambda batch: BUSY if batch.body == b"dead" else OK)
    world = World(tmp_path, sender)
    world.submit(b"own")
    world.run(100)
    world.delivery.close()
    other = World(tmp_path, Scripted())
    other.submit(b"own")
    other.run(100)
    assert other.accounting.replayed_count["traces"] == 4


def test_submitting_after_the_end_is_accounted(directory: Path | None) -> None:
    sender = Scripted()
    world = World(directory, sender)
    world.delivery.close()
    world.submit(b"ab")
    assert world.accounting.dropped_count["traces"] == {"shutdown": 2}
    world.delivery.close()
    assert sender.closed == 1


def test_after_a_fork_the_child_sends_only_its_own() -> None:
    parent = Scripted()
    world = World(None, parent)
    world.submit(b"parent")
    world.delivery.after_fork()
    child = Scripted()
    world.delivery.use([Destination(child)])
    world.delivery.submit(Batch("traces", "otlp", 1, b"child"))
    world.run(1)
    assert (parent.sent, parent.closed, child.accepted) == ([], 0, [b"child"])


def test_an_alexobs_server_makes_itself_known(tmp_path: Path) -> None:
    world = World(tmp_path, Scripted(lambda _: OK._replace(alexobs_server=True)))
    assert not world.delivery.alexobs_server
    world.submit(b"a")
    world.run(1)
    assert world.delivery.alexobs_server


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("submit"), st.integers(1, 9)),
            st.tuples(st.just("run"), st.integers(1, 40)),
            st.tuples(st.just("drain"), st.integers(1, 5)),
        ),
        max_size=25,
    ),
    answers=st.lists(
        st.sampled_from([OK, OK, OK, BUSY, BAD, LARGE, OK._replace(rejected=1)]), max_size=40
    ),
)
def test_the_identity_holds_whatever_happens(
    steps: list[tuple[str, int]], answers: list[SendResult]
) -> None:
    waiting = list(answers)
    sender = Scripted(lambda _: waiting.pop() if waiting else OK)
    world = World(None, sender)
    for what, amount in steps:
        if what == "submit":
            world.submit(bytes(amount))
        elif what == "run":
            world.run(amount)
        else:
            world.delivery.drain(world.clock.now + amount)
        world.check_identity()
    world.run(4000)
    assert not any(world.delivery.waiting().values())
    world.check_identity()
    assert sum(map(len, sender.accepted)) >= world.accounting.exported_count["traces"]
