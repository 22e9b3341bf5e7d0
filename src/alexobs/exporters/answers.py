"""What an HTTP answer means for a batch, by the rules of the OTLP specification."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING

from alexobs.records import SendResult
from alexobs.semconv import SERVER_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.exporters.transport import Answer

RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
_TOO_LARGE = 413
_MESSAGE_MAX_CHARACTERS = 300
# A server that asks for more is taken at its word only so far.
_RETRY_AFTER_MAX_S = 3600.0


def result_of(
    answer: Answer,
    *,
    display: str,
    error_message: Callable[[Answer], str],
    redact: Callable[[str], str],
) -> SendResult:
    """Return what a status means; a partial success is for the caller to look into."""
    ours = SERVER_HEADER in answer.headers
    if 200 <= answer.status < 300:
        return SendResult(accepted=True, alexobs_server=ours)
    said = short(redact(error_message(answer)))
    message = f"{display} answered {answer.status}" + (f": {said}" if said else "")
    return SendResult(
        accepted=False,
        retry=answer.status in RETRYABLE_STATUSES,
        too_large=answer.status == _TOO_LARGE,
        retry_after_s=retry_after_s(answer.headers.get("retry-after", "")),
        message=message,
        alexobs_server=ours,
    )


def plain_message(answer: Answer) -> str:
    """Return the body as text; for a redirect, say so."""
    if 300 <= answer.status < 400:
        return "a redirect, which is not followed; configure the address that it leads to"
    return answer.body.decode("utf-8", "replace")


def retry_after_s(value: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number, or an HTTP date."""
    value = value.strip()
    try:
        seconds = float(value)
    except ValueError:
        from email import utils  # noqa: PLC0415 - 6 ms, when a server asks for it

        try:
            seconds = utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    if seconds != seconds:  # noqa: PLR0124 - NaN
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)


def short(text: str) -> str:
    """Return `text` on one line, without control characters, cut to what a log line bears."""
    line = " ".join(text.split())
    line = "".join(c for c in line if unicodedata.category(c)[0] != "C")
    if len(line) > _MESSAGE_MAX_CHARACTERS:
        return line[: _MESSAGE_MAX_CHARACTERS - 1] + "…"
    return line
