"""One value: from text or from a Python object to what the model holds, or why not."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.config.schema import Shape

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_LIST_HINT = "write it in brackets"
_NULL = frozenset({"", "~", "null"})


class Plain(NamedTuple):
    """An unquoted scalar of a file: its text, to be read as what the setting holds.

    So `off` is a word where a word is wanted, `1.10` keeps its zero in a version, and a number
    needs no particular spelling.
    """

    text: str


class Unfit(ValueError):  # noqa: N818 - a verdict on a value; users see a ConfigError
    """A value that a setting cannot hold."""

    def __init__(self, expected: str, hint: str = "") -> None:
        self.expected = expected
        self.hint = hint
        super().__init__(expected)


def is_null(value: Any) -> bool:
    """Return whether `value` says "nothing here"."""
    return value is None or (isinstance(value, Plain) and value.text.lower() in _NULL)


def fit(shape: Shape, value: Any) -> Any:
    """Return `value` as the model holds it.

    Raises:
        Unfit: it cannot be held; says what can.
    """
    if shape.optional and is_null(value):
        return None
    fitted = (
        _fit_plain(shape, value.text)
        if isinstance(value, Plain)
        else _FITS[shape.kind](shape, value)
    )
    candidates = fitted if shape.kind == "texts" else (fitted,)
    for rule in shape.rules:
        if not all(map(rule.allows, candidates)):
            raise Unfit(shape.expected)
    return fitted


def fit_variable(shape: Shape, text: str) -> Any:
    """Return the text of an environment variable as the model holds it.

    Raises:
        Unfit: it cannot be held; says what can.
    """
    if shape.kind == "bool" and text.strip() in ("0", "1"):
        return text.strip() == "1"
    if shape.kind in ("texts", "numbers"):
        return fit(shape, [Plain(part.strip()) for part in text.split(",") if part.strip()])
    return fit(shape, Plain(text.strip()))


def fit_table_variable(shape: Shape, text: str) -> dict[str, Any]:
    """Return a table from `name=value,name=value` (percent-encoded) or from a JSON object.

    Raises:
        Unfit: neither of the two, or a value that the table cannot hold.
    """
    items = _json_items(text) if text.lstrip().startswith("{") else pairs(text)
    item = shape.item or shape
    if not all(map(item.allows_name, items)):
        raise Unfit("names without spaces and control characters")
    return {name: fit(item, value) for name, value in items.items()}


def pairs(text: str) -> dict[str, str]:
    """Return `name=value,name=value`, percent-decoded, as the OpenTelemetry specification has it.

    Raises:
        Unfit: a part without `=`, or without a name.
    """
    from urllib.parse import unquote  # noqa: PLC0415 - not needed by most programs

    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if name.strip() and equals:
            found[unquote(name.strip())] = unquote(value.strip())
        elif part.strip():
            raise Unfit("name=value pairs, separated by commas")
    return found


def _json_items(text: str) -> dict[str, Any]:
    try:
        items: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("name=value pairs, or a JSON object") from None
    return items


def _fit_plain(shape: Shape, text: str) -> Any:
    lowered = text.lower()
    if shape.kind == "bool" and lowered in _TRUE | _FALSE:
        return lowered in _TRUE
    if shape.kind in ("int", "float"):
        return _fit_number(shape, _number(shape, text))
    if shape.kind in ("text", "choice"):
        return _FITS[shape.kind](shape, text)
    raise Unfit(shape.expected, _LIST_HINT if shape.kind == "texts" and text else "")


def _number(shape: Shape, text: str) -> Any:
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    raise Unfit(shape.expected)


def _fit_bool(shape: Shape, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Unfit(shape.expected, _quotes_hint(value, _TRUE | _FALSE))


def _fit_number(shape: Shape, value: Any) -> Any:
    wanted = int if shape.kind == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise Unfit(shape.expected, "write it without quotes" if _is_number(value) else "")
    if shape.kind == "int":
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Unfit(shape.expected)
    return number


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _fit_text(shape: Shape, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    raise Unfit(shape.expected, "put it in quotes" if number else "")


def _fit_choice(shape: Shape, value: Any) -> str:
    if isinstance(value, bool):  # YAML 1.1 readers turn the words on and off into these
        value = "on" if value else "off"
    if isinstance(value, str) and value.lower() in shape.choices:
        return value.lower()
    raise Unfit(shape.expected, nearest(value, shape.choices) if isinstance(value, str) else "")


def _fit_texts(shape: Shape, value: Any) -> tuple[str, ...]:
    return tuple(
        _fit_text(shape, item.text if isinstance(item, Plain) else item)
        for item in _items(shape, value)
    )


def _fit_numbers(shape: Shape, value: Any) -> tuple[float, ...]:
    return tuple(
        float(_number(shape, item.text)) if isinstance(item, Plain) else _fit_number(shape, item)
        for item in _items(shape, value)
    )


def _items(shape: Shape, value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    raise Unfit(shape.expected, _LIST_HINT if isinstance(value, str) else "")


def _quotes_hint(value: Any, words: frozenset[str]) -> str:
    quoted = isinstance(value, str) and value.lower() in words
    return "write it without quotes" if quoted else ""


def nearest(name: str, names: Sequence[str]) -> str:
    """Return `did you mean "…"?` for the nearest of `names`, or an empty text."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for a message only

    close = get_close_matches(name[:100].lower(), names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


_FITS = {
    "bool": _fit_bool,
    "int": _fit_number,
    "float": _fit_number,
    "text": _fit_text,
    "choice": _fit_choice,
    "texts": _fit_texts,
    "numbers": _fit_numbers,
}
