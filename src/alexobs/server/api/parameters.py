"""Parameters of requests: declared once, checked and described from the same declaration."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from alexobs.server.api.faults import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Beyond it nanoseconds do not fit into 64 bits (the year 2262).
MAX_MS: Final = 9_223_372_036_854
MAX_TEXT: Final = 512
MAX_VALUES: Final = 50
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path or a query.

    ``many`` may be given several times, and any of the values may match.
    """

    name: str
    type: Literal["string", "integer", "number"]
    description: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    many: bool = False
    multiple_of: int = 1
    place: Literal["query", "path"] = "query"

    def described(self) -> dict[str, Any]:
        """Return the parameter as OpenAPI has it."""
        schema = self._schema()
        if self.many:
            schema = {"type": "array", "items": schema, "maxItems": MAX_VALUES}
        if self.default is not None:
            schema["default"] = self.default
        return {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": schema,
        }

    def _schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": self.type}
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.maximum is not None:
            schema["maximum"] = self.maximum
        if self.multiple_of > 1:
            schema["multipleOf"] = self.multiple_of
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.pattern:
            schema["pattern"] = f"^{self.pattern}$"
        elif self.type == "string" and not self.choices:
            schema |= {"maxLength": MAX_TEXT, "minLength": 1, "pattern": _TEXT_PATTERN}
        return schema

    def read(self, texts: Sequence[str]) -> Any:
        """Return the value that `texts` give.

        Raises:
            ApiError: they give none, in words for the one who asked.
        """
        if self.many:
            if len(texts) > MAX_VALUES:
                raise self._wrong(f"{len(texts)} values", f"at most {MAX_VALUES} values")
            return [self._one(text) for text in texts] or None
        if len(texts) > 1:
            raise self._wrong(f"{len(texts)} values", "one value")
        return self._one(texts[0]) if texts else self.default

    def _one(self, text: str) -> Any:
        if self.type != "string":
            return self._number(text)
        if self.choices and text not in self.choices:
            raise self._wrong(repr(text[:80]), "one of " + ", ".join(self.choices))
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise self._wrong(repr(text[:80]), f"text of the form {self.pattern}")
        if not text:
            raise self._wrong("an empty text", "leave it out to match everything")
        if len(text) > MAX_TEXT or _CONTROLS.search(text):
            raise self._wrong(
                f"{len(text)} characters",
                f"at most {MAX_TEXT} characters, none of them a control character",
            )
        return text

    def _number(self, text: str) -> float:
        whole = self.type == "integer"
        form = r"-?\d{1,18}(\.0+)?" if whole else r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?"
        if not re.fullmatch(form, text, re.ASCII) or not math.isfinite(float(text)):
            raise self._wrong(repr(text[:80]), f"{'a whole' if whole else 'a'} number")
        value: float = int(text.partition(".")[0]) if whole else float(text)
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise self._wrong(text, f"a number from {_bound(low)} to {_bound(high)}")
        if whole and value % self.multiple_of:
            raise self._wrong(text, f"a multiple of {self.multiple_of}")
        return value

    def _wrong(self, found: str, wanted: str) -> ApiError:
        return ApiError(
            422, "invalid_parameter", f"{self.name}: {found} will not do", f"Expected {wanted}."
        )


# No control characters; the way both JavaScript and Python read it.
_TEXT_PATTERN: Final = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$"


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:.15g}"


def read_all(
    declared: Iterable[Parameter], path: Mapping[str, Any], query: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return all values by name; names that nobody declared are refused, not ignored."""
    declared = tuple(declared)
    known = {one.name for one in declared if one.place == "query"}
    given: dict[str, list[str]] = {}
    for name, text in query:
        if name not in known:
            raise _unknown(name, known)
        given.setdefault(name, []).append(text)
    return {
        one.name: one.read(
            [str(path[one.name])] if one.place == "path" else given.get(one.name, [])
        )
        for one in declared
    }


def _unknown(name: str, known: set[str]) -> ApiError:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else "Known: " + (", ".join(sorted(known)) or "none")
    return ApiError(422, "unknown_parameter", f"there is no parameter {name[:80]!r} here", hint)
