from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alexobs.pipeline import folder as folder_module
from alexobs.pipeline import segment as segment_module
from alexobs.pipeline.adoption import AdoptedSpool, adopt, process_folders, scan, trim
from alexobs.pipeline.spool import Spool
from alexobs.records import Batch, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.pipeline.frames import Frame
    from alexobs.pipeline.ticket import Ticket

HOUR_NS = 3_600_000_000_000


class Drops(list[tuple[Signal, str, int]]):
    def __call__(self, signal: Signal, reason: str, count: int) -> None:
        self.append((signal, reason, count))

    def total(self, reason: str) -> int:
        return sum(count for _, why, count in self if why == reason)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def drops() -> Drops:
    return Drops()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def spool(tmp_path: Path, drops: Drops, clock: Clock, said: list[str]) -> Iterator[Spool]:
    made = Spool(
        tmp_path / "spool",
        max_bytes=1_000_000,
        max_age_s=3600,
        memory_max_bytes=10_000,
        dropped=drops,
        say=said.append,
        clock_ns=clock,
    )
    yield made
    made.close()


def is_otlp(frame: Frame) -> bool:
    return frame.encoding == "otlp"


def batch(body: bytes, count: int = 1, signal: Signal = "traces", encoding: str = "otlp") -> Batch:
    return Batch(signal, encoding, count, body)


def left_behind(spool: Spool, drops: Drops) -> AdoptedSpool:
    """Take the spool over as if its process had been killed."""
    assert spool.folder is not None
    path = spool.folder
    spool._folder.forget()  # type: ignore[union-attr]
    adopted = AdoptedSpool.claim(path, drops)
    assert adopted is not None
    return adopted


def bodies(adopted: AdoptedSpool) -> list[bytes]:
    found = [adopted.read(ticket) for ticket in adopted.tickets]
    return [one.body for one in found if one is not None]


def test_nothing_is_made_before_the_first_batch(spool: Spool, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir()) == []
    spool.append(batch(b"a"))
    assert spool.folder is not None


def test_a_batch_reads_back_and_is_forgotten_when_acknowledged(spool: Spool) -> None:
    ticket = spool.append(batch(b"body", 3, "logs"))
    assert spool.read(ticket) == batch(b"body", 3, "logs")
    assert spool.pending()["logs"] == (1, 3, 4)
    spool.ack(ticket)
    spool.ack(ticket)
    assert spool.pending()["logs"] == (0, 0, 0)


def test_a_killed_process_leaves_what_was_not_delivered(spool: Spool, drops: Drops) -> None:
    tickets = [spool.append(batch(b"body %d" % i, i)) for i in range(1, 6)]
    spool.ack(tickets[1])
    spool.ack(tickets[4])
    adopted = left_behind(spool, drops)
    assert bodies(adopted) == [b"body 1", b"body 3", b"body 4"]
    assert [ticket.frame.records for ticket in adopted.tickets] == [1, 3, 4]
    assert adopted.damaged_bytes == 0
    adopted.close()


def test_an_adopter_that_dies_leaves_the_rest_to_the_next(spool: Spool, drops: Drops) -> None:
    for i in range(3):
        spool.append(batch(b"%d" % i))
    first = left_behind(spool, drops)
    first.ack(first.tickets[0])
    first._folder.forget()
    second = AdoptedSpool.claim(first.path, drops)
    assert second is not None
    assert bodies(second) == [b"1", b"2"]
    for ticket in second.tickets:
        second.ack(ticket)
    second.close()
    assert not first.path.exists()


def test_a_clean_end_with_nothing_waiting_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    spool.ack(spool.append(batch(b"a")))
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_clean_end_leaves_what_waits(spool: Spool, tmp_path: Path, drops: Drops) -> None:
    spool.append(batch(b"a"))
    spool.close()
    (adopted,) = adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops)
    assert bodies(adopted) == [b"a"]
    adopted.close()


