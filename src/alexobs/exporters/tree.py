"""Spans as a tree for a terminal: who called what, how long, how many tokens, what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alexobs.exporters.display import (
    cells,
    duration_text,
    fitted,
    padded,
    tokens_text,
    usd_text,
)
from alexobs.exporters.tree_nodes import Node, build_trees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alexobs.records import SpanData

_BAR_COLUMNS: Final = 16
_BAR_MIN_WIDTH: Final = 84
_LABEL_MIN_COLUMNS: Final = 16
_GUIDE_MAX_COLUMNS: Final = 60
_GAP: Final = "  "
_DOT: Final = " · "
_MIN_WIDTH: Final = 40

_RESET: Final = "\x1b[0m"
_STYLES: Final = {
    "session": "\x1b[1m",
    "iteration": "\x1b[34m",
    "llm": "\x1b[36m",
    "embedding": "\x1b[36m",
    "tool": "\x1b[33m",
    "error": "\x1b[31m",
    "dim": "\x1b[2m",
    "cost": "\x1b[32m",
}
# For streams that cannot write box drawings.
_ASCII: Final = str.maketrans(
    {"├": "|", "└": "`", "─": "-", "│": "|", "━": "=", "→": ">", "✗": "x", "↻": "~", "◌": "o",
     "…": "~", "×": "x", "·": "-", "µ": "u"}  # noqa: RUF001 - a multiplication sign is meant
)  # fmt: skip


def render_tree(
    spans: Sequence[SpanData], *, color: bool = False, width: int = 100, max_rows: int = 500
) -> str:
    """Return the trees of `spans` as text that ends in a newline; empty for no spans.

    Args:
        spans: finished spans of one trace or several, in any order. A span whose parent is
            not among them is a root.
        color: use ANSI colours.
        width: columns to fit into, 40 at least.
        max_rows: rows per tree at most; what is left out is counted.
    """
    columns = max(width, _MIN_WIDTH)
    return "\n".join(
        _render_root(root, columns, max_rows, color=color) for root in build_trees(spans)
    )


def as_ascii(text: str) -> str:
    """Return a rendered tree without the characters that need a Unicode terminal."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def _render_root(root: Node, width: int, max_rows: int, *, color: bool) -> str:
    rows = list(_rows(root))
    shown = rows[:max_rows]
    layout = _Layout(shown, width, color=color)
    lines: list[str] = []
    for guide, below, node in shown:
        lines += layout.lines(guide, below, node)
    if len(rows) > max_rows:
        lines.append(layout.paint("dim", f"… {len(rows) - max_rows} more rows"))
    if root.children:
        summary = _wrapped(_summary(node for _, _, node in rows), width)
        lines += [layout.paint("dim", line) for line in summary]
    return "\n".join(lines) + "\n"


