"""Spans as a tree of nodes: how they hang together, and what each has to say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alexobs import semconv
from alexobs.exporters.display import duration_text, printable
from alexobs.exporters.values import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alexobs.records import SpanData

# Five or more leaves in a row that differ in nothing one would look for take one row.
_FOLD_MIN: Final = 5
_ERROR: Final = 2

_KIND_BY_NAME: Final = {
    semconv.SPAN_SESSION: "session",
    semconv.SPAN_ITERATION: "iteration",
    semconv.SPAN_LLM: "llm",
    semconv.SPAN_TOOL: "tool",
}
_KIND_BY_OPERATION: Final = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
}


@dataclass(slots=True, eq=False)
class Node:
    """A span in the tree, or a fold of several; figures are its own, not its children's.

    ``notes`` are what its row says besides figures: pairs of style and text.
    """

    span: SpanData
    kind: str
    label: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    folded: int = 1
    end_ns: int = 0
    duration_ns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)


def build_trees(spans: Sequence[SpanData]) -> list[Node]:
    """Return the roots of the trees that `spans` make, in order of their start.

    A span whose parent is absent is a root; of spans that are each other's parents, one is.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    nodes = [_node(span) for span in ordered]
    by_id = {(node.span.trace_id, node.span.span_id): node for node in reversed(nodes)}
    for node in nodes:
        parent = by_id.get((node.span.trace_id, node.span.parent_span_id))
        if node.span.parent_span_id and parent is not None and parent is not node:
            node.parent = parent
            parent.children.append(node)
    roots = _roots(nodes)
    for node in nodes:
        node.children = _fold(node.children)
    return roots


def _roots(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes without a parent, and cut every circle open at its first node."""
    roots = [node for node in nodes if node.parent is None]
    reached: set[int] = set()
    for node in (*roots, *nodes):
        if id(node) in reached:
            continue
        if node.parent is not None:  # not reached from any root: in a circle
            node.parent.children.remove(node)
            node.parent = None
            roots.append(node)
        waiting = [node]
        while waiting:
            found = waiting.pop()
            reached.add(id(found))
            waiting += found.children
    return roots


def _node(span: SpanData) -> Node:
    attributes = span.attributes
    kind = _kind(span)
    node = Node(
        span,
        kind,
        _label(span, kind),
        end_ns=span.end_ns,
        duration_ns=span.end_ns - span.start_ns,
    )
    if kind in {"llm", "embedding"}:
        node.input_tokens = _count(
            attributes, semconv.ALEX_LLM_INPUT_TOKENS, semconv.GEN_AI_USAGE_INPUT_TOKENS
        )
        node.output_tokens = _count(
            attributes, semconv.ALEX_LLM_OUTPUT_TOKENS, semconv.GEN_AI_USAGE_OUTPUT_TOKENS
        )
        node.cost_usd = _usd(attributes.get(semconv.ALEX_COST))
    node.notes = list(_notes(span))
    return node


def _count(attributes: dict[str, Any], *keys: str) -> int:
    found = (attributes.get(key) for key in keys)
    return next((value for value in found if type(value) is int and 0 < value < 1 << 63), 0)


def _usd(cost: Any) -> float | None:
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    try:
        return float(cost)
    except OverflowError:
        return None


def _kind(span: SpanData) -> str:
    kind = span.attributes.get(semconv.ALEX_KIND) or _KIND_BY_NAME.get(span.name)
    operation = span.attributes.get(semconv.GEN_AI_OPERATION_NAME)
    return safe_text(kind or _KIND_BY_OPERATION.get(safe_text(operation), "span"))


def _label(span: SpanData, kind: str) -> str:
    attributes = span.attributes

    def first(*keys: str) -> str:
        return next((safe_text(attributes[key]) for key in keys if attributes.get(key)), "")

    name = printable(safe_text(span.name))
    if kind == "session":
        task = first(semconv.ALEX_TASK, semconv.ALEX_AGENT, semconv.ALEX_SESSION_ID)
        return f"session {printable(task)}".rstrip()
    if kind == "iteration":
        return f"iteration {printable(first(semconv.ALEX_ITERATION))}".rstrip()
    if kind in {"llm", "embedding"}:
        model = first(
            semconv.ALEX_LLM_MODEL, semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL
        )
        return f"{'llm' if kind == 'llm' else 'embed'} {printable(model) or name}"
    if kind == "tool":
        tool = first(semconv.ALEX_TOOL_NAME, semconv.GEN_AI_TOOL_NAME)
        return f"tool {printable(tool) or name}"
    return name


def _notes(span: SpanData) -> Iterator[tuple[str, str]]:
    """What a row says besides its figures: retries, cancellation, the error."""
    for event in span.events:
        if event.name == semconv.ALEX_LLM_ATTEMPT_EVENT:
            yield "dim", f"↻ {_attempt(event.attributes)}"
    if span.attributes.get(semconv.ALEX_STATUS) == semconv.CANCELLED:
        yield "dim", "◌ cancelled"
    if span.status_code == _ERROR:
        kind = safe_text(span.attributes.get(semconv.ERROR_TYPE) or "")
        parts = [printable(part) for part in (kind, safe_text(span.status_message)) if part]
        yield "error", "✗ " + (": ".join(parts) or "error")


def _attempt(attributes: dict[str, Any]) -> str:
    number = attributes.get(semconv.ALEX_LLM_ATTEMPT_NUMBER, "?")
    maximum = attributes.get(semconv.ALEX_LLM_ATTEMPT_MAX)
    cause = attributes.get(semconv.ALEX_LLM_ATTEMPT_CAUSE, "failed")
    delay = attributes.get(semconv.ALEX_LLM_ATTEMPT_DELAY)
    text = f"attempt {number}" + (f" of {maximum}" if maximum else "") + f": {cause}"
    if isinstance(delay, int | float):
        text += f", waited {duration_text(int(delay * 1e9))}"
    return printable(safe_text(text))


def _fold(children: list[Node]) -> list[Node]:
    """Put runs of leaves with one label and nothing to say in one node each."""
    folded: list[Node] = []
    for _, group in itertools.groupby(children, key=_fold_key):
        run = list(group)
        folded += [_merged(run)] if len(run) >= _FOLD_MIN else run
    return folded


def _fold_key(node: Node) -> object:
    return id(node) if node.notes or node.children else node.label


def _merged(run: list[Node]) -> Node:
    first = run[0]
    costs = [node.cost_usd for node in run if node.cost_usd is not None]
    return Node(
        first.span,
        first.kind,
        first.label,
        folded=len(run),
        end_ns=max(node.end_ns for node in run),
        duration_ns=sum(node.duration_ns for node in run),
        input_tokens=sum(node.input_tokens for node in run),
        output_tokens=sum(node.output_tokens for node in run),
        cost_usd=sum(costs) if costs else None,
    )