def test_a_living_process_keeps_its_spool(spool: Spool, tmp_path: Path, drops: Drops) -> None:
    spool.append(batch(b"a"))
    assert adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops) == []
    assert [listing.live for listing in scan(tmp_path / "spool")] == [True]


def test_only_one_process_adopts(spool: Spool, tmp_path: Path, drops: Drops) -> None:
    spool.append(batch(b"a"))
    adopted = left_behind(spool, drops)
    assert adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops) == []
    adopted.close()
    again = adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops)
    assert [bodies(one) for one in again] == [[b"a"]]
    again[0].close()


def test_a_spool_of_another_encoding_stays(spool: Spool, tmp_path: Path, drops: Drops) -> None:
    spool.append(batch(b"a", encoding="zipkin"))
    spool.close()
    assert adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops) == []
    (listing,) = scan(tmp_path / "spool")
    assert listing.waiting == {"zipkin": {"traces": (1, 1, 1)}}


def test_few_spools_are_adopted_at_once_and_the_oldest_first(
    tmp_path: Path, drops: Drops, clock: Clock
) -> None:
    for i in range(5):
        clock.now_ns += HOUR_NS
        one = Spool(tmp_path, clock_ns=clock)
        one.append(batch(b"%d" % i))
        one.close()
    adopted = adopt(tmp_path, wanted=is_otlp, dropped=drops, limit=2)
    assert [bodies(one) for one in adopted] == [[b"0"], [b"1"]]
    for taken in adopted:
        taken.close()


def test_the_oldest_batches_go_when_the_disk_share_is_used_up(spool: Spool, drops: Drops) -> None:
    tickets = [spool.append(batch(bytes(30_000), 2)) for _ in range(50)]
    waiting = [ticket for ticket in tickets if ticket.state == "waiting"]
    assert waiting == tickets[-len(waiting) :]
    assert 25 <= len(waiting) <= 33
    assert drops.total("spool_full") == 2 * (50 - len(waiting))
    assert spool.folder is not None
    assert sum(file.stat().st_size for file in spool.folder.iterdir()) <= 1_000_000


def test_delivered_batches_give_their_space_back(spool: Spool, drops: Drops) -> None:
    for _ in range(200):
        spool.ack(spool.append(batch(bytes(30_000))))
    assert spool.folder is not None
    assert sum(file.stat().st_size for file in spool.folder.iterdir()) <= 300_000
    assert drops == []


def test_old_batches_expire(spool: Spool, drops: Drops, clock: Clock) -> None:
    old = spool.append(batch(b"a", 4))
    clock.now_ns += HOUR_NS // 2
    young = spool.append(batch(b"b"))
    clock.now_ns += HOUR_NS // 2 + 1
    spool.expire()
    assert (old.state, young.state) == ("dropped", "waiting")
    assert drops == [("traces", "spool_age", 4)]


def test_many_bodies_are_read_back_from_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    body = bytes(1_000_000)
    tickets = [spool.append(batch(b"%02d" % i + body)) for i in range(20)]
    in_memory = sum(ticket.body is not None for ticket in tickets)
    assert in_memory <= 8
    for i, ticket in enumerate(tickets):
        found = spool.read(ticket)
        assert found is not None
        assert found.body[:2] == b"%02d" % i
        spool.ack(ticket)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_files_are_for_their_user_alone(spool: Spool) -> None:
    spool.append(batch(b"a"))
    assert spool.folder is not None
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in spool.folder.iterdir()} == {0o600}


