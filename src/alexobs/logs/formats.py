"""The text of lines: JSON, logfmt, or colours for a terminal.

One line in, one line out: no value can break a line, or send a control character to a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from alexobs.logs.lines import EVENT, EXCEPTION, TIMESTAMP
from alexobs.logs.snapshot import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.logs.compose import Head


class Lines(NamedTuple):
    """Some lines, redacted, as columns of equal length."""

    times: list[str]
    heads: list[Head]
    events: list[str]
    fields: list[dict[str, Any]]

    def whole(self) -> Iterator[dict[str, Any]]:
        """Yield each line as one dict, keys in their documented order."""
        for time, head, event, fields in zip(*self, strict=True):
            yield {TIMESTAMP: time, **head.fields, EVENT: event, **fields}


Format = Callable[[Lines], str]

_encoder: Final = msgspec.json.Encoder()
# Legal in JSON, yet terminals obey some of them (U+009B starts a control sequence) and others
# end a line in JavaScript and in some log shippers.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
_BARE: Final = re.compile(r"[\w.\-/@:+,;%#&()\[\]{}<>!?*^$|~]+", re.ASCII)
_NOT_IN_KEY: Final = re.compile(r"[^\w.\-/@:]")


class Json:
    """One JSON object per line.

    The head of a line is encoded once for all lines that share it, the rest by one call for all
    lines of a slice: 0.8 µs a line where a dict for each and its encoding took 2.
    """

    def __init__(self) -> None:
        self._head: Head | None = None
        self._head_text = ""

    def __call__(self, lines: Lines) -> str:
        """Return the text of the lines."""
        rows = []
        events = _encoded(lines.events)
        for time, head, event, fields in zip(
            lines.times, lines.heads, events, _encoded(lines.fields), strict=True
        ):
            if head is not self._head:
                self._head, self._head_text = head, _json_one(head.fields)[1:-1]
            rest = "}" if fields == "{}" else f",{fields[1:]}"
            rows.append(f'{{"timestamp":"{time}",{self._head_text},"event":{event}{rest}\n')
        text = "".join(rows)
        if text.isascii() and "\x7f" not in text:
            return text
        return _UNSAFE.sub(_escape, text)


def _encoded(values: list[Any]) -> list[str]:
    """Return each value as JSON."""
    try:
        return _encoder.encode_lines(values).decode().split("\n")[:-1]
    except Exception:
        return [_json_one(value) for value in values]


def _json_one(line: Any) -> str:
    try:
        return _encoder.encode(line).decode()
    except Exception:
        return json.dumps(_encodable(line))


def _encodable(value: Any) -> Any:
    """Return a value with what JSON encoders refuse as text: huge integers, surrogates, objects."""
    if isinstance(value, dict):
        return {text_of(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else _huge(value)
    if isinstance(value, float):
        return value if value - value == 0.0 else str(value)
    return _joined(text_of(value))


def _huge(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # beyond the interpreter's limit of decimal digits
        return hex(value)


def _joined(text: str) -> str:
    """Return valid Unicode: surrogate pairs joined, lone surrogates replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def logfmt(lines: Lines) -> str:
    """Return ``key=value`` pairs, one line each; values are quoted as JSON where they must be."""
    return "".join(" ".join(_pairs(line)) + "\n" for line in lines.whole())


def _pairs(line: dict[str, Any]) -> Iterator[str]:
    for key, value in line.items():
        if key == EXCEPTION and isinstance(value, dict):
            for part, text in value.items():
                yield f"{EXCEPTION}.{part}={logfmt_value(text)}"
        else:
            yield f"{logfmt_key(key)}={logfmt_value(value)}"


def logfmt_key(key: str) -> str:
    """Return a key with underscores for what would end it."""
    return _NOT_IN_KEY.sub("_", key) or "_"


def logfmt_value(value: Any) -> str:
    """Return a value bare when nothing in it needs quotes, else as a JSON string."""
    if type(value) is not str:
        value = _json_one(value)
    if _BARE.fullmatch(value):
        return value  # type: ignore[no-any-return]
    quoted = _json_one(value)
    if quoted.isascii() and "\x7f" not in quoted:
        return quoted
    return _UNSAFE.sub(_escape, quoted)


def formatter(name: str, *, colours: bool) -> Format:
    """Return the function that turns lines into text; it raises for no line."""
    if name == "pretty":
        from alexobs.logs.pretty import Pretty  # noqa: PLC0415 - only who asks for it pays

        return Pretty(colours=colours)
    return logfmt if name == "text" else Json()
