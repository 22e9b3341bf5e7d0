"""Brings what others wrote to one form: names, tokens, cost, messages, secrets removed.

What is not understood stays as it is, beside what is. The tables are in `dialects`, the shapes of
messages in `messages`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from alexobs import semconv
from alexobs.records import Cost, Usage
from alexobs.server.ingest import dialects, messages, proto
from alexobs.server.ingest.plans import TOKEN_TARGETS, Plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alexobs.server.ingest.plans import Plan

_CALLS: Final = ("llm", "embedding")
_MOST_TOKENS: Final = 1 << 40
REPORTED: Final = "reported:"
"""Begins the price id of a cost that came with the span."""


class Pricer(Protocol):
    """What is needed of the price list here."""

    def cost(
        self,
        provider: str,
        model: str,
        usage: Usage,
        *,
        when_ns: int | None = None,
        response_model: str = "",
    ) -> Any:
        """Return a `Cost`, or something with a `reason`."""
        ...


class Redactor(Protocol):
    """What is needed of a redactor here."""

    def batch(self, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the mappings without secrets."""
        ...

    def texts(self, values: list[str]) -> list[str]:
        """Return the texts without secrets."""
        ...


class Normaliser:
    """Rewrites what others wrote; either part may be None, and is then left out."""

    def __init__(self, pricer: Pricer | None = None, redactor: Redactor | None = None) -> None:
        self._pricer = pricer
        self._redactor = redactor
        self._plans = Plans()

    def attributes(
        self,
        given: Mapping[str, Any],
        *,
        root: bool = False,
        start_ns: int = 0,
        failed: bool = False,
        events: Sequence[tuple[str, dict[str, Any]]] = (),
    ) -> dict[str, Any]:
        """Return one span's attributes in the store's form.

        Args:
            given: as they came, redacted.
            root: the span has no parent.
            start_ns: when it started; prices depend on it.
            failed: its status is an error.
            events: names and attributes of its events, which older conventions put messages in.
        """
        result = dict(given)
        if semconv.ALEX_KIND in given:
            return result  # written by alexobs, under somebody else's scope
        plan = self._plans.plan(tuple(given))
        kind = _kind_of(plan, given, root=root)
        _copy_fields(plan.fields if kind in _CALLS else plan.plain_fields, result, given)
        if kind is None:
            return result
        result[semconv.ALEX_KIND] = kind
        if semconv.ALEX_STATUS not in result:
            failed = failed or given.get("langfuse.observation.level") == "ERROR"
            result[semconv.ALEX_STATUS] = semconv.ERROR if failed else semconv.SUCCESS
        if kind in _CALLS:
            _settle_model(result)
            if plan.usages:
                _json_usage(plan, result, given)
            usage = _settle_tokens(result)
            self._settle_cost(plan, result, given, usage, start_ns, failed=failed)
        _settle_content(plan, result, given, kind, events)
        return result

    def _settle_cost(
        self,
        plan: Plan,
        result: dict[str, Any],
        given: Mapping[str, Any],
        usage: Usage | None,
        start_ns: int,
        *,
        failed: bool,
    ) -> None:
        reported = _reported_cost(plan, given)
        if reported is not None:
            result[semconv.ALEX_COST] = reported
            result.setdefault(semconv.ALEX_COST_PRICE_ID, f"{REPORTED}{_seller(result)}")
            return
        result.pop(semconv.ALEX_COST, None)
        if usage is None:
            if not failed:
                result[semconv.ALEX_COST_UNPRICED] = "no usage reported"
            return
        if self._pricer is None:
            return
        cost = self._pricer.cost(
            _text(result.get(semconv.GEN_AI_PROVIDER_NAME)),
            _text(result.get(semconv.GEN_AI_REQUEST_MODEL)),
            usage,
            when_ns=start_ns or None,
            response_model=_text(result.get(semconv.GEN_AI_RESPONSE_MODEL)),
        )
        if isinstance(cost, Cost):
            result[semconv.ALEX_COST] = cost.usd
            result[semconv.ALEX_COST_PRICE_ID] = cost.price_id
            result[semconv.ALEX_COST_PRICE_DATE] = cost.price_date
        else:
            result[semconv.ALEX_COST_UNPRICED] = cost.reason

    # -- secrets ---------------------------------------------------------------------------------

    def redacted_texts(self, texts: list[str]) -> list[str]:
        """Return texts without secrets."""
        return texts if self._redactor is None else self._redactor.texts(texts)

    def redacted(self, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return attributes without secrets; the same dict for each that has none."""
        return mappings if self._redactor is None else self._redactor.batch(mappings)

    def redact_logs(self, request: Any) -> None:
        """Remove secrets from the log records of others, in place."""
        if self._redactor is None:
            return
        records = [
            record
            for resource in request.resource_logs
            for scope in resource.scope_logs
            if not scope.scope.name.startswith("alexobs")
            for record in scope.log_records
        ]
        before = [
            {"body": proto.value_of(record.body)} | proto.attributes_of(record.attributes)
            for record in records
        ]
        for record, old, new in zip(records, before, self._redactor.batch(before), strict=True):
            if new is not old:
                body = new.pop("body", None)
                record.body.Clear()
                proto.set_value(record.body, body)
                record.ClearField("attributes")
                proto.set_attributes(record.attributes, new)


# -- what it is --------------------------------------------------------------------------------


def _kind_of(plan: Plan, given: Mapping[str, Any], *, root: bool) -> str | None:
    """Return the kind of a span, or None for one that is nothing of an agent's."""
    for attribute, values in plan.kinds:
        said = given[attribute]
        if isinstance(said, str):
            kind = values.get(said.strip('"').lower())
            if kind == "agent":
                return "session" if root else "span"
            if kind is not None:
                return kind
    model = any(isinstance(given[name], str) for name in plan.models)
    if model and any(_count(given[name]) is not None for name in plan.tokens):
        return "llm"
    if isinstance(given.get("gen_ai.tool.name"), str):
        return "tool"
    return None


def _copy_fields(
    fields: Iterable[tuple[dialects.Field, tuple[str, ...]]],
    result: dict[str, Any],
    given: Mapping[str, Any],
) -> None:
    """Fill the fields; tokens only of calls: an agent's span repeats what its calls have used."""
    for (target, kind, _), names in fields:
        convert = _CONVERT[kind]
        for name in names:
            value = convert(result.get(name))
            if value is not None:
                result.setdefault(target, value)
                if target not in given or name == target:
                    result[target] = value
                break


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    if type(value) is int:
        return value if 0 <= value < _MOST_TOKENS else None
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value < _MOST_TOKENS or value != int(value):
        return None
    return int(value)


def _amount(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _milliseconds(value: Any) -> float | None:
    amount = _amount(value)
    return None if amount is None else amount / 1000


_CONVERT: Final[dict[str, Any]] = {
    "text": _as_text,
    "count": _count,
    "integer": _count,
    "usd": _amount,
    "seconds": _amount,
    "milliseconds": _milliseconds,
}


# -- model, tokens, cost -----------------------------------------------------------------------


def _settle_model(result: dict[str, Any]) -> None:
    """Take the provider out of names such as ``mistral/mistral-small``, and name it as we do."""
    provider = _text(result.get(semconv.GEN_AI_PROVIDER_NAME)).lower()
    model = _text(result.get(semconv.GEN_AI_REQUEST_MODEL))
    prefix, slash, rest = model.partition("/")
    if not provider and slash and rest:
        provider = prefix.lower()
    if "." in provider and provider not in dialects.PROVIDERS:
        first = provider.partition(".")[0]  # as in `openai.chat`
        provider = (
            first if first in ("openai", "anthropic", "mistral", "cohere", "xai") else provider
        )
    if provider:
        result[semconv.GEN_AI_PROVIDER_NAME] = dialects.PROVIDERS.get(provider, provider)


def _json_usage(plan: Plan, result: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Read token counts that stand in one JSON attribute (Langfuse, MLflow)."""
    for name in plan.usages:
        usage = messages.loaded(given.get(name))
        if not isinstance(usage, dict):
            continue
        read = _first(usage, "input_cached_tokens", "cache_read_input_tokens", "cached_tokens")
        write = _first(usage, "cache_creation_input_tokens", "input_cache_creation")
        reasoning = _first(usage, "output_reasoning_tokens", "reasoning_tokens")
        taken = {
            semconv.GEN_AI_USAGE_INPUT_TOKENS: _first(
                usage, "input", "input_tokens", "prompt_tokens"
            ),
            semconv.GEN_AI_USAGE_OUTPUT_TOKENS: _first(
                usage, "output", "output_tokens", "completion_tokens"
            ),
            semconv.GEN_AI_USAGE_CACHE_READ: read,
            semconv.GEN_AI_USAGE_CACHE_WRITE: write,
            semconv.GEN_AI_USAGE_REASONING: reasoning,
        }
        if name.startswith("langfuse"):  # its buckets are disjoint
            _add(taken, semconv.GEN_AI_USAGE_INPUT_TOKENS, (read or 0) + (write or 0))
            _add(taken, semconv.GEN_AI_USAGE_OUTPUT_TOKENS, reasoning or 0)
        for target, value in taken.items():
            if value is not None:
                result.setdefault(target, value)


def _add(taken: dict[str, int | None], target: str, more: int) -> None:
    value = taken[target]
    if value is not None:
        taken[target] = value + more


def _first(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((n for name in names if (n := _count(usage.get(name))) is not None), None)


def _settle_tokens(result: dict[str, Any]) -> Usage | None:
    """Write the disjoint buckets; return the usage, or None when none was reported."""
    counts = [_count(result.get(name)) for name in TOKEN_TARGETS]
    if counts[0] is None and counts[1] is None:
        return None
    given_input, given_output, read, write, reasoning = (count or 0 for count in counts)
    # Who reports more cached than input reports the input without the cached part, and likewise.
    input_tokens = given_input if read + write <= given_input else given_input + read + write
    output_tokens = given_output if reasoning <= given_output else given_output + reasoning
    result[semconv.GEN_AI_USAGE_INPUT_TOKENS] = input_tokens
    result[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = output_tokens
    result[semconv.ALEX_TOKENS_UNCACHED_INPUT] = input_tokens - read - write
    result[semconv.ALEX_TOKENS_CACHE_READ] = read
    result[semconv.ALEX_TOKENS_CACHE_WRITE] = write
    result[semconv.ALEX_TOKENS_OUTPUT] = output_tokens - reasoning
    result[semconv.ALEX_TOKENS_REASONING] = reasoning
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
    )


def _reported_cost(plan: Plan, given: Mapping[str, Any]) -> float | None:
    for name in plan.costs:
        amount = _amount(given.get(name))
        if amount is not None:
            return amount
    for pair in plan.cost_parts:
        parts = [_amount(given.get(name)) for name in pair]
        if any(part is not None for part in parts):
            return sum(part or 0.0 for part in parts)
    details = messages.loaded(given.get("langfuse.observation.cost_details"))
    if isinstance(details, dict):
        total = _amount(details.get("total"))
        parts = [_amount(value) for value in details.values()]
        return total if total is not None else sum(part or 0.0 for part in parts) or None
    return None


def _seller(result: Mapping[str, Any]) -> str:
    provider = _text(result.get(semconv.GEN_AI_PROVIDER_NAME)) or "any"
    return f"{provider}/{_text(result.get(semconv.GEN_AI_REQUEST_MODEL)) or 'unknown'}"


# -- content -----------------------------------------------------------------------------------


def _settle_content(
    plan: Plan,
    result: dict[str, Any],
    given: Mapping[str, Any],
    kind: str,
    events: Sequence[tuple[str, dict[str, Any]]],
) -> None:
    for key in plan.indexed.keys:
        del result[key]
    if kind == "tool":
        entity = _as_text(given.get(dialects.ENTITY_NAME))
        if entity is not None:
            result.setdefault(semconv.ALEX_TOOL_NAME, entity)
        _move(result, given, plan.arguments, semconv.GEN_AI_TOOL_CALL_ARGUMENTS)
        _move(result, given, plan.results, semconv.GEN_AI_TOOL_CALL_RESULT)
        return
    if kind not in ("llm", "session"):
        return
    from_events = _event_messages(events) if events else ([], [])
    inputs = messages.from_indexed(plan.indexed.inputs, given, "user") or from_events[0]
    outputs = messages.from_indexed(plan.indexed.outputs, given, "assistant") or from_events[1]
    asked = _json(inputs) if inputs else _found(result, given, plan.inputs, "user")
    answered = _json(outputs) if outputs else _found(result, given, plan.outputs, "assistant")
    if not answered and plan.vercel:
        answered = _vercel_output(result, given)
    if asked:
        result[semconv.GEN_AI_INPUT_MESSAGES] = asked
    if answered:
        result[semconv.GEN_AI_OUTPUT_MESSAGES] = answered
    for target in (semconv.GEN_AI_SYSTEM_INSTRUCTIONS, semconv.GEN_AI_TOOL_DEFINITIONS):
        if target in given and not isinstance(given[target], str):
            result[target] = _json(given[target])


def _move(
    result: dict[str, Any], given: Mapping[str, Any], names: Iterable[str], target: str
) -> None:
    for name in names:
        value = given[name]
        if value is not None:
            del result[name]
            result[target] = value if isinstance(value, str) else _json(value)
            return


def _found(
    result: dict[str, Any], given: Mapping[str, Any], names: Iterable[str], role: str
) -> str:
    """Return the messages in the first of the attributes that has any, as JSON text."""
    for name in names:
        value = given[name]
        if value not in (None, ""):
            text = messages.canonical(value)
            if not text:
                found = messages.as_messages(value, role)
                text = _json(found) if found else ""
            if text:
                del result[name]
                return text
    return ""


def _vercel_output(result: dict[str, Any], given: Mapping[str, Any]) -> str:
    text = given.get("ai.response.text", given.get("ai.result.text"))
    text = text or given.get("ai.response.object", given.get("ai.result.object"))
    calls = given.get("ai.response.toolCalls", given.get("ai.result.toolCalls"))
    if not text and not calls:
        return ""
    for name in ("ai.response.text", "ai.response.toolCalls", "ai.response.object"):
        result.pop(name, None)
    message = {"role": "assistant", "content": text or None, "tool_calls": messages.loaded(calls)}
    return _json([messages.as_message(message, "assistant")])


_EVENT_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def _event_messages(
    events: Iterable[tuple[str, dict[str, Any]]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the messages that older conventions wrote as events of the span."""
    inputs: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    for name, attributes in events:
        if name in _EVENT_ROLES:
            inputs.append(messages.as_message(dict(attributes), _EVENT_ROLES[name]))
        elif name == "gen_ai.choice":
            inner = messages.loaded(attributes.get("message"))
            message = inner if isinstance(inner, dict) else dict(attributes)
            outputs.append(messages.as_message(message, "assistant"))
        elif name == "gen_ai.content.prompt":
            inputs += messages.as_messages(attributes.get("gen_ai.prompt"), "user")
        elif name == "gen_ai.content.completion":
            outputs += messages.as_messages(attributes.get("gen_ai.completion"), "assistant")
        elif name == "gen_ai.client.inference.operation.details":
            inputs += messages.as_messages(attributes.get("gen_ai.input.messages"), "user")
            outputs += messages.as_messages(attributes.get("gen_ai.output.messages"), "assistant")
    return inputs, outputs


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    return f"[{len(value)} bytes]" if isinstance(value, bytes) else str(value)
