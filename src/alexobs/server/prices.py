"""The prices for what comes without: the bundled ones and those of the user's own file."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from alexobs.config.load import load
from alexobs.errors import AlexobsError
from alexobs.pricing import PriceBook, Prices

if TYPE_CHECKING:
    from alexobs.records import Usage


def server_prices() -> FollowedPrices | Prices:
    """Return prices that follow the file which the configuration names.

    What is wrong with it is said on standard error, and is no reason not to start.
    """
    try:
        path = load().pricing.overrides
    except AlexobsError as error:
        _tell(error)
        return Prices()
    return FollowedPrices(PriceBook(path, _tell, lenient=True))


class FollowedPrices:
    """Prices of a book that is looked into when a call is priced; for any thread."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._looking = threading.Lock()

    def cost(
        self,
        provider: str,
        model: str,
        usage: Usage,
        *,
        when_ns: int | None = None,
        response_model: str = "",
    ) -> Any:
        """Return what `Prices.cost` does, by the file as it is now."""
        if self._looking.acquire(blocking=False):  # one thread looks; the others do not wait
            try:
                self._book.poll()
            finally:
                self._looking.release()
        return self._book.prices.cost(
            provider, model, usage, when_ns=when_ns, response_model=response_model
        )


def _tell(error: AlexobsError) -> None:
    print(f"alexobs: your own prices are left as they were: {error}", file=sys.stderr)  # noqa: T201
