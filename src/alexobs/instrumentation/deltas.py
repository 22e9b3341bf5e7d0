"""Messages out of the differences in which they are streamed; runs in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fields whose pieces belong one after another; any other field is replaced by its latest value.
_GROWING = frozenset(
    (
        "arguments",
        "content",
        "data",
        "input",
        "reasoning",
        "reasoning_content",
        "refusal",
        "transcript",
    )
)


class _Pieces(list[str]):
    """A text that is still coming; joined once, as adding to a long text copies it."""


def accumulate(kept: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a delta to what came before it."""
    for key, value in delta.items():
        if value is None:
            continue
        if isinstance(value, str) and key in _GROWING:
            kept.setdefault(key, _Pieces()).append(value)
        elif isinstance(value, dict):
            accumulate(kept.setdefault(key, {}), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            _accumulate_items(kept.setdefault(key, {}), value)
        elif value != "" or key not in kept:
            kept[key] = value


def _accumulate_items(kept: dict[Any, dict[str, Any]], items: list[dict[str, Any]]) -> None:
    for position, item in enumerate(items):
        index = item.get("index")
        # Providers without an index send whole items: each is a new one.
        key = index if index is not None else len(kept) + position
        accumulate(kept.setdefault(key, {}), item)


def joined(kept: Any) -> Any:
    """Return what was accumulated as plain data."""
    if isinstance(kept, _Pieces):
        return "".join(kept)
    if isinstance(kept, dict):
        if kept and all(isinstance(key, int) for key in kept):
            return [joined(kept[key]) for key in sorted(kept)]
        return {key: joined(value) for key, value in kept.items() if key != "index"}
    return kept
