"""What both transports do with a request: check, queue, wait until it is committed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from alexobs.server.ingest.writer import FullError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from alexobs.records import Signal
    from alexobs.server.ingest.decode import Checked, Checker
    from alexobs.server.ingest.writer import Writer

MAX_BODY_BYTES: Final = 32 << 20  # as sent, and again when decompressed
RETRY_AFTER_S: Final = 1
COMMIT_TIMEOUT_S: Final = 30.0


class Intake:
    """The way in. Counts what came, for the server's own figures."""

    def __init__(self, checker: Checker, writer: Writer, *, max_body: int = MAX_BODY_BYTES) -> None:
        self.checker = checker
        self.writer = writer
        self.max_body = max_body
        self.started = time.time()
        self.requests: dict[str, int] = {}
        self.records: dict[str, int] = {}
        self.rejected: dict[str, int] = {}

    def take(self, signal: Signal, body: bytes) -> tuple[Checked, Future[None]]:
        """Return the checked request and the future of its commit.

        Raises:
            BadRequestError: it can never be taken.
            FullError: it cannot be taken now.
        """
        if not self.writer.has_room(len(body)):
            self.count(self.requests, "refused", 1)
            raise FullError
        checked = self.checker.check(signal, body)
        return self.queue(checked, len(body))

    def queue(self, checked: Checked, size: int) -> tuple[Checked, Future[None]]:
        """Return a request that was checked and the future of its commit."""
        done = self.writer.submit(checked, size)
        self.count(self.requests, checked.signal, 1)
        self.count(self.records, checked.signal, checked.records)
        self.count(self.rejected, checked.signal, checked.rejected)
        return checked, done

    @staticmethod
    def count(counter: dict[str, int], name: str, number: int) -> None:
        """Add to a figure; a lost count under a race is bearable, a lock on the way in is not."""
        if number:
            counter[name] = counter.get(name, 0) + number
