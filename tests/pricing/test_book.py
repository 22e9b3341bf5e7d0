"""Prices that follow their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alexobs.errors import PriceError
from alexobs.pricing import PriceBook

if TYPE_CHECKING:
    from pathlib import Path


class Followed:
    """A book of one file, its reports, and a clock that only the test moves."""

    def __init__(self, path: Path) -> None:
        self.time_s = 100.0
        self.errors: list[PriceError] = []
        self.book = PriceBook(path, self.errors.append, clock=lambda: self.time_s)
        self.pass_time()

    def pass_time(self) -> int:
        changes = 0
        for _ in range(3):
            self.time_s += 1.0
            changes += self.book.poll()
        return changes

    @property
    def usd(self) -> float | None:
        cost = self.book.prices.estimate("mine", input_tokens=1_000_000)
        return None if cost is None else cost.usd


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{model: mine, input: 1}]")
    return path


def test_a_change_is_seen_once(file: Path) -> None:
    followed = Followed(file)
    assert followed.usd == 1.0
    file.write_text("prices: [{model: mine, input: 2}]")
    assert followed.pass_time() == 1
    assert followed.usd == 2.0
    assert followed.pass_time() == 0


def test_a_file_that_appears_is_read(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "prices.yaml")
    assert followed.usd is None
    (tmp_path / "prices.yaml").write_text("prices: [{model: mine, input: 2}]")
    assert followed.pass_time() == 1
    assert followed.usd == 2.0


def test_a_broken_file_changes_nothing_and_is_told_once(file: Path) -> None:
    followed = Followed(file)
    file.write_text("prices: [{model: mine, inpt: 2}]")
    assert followed.pass_time() == followed.pass_time() == 0
    assert followed.usd == 1.0
    assert ["inpt" in str(error) for error in followed.errors] == [True]
    assert "inpt" in followed.book.problem
    file.write_text("prices: [{model: mine, input: 3}]")
    followed.pass_time()
    assert (followed.usd, followed.book.problem) == (3.0, "")


def test_a_deleted_file_changes_nothing_and_is_told_once(file: Path) -> None:
    followed = Followed(file)
    file.unlink()
    followed.pass_time()
    followed.pass_time()
    assert followed.usd == 1.0
    assert ["deleted" in str(error) for error in followed.errors] == [True]


def test_a_broken_file_at_the_start_is_refused(file: Path) -> None:
    file.write_text("prices: 1")
    with pytest.raises(PriceError, match="expected a list"):
        PriceBook(file)
