"""What the mapping table says about one set of attribute names: worked out once, used per span.

A program writes spans with the same few sets of names. The table has two hundred of them, and
looking each up for each span takes ten times longer than the span's own work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from alexobs import semconv
from alexobs.server.ingest import dialects, messages

if TYPE_CHECKING:
    from alexobs.server.ingest.dialects import Field
    from alexobs.server.ingest.messages import Indexed

_MOST: Final = 4096
_LOWER: Final = {"ai.operationid": "ai.operationId", "mlflow.spantype": "mlflow.spanType"}
TOKEN_TARGETS: Final = (
    semconv.GEN_AI_USAGE_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_READ,
    semconv.GEN_AI_USAGE_CACHE_WRITE,
    semconv.GEN_AI_USAGE_REASONING,
)
USAGES: Final = ("langfuse.observation.usage_details", "mlflow.chat.tokenUsage")
_VERCEL: Final = (
    "ai.response.text",
    "ai.result.text",
    "ai.response.object",
    "ai.result.object",
    "ai.response.toolCalls",
    "ai.result.toolCalls",
)


def _names_of(*targets: str) -> tuple[str, ...]:
    return tuple(
        name for field in dialects.FIELDS if field.target in targets for name in field.names
    )


_MODELS: Final = _names_of(semconv.GEN_AI_REQUEST_MODEL)
_TOKENS: Final = _names_of(semconv.GEN_AI_USAGE_INPUT_TOKENS, semconv.GEN_AI_USAGE_OUTPUT_TOKENS)
_COSTS: Final = _names_of(semconv.ALEX_COST)


class Plan(NamedTuple):
    """The parts of the tables that can apply; names in each are those that are there."""

    kinds: tuple[tuple[str, dict[str, str]], ...]
    models: tuple[str, ...]
    tokens: tuple[str, ...]
    fields: tuple[tuple[Field, tuple[str, ...]], ...]
    plain_fields: tuple[tuple[Field, tuple[str, ...]], ...]  # without tokens
    costs: tuple[str, ...]
    cost_parts: tuple[tuple[str, str], ...]
    usages: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    vercel: bool
    indexed: Indexed


class Plans:
    """Remembers plans by the names that they are for."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, ...], Plan] = {}

    def plan(self, names: tuple[str, ...]) -> Plan:
        """Return the plan for spans with these attributes."""
        found = self._plans.get(names)
        if found is None:
            if len(self._plans) >= _MOST:
                self._plans.clear()
            found = self._plans[names] = _plan(names)
        return found


def _plan(names: tuple[str, ...]) -> Plan:
    given = frozenset(names)

    def present(candidates: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in candidates if name in given)

    fields = _fields(given)
    return Plan(
        kinds=_kinds(given),
        models=present(_MODELS),
        tokens=present(_TOKENS),
        fields=fields,
        plain_fields=tuple(one for one in fields if one[0].target not in TOKEN_TARGETS),
        costs=present(_COSTS),
        cost_parts=tuple(pair for pair in dialects.COST_PARTS if not given.isdisjoint(pair)),
        usages=present(USAGES),
        inputs=present(dialects.INPUTS),
        outputs=present(dialects.OUTPUTS),
        arguments=present(dialects.ARGUMENTS),
        results=present(dialects.RESULTS),
        vercel=not given.isdisjoint(_VERCEL),
        indexed=messages.indexed(names),
    )


def _kinds(given: frozenset[str]) -> tuple[tuple[str, dict[str, str]], ...]:
    found = []
    for name, values in dialects.KINDS:
        if name in given:
            found.append((name, values))
        elif _LOWER.get(name) in given:
            found.append((_LOWER[name], values))
    return tuple(found)


def _fields(given: frozenset[str]) -> tuple[tuple[Field, tuple[str, ...]], ...]:
    """Return the fields that can be filled; what one fills, a later one may read."""
    available = set(given)
    found = []
    for field in dialects.FIELDS:
        if field.target == semconv.ALEX_COST:
            continue  # decided with the price
        names = tuple(name for name in field.names if name in available)
        if names:
            found.append((field, names))
            available.add(field.target)
    return tuple(found)
