"""The prices in use: the bundled ones and those of a file, read anew when the file changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from alexobs.config.followed import FollowedFile
from alexobs.errors import PriceError
from alexobs.pricing.prices import Prices

if TYPE_CHECKING:
    from collections.abc import Callable


class PriceBook:
    """Prices that follow their file; a broken file never replaces prices that work.

    Args:
        path: the user's own prices; need not exist.
        on_error: told once what is wrong with the file now, while the last good prices stay.
        lenient: begin with the bundled prices, and tell, when the file cannot be used.
        clock: seconds, for tests.

    Raises:
        PriceError: the file cannot be used; the message lists every problem.

    Attributes:
        prices: those to use now.
        problem: what is wrong with the file now, or an empty text.
    """

    def __init__(
        self,
        path: str | Path,
        on_error: Callable[[PriceError], None] | None = None,
        *,
        lenient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path).expanduser()
        self.problem = ""
        self._on_error = on_error
        try:
            self.prices = Prices.load(self.path)
        except PriceError as error:
            if not lenient:
                raise
            self.prices = Prices()
            self._report(error)
        self._file = FollowedFile(self.path, clock=clock)

    def poll(self, *, now: bool = False) -> bool:
        """Look at the file when it is time, and return whether the prices changed.

        Args:
            now: look and read at once.
        """
        if not (now or self._file.due) or not self._file.changed(now=now):
            return False
        try:
            found = self._read()
        except PriceError as error:
            self._report(error)
            return False
        self.problem = ""
        if found.overrides == self.prices.overrides:
            return False
        self.prices = found
        return True

    def _read(self) -> Prices:
        if self.prices.overrides.date and not self.path.exists():
            raise PriceError(f"{self.path}: deleted; the last good prices stay in use")
        return Prices.load(self.path)

    def _report(self, error: PriceError) -> None:
        told, self.problem = self.problem, str(error)
        if self._on_error is not None and told != self.problem:
            self._on_error(error)
