"""The user's own prices, from a YAML file.

::

    prices:
      - model: my-finetune            # a name, or a pattern with * and ?
        provider: openai              # optional; any provider without it
        input: 1.50                   # USD per million tokens
        output: 6.00
        cache_read: 0.75
        cache_write: 1.875
        cache_write_1h: 3.00
        reasoning: 6.00
        input_audio: 40
        output_audio: 80
        cache_read_audio: 2.5
        request: 0.005                # USD per request
        web_search: 0.01              # USD per search
        from: 2026-10-01              # optional first day, UTC
        tiers:                        # optional; for all tokens of a call above so many of input
          - above: 200000
            input: 3.00
            output: 9.00
      - model: my-deployment
        same_as: openai/gpt-4o        # the bundled price of another model
        multiply_by: 0.8              # optional; a negotiated discount
      - model: llama3*
        provider: ollama
        free: true

The last entry that matches and has begun holds.
"""

from __future__ import annotations

import difflib
import math
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alexobs.errors import PriceError
from alexobs.pricing.rates import TOKEN_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OTHER_PRICES: Final = {"request": "request_k", "web_search": "web_search_k"}
_PRICES: Final = (*TOKEN_KEYS, *_OTHER_PRICES)
_KEYS: Final = (
    "model",
    "provider",
    "from",
    "free",
    "tiers",
    "same_as",
    "multiply_by",
    *_PRICES,
)


class Override(NamedTuple):
    """One entry of the file."""

    model: str
    provider: str
    first_day: str
    prices: Mapping[str, Any]
    same_as: str
    multiply_by: float
    line: int

    def matches(self, provider: str, model: str, day: str) -> bool:
        """Return whether this entry prices a model of a provider on a day."""
        if self.provider not in ("", provider.lower()) or self.first_day > day:
            return False
        return fnmatchcase(model.lower(), self.model)


class Overrides(NamedTuple):
    """The file's entries and its date."""

    entries: tuple[Override, ...] = ()
    date: str = ""

    def find(self, provider: str, model: str, day: str) -> Override | None:
        """Return the last entry that prices a model of a provider on a day."""
        for entry in self.entries[::-1]:
            if entry.matches(provider, model, day):
                return entry
        return None


def load_overrides(file: Path) -> Overrides:
    """Return the user's prices; none when the file does not exist.

    Raises:
        PriceError: with every problem found, each with file, line and key.
    """
    try:
        text = file.read_text(encoding="utf-8")
        changed = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC).date()
    except FileNotFoundError:
        return Overrides()
    except (OSError, UnicodeDecodeError) as error:
        raise PriceError(f"{file}: cannot be read: {error}") from error
    reader = _Reader(file)
    entries = reader.read(text)
    if reader.problems:
        raise PriceError("\n".join(reader.problems))
    return Overrides(tuple(entries), changed.isoformat())


