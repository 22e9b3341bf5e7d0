from __future__ import annotations

import numpy as np
import pytest

from alexobs.server.store.seen import Filter


def numbers(count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


@pytest.mark.parametrize("count", [1, 10, 1 << 20])
def test_the_filter_never_forgets(count: int) -> None:
    found = Filter(count)
    put = numbers(count, 1)
    for part in np.array_split(put, 3):
        found.add(part)
    assert found.maybe(put).all()


def test_the_filter_is_rarely_wrong() -> None:
    found = Filter(1 << 20)
    found.add(numbers(1 << 20, 1))
    assert found.maybe(numbers(1 << 18, 2)).mean() < 0.002


def test_bits_of_one_byte_are_all_set() -> None:
    found = Filter(1)
    close = np.arange(0, 2048, 8, dtype=np.uint64)  # the first places share bytes
    found.add(close)
    assert found.maybe(close).all()
