"""The common part of the back ends that tests send telemetry to: receive, keep, misbehave."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from alexobs.testing.loopback import LoopbackServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Fault:
    """How a sink treats a request it does not simply accept.

    Attributes:
        status: HTTP status of the answer; 200 accepts.
        body: answer's body.
        headers: answer's further headers.
        retry_after_s: value of ``Retry-After``.
        delay_s: pause before the answer.
        reset: reset the connection instead of answering.
        rejected: records refused by a partial success (OTLP only).
        message: error message, where the protocol has a place for one.
        keep: whether the records count as received.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    delay_s: float = 0.0
    reset: bool = False
    rejected: int = 0
    message: str = ""
    keep: bool = False


@dataclass(frozen=True, slots=True)
class SinkRequest:
    """One request as it arrived, and the HTTP status it got (0: the connection was reset)."""

    http: Request
    status: int
    accepted: bool


class Sink:
    """A back end on loopback that keeps what it accepts and fails as it is told.

    Faults are used in order, one per request; when none is left, requests are accepted.
    """

    def __init__(self, *, port: int = 0) -> None:
        self._changed = threading.Condition()
        self._faults: deque[Fault] = deque()
        self._lasting: Fault | None = None
        self._requests: list[SinkRequest] = []
        self._server: LoopbackServer | None = LoopbackServer(self._serve, port=port)
        self._port = self._server.port

    # -- where it is -----------------------------------------------------------------------------
    @property
    def port(self) -> int:
        """The port, which stays the same over `stop` and `start`."""
        return self._port

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """Go down: connections are refused until `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def start(self) -> None:
        """Come back on the same port."""
        if self._server is None:
            self._server = LoopbackServer(self._serve, port=self._port)

    def close(self) -> None:
        """Stop for good."""
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- misbehaviour ----------------------------------------------------------------------------
    def faults(self, *faults: Fault, times: int | None = 1) -> Self:
        """Append faults, `times` over; ``times=None`` lets the last of them last."""
        with self._changed:
            if times is None:
                *faults_once, self._lasting = faults
                self._faults.extend(faults_once)
            else:
                self._faults.extend(faults * times)
        return self

    def fail(
        self, status: int, *, retry_after_s: float | None = None, times: int | None = 1
    ) -> Self:
        """Refuse requests with an HTTP status."""
        return self.faults(Fault(status, retry_after_s=retry_after_s), times=times)

    def slow(self, delay_s: float, *, times: int | None = 1) -> Self:
        """Accept requests, late."""
        return self.faults(Fault(delay_s=delay_s, keep=True), times=times)

    def reset(self, *, times: int | None = 1) -> Self:
        """Reset the connection instead of answering."""
        return self.faults(Fault(reset=True), times=times)

    def nonsense(
        self, body: bytes = b"<html>not telemetry", status: int = 200, *, times: int | None = 1
    ) -> Self:
        """Answer with a body that is not the protocol's; the records count as received."""
        headers = {"Content-Type": "text/html"}
        keep = status < 300
        return self.faults(Fault(status, body, headers, keep=keep), times=times)

    def recover(self) -> None:
        """Forget all faults."""
        with self._changed:
            self._faults.clear()
            self._lasting = None

    # -- what arrived ----------------------------------------------------------------------------
    @property
    def requests(self) -> list[SinkRequest]:
        """All requests that arrived, the refused ones too."""
        with self._changed:
            return list(self._requests)

    def clear(self) -> None:
        """Forget what arrived."""
        with self._changed:
            self._requests.clear()

    def wait_until(self, holds: Callable[[Self], object], *, timeout_s: float = 10.0) -> bool:
        """Wait until `holds` is true of this sink, after each request; False on timeout."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not holds(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    # -- for subclasses --------------------------------------------------------------------------
    def accept(self, request: Request, fault: Fault) -> Response:
        """Keep what `request` carries and return the answer; ValueError: it is malformed."""
        return Response()

    def refusal(self, request: Request, fault: Fault) -> Response:
        """Return the answer to a request that is refused."""
        return Response(fault.status, fault.body, dict(fault.headers))

    def next_fault(self) -> Fault:
        """Return how the next request is treated."""
        with self._changed:
            if self._faults:
                return self._faults.popleft()
            return self._lasting or Fault(keep=True)

    def note(self, request: SinkRequest) -> None:
        """Remember a request and wake those who wait for it."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def _serve(self, request: Request) -> Response | None:
        fault = self.next_fault()
        if fault.reset:
            self.note(SinkRequest(request, 0, accepted=False))
            return None
        if fault.status >= 300 and not fault.keep:
            response = self.refusal(request, fault)
        else:
            try:
                response = self.accept(request, fault)
            except ValueError as error:
                response = self.refusal(request, Fault(400, message=str(error)))
        if fault.body:
            response = replace(response, body=fault.body, headers=dict(fault.headers))
        headers = dict(response.headers)
        if fault.retry_after_s is not None:
            headers["Retry-After"] = f"{fault.retry_after_s:g}"
        self.note(SinkRequest(request, response.status, accepted=response.status < 300))
        return replace(response, headers=headers, first_byte_after_s=fault.delay_s)