def test_a_batch_larger_than_the_disk_share_waits_in_memory(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    ticket = spool.append(batch(bytes(2000)))
    assert spool.read(ticket) == batch(bytes(2000))
    assert not spool.durable


def test_without_a_folder_everything_waits_in_memory(drops: Drops) -> None:
    spool = Spool(None, memory_max_bytes=100, dropped=drops)
    tickets = [spool.append(batch(bytes(40), 2)) for _ in range(4)]
    assert [ticket.state for ticket in tickets] == ["dropped", "dropped", "waiting", "waiting"]
    assert drops == [("traces", "memory_full", 2)] * 2
    spool.close()
    assert drops[2:] == [("traces", "shutdown", 2)] * 2


def full_disk(fd: int, parts: list[bytes], offset: int) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_once_and_survived(
    spool: Spool, said: list[str], drops: Drops, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", full_disk)
        tickets = [spool.append(batch(b"%d" % i)) for i in range(3)]
    assert len(said) == 1
    assert "No space left" in said[0]
    assert spool.trouble == "No space left on device"
    assert not spool.durable
    spool.expire()
    assert not spool.durable, "the disk is left in peace for a while"
    clock.now_ns += 31_000_000_000
    spool.expire()
    assert spool.durable
    assert spool.trouble == ""
    assert bodies(left_behind(spool, drops)) == [b"0", b"1", b"2"]
    assert [ticket.state for ticket in tickets] == ["waiting"] * 3


def test_a_half_written_frame_is_taken_back(
    spool: Spool, clock: Clock, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(batch(b"before"))

    def half(fd: int, parts: list[bytes], offset: int) -> int:
        return os.pwrite(fd, b"".join(parts)[:90], offset)

    def fail(fd: int, data: bytes) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", half)
        patched.setattr(os, "write", fail)
        spool.append(batch(bytes(500)))
    clock.now_ns += 31_000_000_000
    spool.append(batch(b"after"))
    adopted = left_behind(spool, drops)
    assert bodies(adopted) == [b"before", b"after"]
    assert adopted.damaged_bytes == 0


def test_memory_is_bounded_when_the_disk_fails(
    spool: Spool, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwritev", full_disk)
    for _ in range(20):
        spool.append(batch(bytes(1000), 1))
    assert drops == [("traces", "memory_full", 1)] * 10
    assert spool.pending()["traces"] == (10, 10, 10_000)


def test_a_folder_that_cannot_be_made_is_survived(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "spool", say=said.append)
    ticket = spool.append(batch(b"a"))
    assert spool.read(ticket) == batch(b"a")
    assert len(said) == 1
    assert str(tmp_path) in said[0]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_a_file_system_without_locks_is_survived(
    spool: Spool, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(fd: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(folder_module, "_lock_fd", no_locks)
    before = len(list(Path("/proc/self/fd").iterdir()))
    ticket = spool.append(batch(b"a"))
    assert spool.read(ticket) == batch(b"a")
    assert "No locks available" in said[0]
    assert list((tmp_path / "spool").iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_spool_folder_that_somebody_emptied_is_half_made(tmp_path: Path, drops: Drops) -> None:
    path = tmp_path / "1-2-3"
    path.mkdir(mode=0o700)
    trim(tmp_path, max_bytes=1, max_age_s=1, now_ns=1, dropped=drops)
    assert path.exists(), "its owner may be about to lock it"
    os.utime(path, (1_000_000, 1_000_000))
    trim(tmp_path, max_bytes=1, max_age_s=1, now_ns=1, dropped=drops)
    assert not path.exists()


def test_a_deleted_folder_is_made_again_and_loses_nothing(
    spool: Spool, said: list[str], drops: Drops
) -> None:
    first = spool.append(batch(b"a"))
    assert spool.folder is not None
    gone = spool.folder
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()
    second = spool.append(batch(b"b"))
    assert spool.read(first) == batch(b"a")
    assert spool.read(second) == batch(b"b")
    assert spool.folder is not None
    assert spool.folder.exists()
    assert drops == []
    assert "was deleted" in said[0]
    spool.expire()
    assert bodies(left_behind(spool, drops)) == [b"b", b"a"]


def test_a_segment_that_vanished_is_accounted(tmp_path: Path, drops: Drops) -> None:
    spool = Spool(tmp_path, max_bytes=100_000_000, dropped=drops)
    tickets = [spool.append(batch(bytes(5_000_000), 7)) for _ in range(4)]
    tickets[0].body = None
    assert spool.folder is not None
    min(spool.folder.glob("*.seg")).unlink()
    assert spool.read(tickets[0]) is None
    assert drops == [("traces", "spool_lost", 7)]
    spool.ack(tickets[1])
    spool.close()


def test_running_out_of_descriptors_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    ticket = spool.append(batch(b"a"))
    spool._release(ticket)

    def no_more(*_: object) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(segment_module, "_read_at", no_more)
        with pytest.raises(Exception, match="Too many open files"):
            spool.read(ticket)
    assert spool.read(ticket) == batch(b"a")


def test_systems_without_positioned_io(
    tmp_path: Path, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pwritev")
    monkeypatch.delattr(os, "pread")
    monkeypatch.setattr(os, "supports_dir_fd", set())
    spool = Spool(tmp_path, dropped=drops)
    tickets = [spool.append(batch(b"%d" % i * 1000)) for i in range(3)]
    spool.ack(tickets[0])
    spool._release(tickets[1])
    assert spool.read(tickets[1]) == batch(b"1" * 1000)
    adopted = left_behind(spool, drops)
    assert bodies(adopted) == [b"1" * 1000, b"2" * 1000]
    for ticket in adopted.tickets:
        adopted.ack(ticket)
    adopted.close()
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    spool.append(batch(b"a"))
    assert spool._folder is not None
    (spool._folder.path / "x").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        spool._folder.open("x", os.O_RDWR)


def test_a_link_in_the_place_of_a_process_folder_is_left_alone(
    tmp_path: Path, drops: Drops
) -> None:
    other = Spool(tmp_path / "other")
    other.append(batch(b"a"))
    path = other.folder
    other.close()
    (tmp_path / "spool").mkdir()
    assert path is not None
    (tmp_path / "spool" / path.name).symlink_to(path)
    assert process_folders(tmp_path / "spool") == []
    assert AdoptedSpool.claim(tmp_path / "spool" / path.name, drops) is None


def test_a_folder_that_others_can_read_is_left_alone(
    spool: Spool, tmp_path: Path, drops: Drops
) -> None:
    spool.append(batch(b"a"))
    assert spool.folder is not None
    path = spool.folder
    spool.close()
    path.chmod(0o755)
    assert AdoptedSpool.claim(path, drops) is None


def test_foreign_and_newer_files_are_named_and_left_alone(
    spool: Spool, tmp_path: Path, drops: Drops
) -> None:
    spool.append(batch(b"a"))
    assert spool.folder is not None
    path = spool.folder
    newer = f"00000009-{'0' * 16}.v2.seg"
    (path / newer).write_bytes(b"from the future")
    (path / "notes.txt").write_text("mine")
    (path / f"00000010-{'0' * 16}.v1.seg").write_bytes(b"")
    adopted = left_behind(spool, drops)
    assert adopted.left_alone == [newer, "notes.txt"]
    assert bodies(adopted) == [b"a"]
    adopted.ack(adopted.tickets[0])
    adopted.close()
    assert sorted(file.name for file in path.iterdir()) == sorted([newer, "notes.txt", "lock"])
    (listing,) = scan(tmp_path / "spool")
    assert listing.left_alone == [newer, "notes.txt"]


def test_garbage_with_the_right_name_is_counted_and_removed(
    spool: Spool, tmp_path: Path, drops: Drops
) -> None:
    spool.append(batch(b"a"))
    assert spool.folder is not None
    (spool.folder / f"00000009-{'0' * 16}.v1.seg").write_bytes(os.urandom(5000))
    adopted = left_behind(spool, drops)
    assert adopted.damaged_bytes == 5000
    assert bodies(adopted) == [b"a"]
    adopted.ack(adopted.tickets[0])
    adopted.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_damaged_body_is_accounted_when_it_is_read(spool: Spool, drops: Drops) -> None:
    tickets = [spool.append(batch(b"x" * 100, 5)), spool.append(batch(b"y" * 100))]
    assert spool.folder is not None
    file = next(spool.folder.glob("*.seg"))
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    for ticket in tickets:
        spool._release(ticket)
    assert spool.read(tickets[0]) is None
    assert spool.read(tickets[1]) == batch(b"y" * 100)
    assert drops == [("traces", "spool_lost", 5)]


def test_trim_drops_what_is_old_and_what_is_too_much(
    tmp_path: Path, drops: Drops, clock: Clock
) -> None:
    for i in range(4):
        one = Spool(tmp_path, clock_ns=clock)
        one.append(batch(bytes(10_000), i + 1))
        one.close()
        clock.now_ns += HOUR_NS
    trim(tmp_path, max_bytes=25_000, max_age_s=1e9, now_ns=clock.now_ns, dropped=drops)
    assert sorted(drops) == [("traces", "spool_full", 1), ("traces", "spool_full", 2)]
    drops.clear()
    trim(tmp_path, max_bytes=25_000, max_age_s=5400, now_ns=clock.now_ns, dropped=drops)
    assert drops == [("traces", "spool_age", 3)]
    assert len(process_folders(tmp_path)) == 1


def test_two_batches_take_the_place_of_one(spool: Spool, drops: Drops) -> None:
    whole = spool.append(batch(b"ab", 2))
    first, second = spool.replace(whole, (batch(b"a"), batch(b"b")))
    assert [spool.read(first), spool.read(second)] == [batch(b"a"), batch(b"b")]
    assert spool.pending()["traces"] == (2, 2, 2)
    assert bodies(left_behind(spool, drops)) == [b"a", b"b"]


def test_replacing_under_pressure_accounts_every_record_once(tmp_path: Path, drops: Drops) -> None:
    spool = Spool(tmp_path, max_bytes=200_000, dropped=drops)
    whole = spool.append(batch(bytes(150_000), 10))
    halves = spool.replace(whole, (batch(bytes(75_000), 5), batch(bytes(75_000), 5)))
    waiting = sum(ticket.frame.records for ticket in halves if ticket.state == "waiting")
    assert waiting + sum(count for *_, count in drops) == 10
    assert spool.pending()["traces"].records == waiting


def fork_and_run(spool: Spool, tickets: list[Ticket]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            spool.after_fork()
            parts = [spool.pending(), spool.folder]
            spool.append(batch(b"child"))
            ok = parts == [{}, None]
            os._exit(0 if ok else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_a_spool_of_its_own(spool: Spool, tmp_path: Path, drops: Drops) -> None:
    ticket = spool.append(batch(b"parent"))
    assert fork_and_run(spool, [ticket]) == 0
    assert spool.read(ticket) == batch(b"parent")
    (child,) = adopt(tmp_path / "spool", wanted=is_otlp, dropped=drops)
    assert bodies(child) == [b"child"]
    child.close()
    assert bodies(left_behind(spool, drops)) == [b"parent"]


def test_appending_in_a_child_that_nobody_told(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(batch(b"parent"))
    before = spool.folder
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    ticket = spool.append(batch(b"child"))
    assert spool.folder != before
    assert spool.pending()["traces"].records == 1
    spool.ack(ticket)


def test_nothing_is_added_after_a_frame_that_could_not_be_taken_back(
    spool: Spool, clock: Clock, drops: Drops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_then_fail(fd: int, parts: list[bytes], offset: int) -> int:
        os.pwrite(fd, b"".join(parts)[:90], offset)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def fail(fd: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", half_then_fail)
        patched.setattr(os, "ftruncate", fail)
        spool.append(batch(bytes(500)))
    clock.now_ns += 31_000_000_000
    spool.append(batch(b"after"))
    adopted = left_behind(spool, drops)
    assert bodies(adopted) == [b"after"]
    assert adopted.damaged_bytes == 90
