"""A batch that waits for delivery, wherever its body is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from alexobs.pipeline.frames import Frame
    from alexobs.pipeline.segment import Segment
    from alexobs.records import Batch


class Ticket:
    """Stands for one batch until it is delivered or given up.

    ``state`` is ``waiting``, ``done`` (delivered or refused) or ``dropped`` (the spool gave it
    up, and has said so). While it waits, its body is in ``body``, in ``segment``, or in both.
    A ``volatile`` one is never put on disk.
    """

    __slots__ = ("body", "frame", "segment", "state", "volatile")

    def __init__(
        self,
        frame: Frame,
        *,
        body: bytes | None = None,
        segment: Segment | None = None,
        volatile: bool = False,
    ) -> None:
        self.frame = frame
        self.body = body
        self.segment = segment
        self.volatile = volatile
        self.state: Literal["waiting", "done", "dropped"] = "waiting"


class Store(Protocol):
    """What keeps tickets: the spool of this process, or one taken over from a dead one."""

    def read(self, ticket: Ticket) -> Batch | None:
        """Return the batch, or None when it is lost, which is accounted already.

        Raises:
            SpoolError: it cannot be read just now.
        """
        ...

    def ack(self, ticket: Ticket) -> None:
        """Forget a batch that was delivered or refused."""
        ...