def _rows(root: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield nodes from top to bottom, with the lines that lead to them and past their notes."""
    waiting = [("", "", root)]
    while waiting:
        guide, below, node = waiting.pop()
        yield guide, below + ("│  " if node.children else "   "), node
        # Deeper levels stand under one another: nobody reads an indent of a thousand columns.
        base = below if len(below) < _GUIDE_MAX_COLUMNS else below[3:]
        for child in reversed(node.children):
            last = child is node.children[-1]
            waiting.append(
                (base + ("└─ " if last else "├─ "), base + ("   " if last else "│  "), child)
            )


def _wrapped(parts: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for part in parts:
        if lines and cells(lines[-1] + _DOT + part) <= width:
            lines[-1] += _DOT + part
        else:
            lines.append(part)
    return lines


def _summary(nodes: Iterator[Node]) -> list[str]:
    counts = {"iteration": 0, "llm": 0, "tool": 0}
    tokens_in = tokens_out = errors = retries = 0
    usd: float | None = None
    for node in nodes:
        if node.kind in counts:
            counts[node.kind] += node.folded
        tokens_in += node.input_tokens
        tokens_out += node.output_tokens
        errors += any(style == "error" for style, _ in node.notes)
        retries += sum(text.startswith("↻") for _, text in node.notes)
        if node.cost_usd is not None:
            usd = (usd or 0.0) + node.cost_usd
    parts = [
        _counted(counts["iteration"], "iteration"),
        _counted(counts["llm"], "LLM call"),
        _counted(counts["tool"], "tool call"),
        f"{tokens_text(tokens_in)} → {tokens_text(tokens_out)} tokens" if tokens_in else "",
        usd_text(usd) if usd is not None else "",
        _counted(retries, "failed attempt"),
        _counted(errors, "error"),
    ]
    return [part for part in parts if part]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""


class _Layout:
    """Columns for the rows of one tree; what no row has takes no column."""

    def __init__(self, rows: Sequence[tuple[str, str, Node]], width: int, *, color: bool) -> None:
        nodes = [node for _, _, node in rows]
        self._color = color
        self._width = width
        self._start_ns = min(node.span.start_ns for node in nodes)
        self._span_ns = max(max(node.end_ns for node in nodes) - self._start_ns, 1)
        self._durations = max(len(duration_text(node.duration_ns)) for node in nodes)
        self._tokens = max(len(_tokens(node)) for node in nodes)
        self._costs = max(len(_cost(node)) for node in nodes)
        self._bar = _BAR_COLUMNS if width >= _BAR_MIN_WIDTH and len(nodes) > 1 else 0
        if width - self._taken() < _LABEL_MIN_COLUMNS:
            self._tokens = 0
        wanted = max(cells(guide + _title(node)) for guide, _, node in rows)
        self._labels = max(min(wanted, width - self._taken()), _LABEL_MIN_COLUMNS)

    def _taken(self) -> int:
        columns = (self._bar, self._durations, self._tokens, self._costs)
        return sum(columns) + len(_GAP) * sum(map(bool, columns))

    def paint(self, style: str, text: str) -> str:
        """Return `text` in a style, where colours are on and the style has one."""
        code = _STYLES.get(style) if self._color and text.strip() else None
        return f"{code}{text}{_RESET}" if code else text

    def lines(self, guide: str, below: str, node: Node) -> Iterator[str]:
        """Yield the row of a node, and one for each of its notes."""
        guide = fitted(guide, self._labels - _LABEL_MIN_COLUMNS // 2)
        label = padded(_title(node), self._labels - cells(guide))
        failed = any(style == "error" for style, _ in node.notes)
        columns = [self.paint("dim", guide) + self.paint("error" if failed else node.kind, label)]
        if self._bar:
            columns.append(self.paint("error" if failed else node.kind, self._bar_of(node)))
        columns.append(duration_text(node.duration_ns).rjust(self._durations))
        if self._tokens:
            columns.append(_tokens(node).rjust(self._tokens))
        if self._costs:
            columns.append(self.paint("cost", _cost(node).rjust(self._costs)))
        yield _GAP.join(columns).rstrip()
        lead = fitted(below, self._labels)
        for style, text in node.notes:
            note = fitted(text, self._width - cells(lead))
            yield self.paint("dim", lead) + self.paint(style, note)

    def _bar_of(self, node: Node) -> str:
        scale = self._bar / self._span_ns
        left = int((node.span.start_ns - self._start_ns) * scale)
        right = int((node.end_ns - self._start_ns) * scale + 0.5)
        left = min(max(left, 0), self._bar - 1)
        right = min(max(right, left + 1), self._bar)
        return " " * left + "━" * (right - left) + " " * (self._bar - right)


def _title(node: Node) -> str:
    return node.label + (f" ×{node.folded}" if node.folded > 1 else "")  # noqa: RUF001 - as above


def _tokens(node: Node) -> str:
    if not node.input_tokens and not node.output_tokens:
        return ""
    return f"{tokens_text(node.input_tokens)} → {tokens_text(node.output_tokens)}"


def _cost(node: Node) -> str:
    return "" if node.cost_usd is None else usd_text(node.cost_usd)
