from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from alexobs.config.load import load
from alexobs.config.model import Config
from alexobs.config.save import save
from alexobs.config.watch import Watcher
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

OLD_NS = 1_000_000_000_000_000_000
"""A time stamp long ago, so that a file's look is trusted at once."""


class Watched:
    """A watcher of one file, its reports, and a clock that only the test moves."""

    def __init__(self, path: Path, environ: dict[str, str] | None = None) -> None:
        self.path = path
        self.changes: list[Config] = []
        self.errors: list[ConfigError] = []
        self.time_s = 100.0
        self.watcher = Watcher(
            path,
            self.changes.append,
            self.errors.append,
            environ=environ or {},
            clock=lambda: self.time_s,
        )
        self.pass_time()

    def write(self, text: str) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)

    def pass_time(self, polls: int = 3) -> None:
        for _ in range(polls):
            self.time_s += 1.0
            self.watcher.poll()

    @property
    def levels(self) -> list[str]:
        return [config.logging.level for config in self.changes]


def level(name: str) -> str:
    return f"observability:\n  logging:\n    level: {name}\n"


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    path = tmp_path / "config.yaml"
    path.write_text(level("info"), encoding="utf-8")
    return Watched(path)


def test_atomic_replacement_is_noticed_once(watched: Watched) -> None:
    watched.write(level("debug"))
    watched.pass_time()
    assert watched.levels == ["debug"]
    assert watched.watcher.current.logging.level == "debug"


def test_edit_in_place_is_noticed(watched: Watched) -> None:
    watched.path.write_text(level("warn"), encoding="utf-8")
    watched.pass_time()
    assert watched.levels == ["warn"]


def test_edit_with_the_same_size_and_time_stamp_is_noticed(watched: Watched) -> None:
    os.utime(watched.path, ns=(OLD_NS, OLD_NS))
    watched.pass_time()
    watched.path.write_text(level("warn"), encoding="utf-8")
    os.utime(watched.path, ns=(OLD_NS, OLD_NS))
    watched.pass_time()
    assert watched.levels == ["warn"]


def test_what_save_writes_is_noticed(watched: Watched) -> None:
    save(Config(enabled=False), watched.path)
    watched.pass_time()
    assert watched.changes == [Config(enabled=False)]


def test_nothing_is_read_before_it_is_time(watched: Watched) -> None:
    watched.write(level("debug"))
    assert not watched.watcher.poll()
    assert watched.changes == []


def test_a_file_half_written_is_not_taken(watched: Watched) -> None:
    watched.path.write_bytes(b"")  # an editor truncates, and writes a moment later
    watched.time_s += 1.0
    watched.watcher.poll()
    watched.path.write_text(level("debug"), encoding="utf-8")
    watched.pass_time()
    assert watched.levels == ["debug"]


def test_a_comment_changes_nothing(watched: Watched) -> None:
    watched.write(level("info") + "# a comment\nother: 1\n")
    watched.pass_time()
    assert watched.changes == []


def test_broken_content_keeps_the_last_good_and_is_reported_once(watched: Watched) -> None:
    watched.write(level("loud"))
    watched.pass_time(6)
    assert watched.changes == []
    assert watched.watcher.current.logging.level == "info"
    assert [error.problems[0].value for error in watched.errors] == ["loud"]
    assert watched.watcher.problem is watched.errors[0]
    watched.write("observability: [")
    watched.pass_time()
    assert len(watched.errors) == 2
    watched.write(level("info"))
    watched.pass_time()
    assert watched.changes == []
    assert watched.watcher.problem is None


def test_deletion_is_said_once_and_keeps_the_last_good(watched: Watched) -> None:
    watched.path.unlink()
    watched.pass_time(5)
    assert [str(error) for error in watched.errors] == [
        f"{watched.path} — deleted; the last good configuration stays in use"
    ]
    assert watched.watcher.current.logging.level == "info"
    watched.write(level("info"))
    watched.pass_time()
    assert watched.watcher.problem is None
    watched.write(level("error"))
    watched.pass_time()
    assert watched.levels == ["error"]


def test_a_file_that_comes_later(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config.yaml")
    assert watched.errors == []
    watched.write(level("debug"))
    watched.pass_time()
    assert watched.levels == ["debug"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_swapped_link_to_a_folder_is_noticed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(
            level("warn" if name == "two" else "info"), encoding="utf-8"
        )
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    watched = Watched(tmp_path / "config.yaml")
    (tmp_path / "..tmp").symlink_to("two")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    watched.pass_time()
    assert watched.levels == ["warn"]


def test_a_folder_in_the_files_place(watched: Watched) -> None:
    watched.path.unlink()
    watched.path.mkdir()
    watched.pass_time()
    assert [error.problems[0].expected for error in watched.errors] == [
        "is a directory, not a file"
    ]
    assert watched.watcher.current.logging.level == "info"


def test_environment_and_arguments_stay_above_the_file(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config.yaml", {"ALEX_LOGGING_LEVEL": "error"})
    watched.write(level("debug"))
    watched.pass_time()
    assert watched.changes == []
    assert watched.watcher.current.logging.level == "error"


def test_polling_now_reads_at_once_and_repeats_the_error(watched: Watched) -> None:
    watched.write(level("debug"))
    assert watched.watcher.poll(now=True)
    assert watched.levels == ["debug"]
    watched.write(level("loud"))
    assert not watched.watcher.poll(now=True)
    assert not watched.watcher.poll(now=True)
    assert len(watched.errors) == 2


def test_a_configuration_in_use_is_compared_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(level("info"), encoding="utf-8")
    current = load(path, environ={})
    path.write_text(level("debug"), encoding="utf-8")  # between the load and the first look
    changes: list[Config] = []
    errors: list[ConfigError] = []
    watcher = Watcher(path, changes.append, errors.append, current=current, environ={})
    assert watcher.poll(now=True)
    assert errors == []
    assert [config.logging.level for config in changes] == ["debug"]


def test_two_polls_at_once_are_one(watched: Watched) -> None:
    watched.write(level("debug"))
    results: list[bool] = []
    with watched.watcher._lock:
        watched.time_s += 1.0
        other = threading.Thread(target=lambda: results.append(watched.watcher.poll()))
        other.start()
        other.join()
    assert results == [False]


def test_polling_now_without_a_file(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config.yaml")
    assert not watched.watcher.poll(now=True)
    assert watched.errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_goes_on_watching(watched: Watched) -> None:
    with watched.watcher._lock:
        child = os.fork()
        if child == 0:
            watched.write(level("debug"))
            watched.pass_time()
            os._exit(0 if watched.levels == ["debug"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_broken_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(level("loud"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Watched(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