class _Reader:
    """Turns the file's YAML nodes, which know their lines, into entries."""

    def __init__(self, file: Path) -> None:
        self.problems: list[str] = []
        self._file = file

    def read(self, text: str) -> list[Override]:
        import yaml  # noqa: PLC0415 - only who has such a file pays for it

        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            values = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self._add(line, "", f"is not YAML: {error.problem}")
            return []
        except (yaml.YAMLError, ValueError) as error:
            self._add(1, "", f"is not YAML: {error}")
            return []
        if root is None:
            return []
        try:
            lines = _lines(root, values)
        except RecursionError:
            self._add(root.start_mark.line + 1, "", "refers to itself")
            return []
        return self._entries(values, lines)

    def _entries(self, values: Any, lines: Any) -> list[Override]:
        if not isinstance(values, dict):
            self._add(lines, "", f"expected the key 'prices', found {_kind(values)}")
            return []
        for key in values:
            if key != "prices":
                self._unknown(lines[key], "", key, ("prices",))
        rows = values.get("prices") or []
        if not isinstance(rows, list):
            self._add(lines["prices"], "prices", f"expected a list, found {_kind(rows)}")
            return []
        found = [
            self._entry(f"prices[{index}]", row, lines["prices"][index])
            for index, row in enumerate(rows)
        ]
        return [entry for entry in found if entry is not None]

    def _entry(self, path: str, row: Any, lines: Any) -> Override | None:
        if not isinstance(row, dict):
            self._add(lines, path, f"expected an entry with 'model' and prices, found {_kind(row)}")
            return None
        before = len(self.problems)
        for key in row:
            if key not in _KEYS:
                self._unknown(lines[key], path, key, _KEYS)
        model = self._text(path, row, lines, "model", required=True)
        provider = self._text(path, row, lines, "provider")
        same_as = self._text(path, row, lines, "same_as")
        multiply_by = self._number(path, row, lines, "multiply_by", 1.0)
        prices = self._prices(path, row, lines)
        free = row.get("free", False)
        if not isinstance(free, bool):
            self._add(
                _line(lines, "free"), f"{path}.free", f"expected true or false, found {free!r}"
            )
        self._check_one_way(path, lines, prices, same_as, free=free is True)
        if "multiply_by" in row and not same_as:
            self._add(
                _line(lines, "multiply_by"), f"{path}.multiply_by", "needs 'same_as' beside it"
            )
        first_day = self._first_day(path, row, lines)
        if len(self.problems) > before:
            return None
        if free:
            prices = {"input": 0.0, "output": 0.0}
        return Override(
            model.lower(),
            provider.lower(),
            first_day,
            prices,
            same_as.lower(),
            multiply_by if multiply_by is not None else 1.0,
            _line(lines, ""),
        )

    def _check_one_way(
        self, path: str, lines: Any, prices: Mapping[str, Any], same_as: str, *, free: bool
    ) -> None:
        ways = [bool(prices), bool(same_as), free]
        if sum(ways) != 1:
            self._add(
                _line(lines, ""),
                path,
                "expected prices, or 'same_as', or 'free: true': one of them",
            )

    def _prices(self, path: str, row: Any, lines: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in _PRICES:
            if key in row:
                price = self._number(path, row, lines, key)
                if price is not None:
                    scale = 1000.0 if key in _OTHER_PRICES else 1.0
                    found[_OTHER_PRICES.get(key, key)] = price * scale
        if "tiers" in row:
            self._add_tiers(f"{path}.tiers", row["tiers"], lines["tiers"], found)
        return found

    def _add_tiers(self, path: str, tiers: Any, lines: Any, found: dict[str, Any]) -> None:
        if not isinstance(tiers, list):
            self._add(_line(lines, ""), path, f"expected a list, found {_kind(tiers)}")
            return
        rows = []
        for index, tier in enumerate(tiers):
            at = f"{path}[{index}]"
            if not isinstance(tier, dict):
                self._add(lines[index], at, f"expected 'above' and prices, found {_kind(tier)}")
                continue
            for key in tier:
                if key not in ("above", *TOKEN_KEYS):
                    self._unknown(lines[index][key], at, key, ("above", *TOKEN_KEYS))
            above = tier.get("above")
            if not isinstance(above, int) or isinstance(above, bool) or above < 0:
                line = _line(lines[index], "above")
                self._add(line, f"{at}.above", f"expected a number of tokens, found {above!r}")
                continue
            rows.append((above, index, tier))
        for above, index, tier in sorted(rows, key=lambda row: row[0]):
            self._add_tier(f"{path}[{index}]", above, tier, lines[index], found)

    def _add_tier(
        self, path: str, above: int, tier: Any, lines: Any, found: dict[str, Any]
    ) -> None:
        for key in TOKEN_KEYS:
            if key not in tier:
                continue
            price = self._number(path, tier, lines, key)
            if key not in found:
                self._add(_line(lines, key), f"{path}.{key}", f"needs a price for {key} below it")
            elif price is not None:
                base = found[key]
                found[key] = [*(base if isinstance(base, list) else [base]), [above, price]]

    def _text(self, path: str, row: Any, lines: Any, key: str, *, required: bool = False) -> str:
        value = row.get(key, "")
        if isinstance(value, str) and (value or not required):
            return value
        found = "nothing" if key not in row else repr(value)
        self._add(_line(lines, key), f"{path}.{key}", f"expected a name, found {found}")
        return ""

    def _number(
        self, path: str, row: Any, lines: Any, key: str, default: float | None = None
    ) -> float | None:
        if key not in row:
            return default
        value = row[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number) and number >= 0:
                return number
        self._add(
            _line(lines, key), f"{path}.{key}", f"expected a number of at least 0, found {value!r}"
        )
        return None

    def _first_day(self, path: str, row: Any, lines: Any) -> str:
        value = row.get("from", "")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        if value != "":
            self._add(
                _line(lines, "from"),
                f"{path}.from",
                f"expected a date such as 2026-10-01, found {value!r}",
            )
        return ""

    def _unknown(self, lines: Any, path: str, key: Any, known: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        self._add(_line(lines, ""), f"{path}.{key}".lstrip("."), f"unknown key; {hint}")

    def _add(self, lines: Any, path: str, problem: str) -> None:
        where = f"{self._file}:{_line(lines, '')}"
        self.problems.append(f"{where}: {path + ': ' if path else ''}{problem}")


def _lines(node: Any, value: Any) -> Any:
    """Return the lines of a node's values in the shape of the value; ``""`` is the node's own."""
    own = node.start_mark.line + 1
    if isinstance(value, dict) and node.id == "mapping":
        inner = {
            key: _lines(child, value[key]) | {"": name.start_mark.line + 1}
            for key, (name, child) in zip(value, node.value, strict=False)
        }
        return {**inner, "": own}
    if isinstance(value, list) and node.id == "sequence":
        return {
            "": own,
            **{i: _lines(*pair) for i, pair in enumerate(zip(node.value, value, strict=True))},
        }
    return {"": own}


def _line(lines: Any, key: str) -> int:
    if isinstance(lines, int):
        return lines
    found = lines.get(key, lines)
    return int(found if isinstance(found, int) else found[""])


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), repr(value))
