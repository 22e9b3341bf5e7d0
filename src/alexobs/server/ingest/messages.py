"""Turns every shape of messages into the conventions' one: ``{"role", "parts": [...]}``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INDEXED: Final = re.compile(
    r"(?P<list>llm\.input_messages|llm\.output_messages|gen_ai\.prompt|gen_ai\.completion)"
    r"\.(?P<index>\d{1,5})\.(?P<rest>.+)"
)
_INPUT_LISTS: Final = frozenset({"llm.input_messages", "gen_ai.prompt"})
_PART_LISTS: Final = re.compile(r"(?P<list>contents|tool_calls)\.(?P<index>\d{1,5})\.(?P<rest>.+)")

_PLAIN: Final = {"role", "content"}
_SPEAKERS: Final = ("user", "assistant", "system", "developer")


class _Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    content: str


class _Reasoning(msgspec.Struct, tag_field="type", tag="reasoning", forbid_unknown_fields=True):
    content: str


class _ToolCall(msgspec.Struct, tag_field="type", tag="tool_call", forbid_unknown_fields=True):
    id: str | None
    name: str
    arguments: dict[str, Any]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system", "tool", "developer"]
    parts: list[_Text | _Reasoning | _ToolCall]
    finish_reason: str | msgspec.UnsetType = msgspec.UNSET


_canonical: Final = msgspec.json.Decoder(list[_Message])


def canonical(value: Any) -> str:
    """Return JSON text that has the conventions' form already, in its shortest spelling, or ""."""
    if not isinstance(value, str) or value[:2] != "[{":
        return ""
    try:
        return msgspec.json.encode(_canonical.decode(value)).decode()
    except msgspec.MsgspecError:
        return ""


class Indexed(NamedTuple):
    """Messages that are spread over numbered attributes: for each its attributes and their ends."""

    inputs: tuple[tuple[tuple[str, str], ...], ...]
    outputs: tuple[tuple[tuple[str, str], ...], ...]
    keys: tuple[str, ...]


def indexed(names: Iterable[str]) -> Indexed:
    """Return what of these attributes makes messages.

    OpenInference writes ``llm.input_messages.0.message.role``, OpenLLMetry
    ``gen_ai.prompt.0.role``.
    """
    found: dict[tuple[bool, int], dict[str, str]] = {}
    keys = []
    for name in names:
        match = _INDEXED.fullmatch(name)
        if match is not None:
            keys.append(name)
            slot = (match["list"] in _INPUT_LISTS, int(match["index"]))
            found.setdefault(slot, {})[match["rest"]] = name
    slots: tuple[list[tuple[tuple[str, str], ...]], ...] = ([], [])
    for slot in sorted(found):
        pairs = ((name, rest.removeprefix("message.")) for rest, name in found[slot].items())
        slots[not slot[0]].append(tuple(pairs))
    return Indexed(tuple(slots[0]), tuple(slots[1]), tuple(keys))


def from_indexed(
    slots: tuple[tuple[tuple[str, str], ...], ...], given: Mapping[str, Any], role: str
) -> list[dict[str, Any]]:
    """Return the messages that `indexed` found in the names of `given`."""
    return [_from_flat({rest: given[name] for name, rest in slot}, role) for slot in slots]


def _from_flat(flat: dict[str, Any], role: str) -> dict[str, Any]:
    """Return one message of what stands below its number."""
    if flat.keys() == _PLAIN and flat["role"] in _SPEAKERS:
        content = flat["content"]
        if isinstance(content, str) and content and content[:2] != "[{":
            return {"role": flat["role"], "parts": [_text(content)]}
    message: dict[str, Any] = {"role": role}
    lists: dict[tuple[str, int], dict[str, Any]] = {}
    for key, value in flat.items():
        match = _PART_LISTS.fullmatch(key) if "." in key else None
        if match is not None:
            lists.setdefault((match["list"], int(match["index"])), {})[match["rest"]] = value
        else:
            message[key] = value
    contents = [_content(lists[slot]) for slot in sorted(lists) if slot[0] == "contents"]
    calls = [_call(lists[slot]) for slot in sorted(lists) if slot[0] == "tool_calls"]
    if contents:
        message["content"] = contents
    if calls:
        message["tool_calls"] = calls
    return as_message(message, role)


def _content(flat: dict[str, Any]) -> dict[str, Any]:
    bare = {key.removeprefix("message_content."): value for key, value in flat.items()}
    if "image.image.url" in bare:
        return {"type": "image_url", "image_url": {"url": bare["image.image.url"]}}
    return {"type": bare.get("type", "text"), "text": bare.get("text", "")}


def _call(flat: dict[str, Any]) -> dict[str, Any]:
    bare = {
        key.removeprefix("tool_call.").removeprefix("function."): value
        for key, value in flat.items()
    }
    return {
        "id": bare.get("id"),
        "name": bare.get("name"),
        "arguments": loaded(bare.get("arguments")),
    }


def loaded(value: Any) -> Any:
    """Return what a JSON text says; anything else as it is."""
    if isinstance(value, str) and value[:1] in '[{"-0123456789tfn':
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


def as_messages(value: Any, role: str) -> list[dict[str, Any]]:  # noqa: PLR0911 - one per shape
    """Return the messages in `value`, whatever shape it has; `role` where it names none."""
    text, value = value, loaded(value)
    if isinstance(value, dict):
        for name in ("messages", "choices", "generations", "contents"):
            if isinstance(value.get(name), list):
                lead = (
                    [{"role": "system", "content": value["system"]}] if value.get("system") else []
                )
                return as_messages(lead + value[name], role)
        for name in ("prompt", "message"):
            if name in value and "role" not in value:
                return as_messages(value[name], role)
        if isinstance(text, str) and not _MESSAGE_NAMES & value.keys():
            return [{"role": role, "parts": [_text(text)]}]  # an answer that happens to be JSON
        return [as_message(value, role)]
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and _is_part(item) for item in value):
            return [as_message({"role": role, "content": value}, role)]
        return [message for item in value for message in _flattened(item, role)]
    return [as_message(value, role)] if value not in (None, "") else []


_MESSAGE_NAMES: Final = frozenset(
    {"role", "parts", "content", "text", "tool_calls", "toolCalls", "kwargs", "tool.name"}
)


def _flattened(item: Any, role: str) -> list[dict[str, Any]]:
    if isinstance(item, list):  # LangChain: a list of lists
        return [message for inner in item for message in _flattened(inner, role)]
    if isinstance(item, dict) and isinstance(item.get("message"), dict):
        return [as_message(item["message"], role)]  # a choice
    return [as_message(item, role)]


def _is_part(item: dict[str, Any]) -> bool:
    return "role" not in item and (
        "type" in item or "tool.name" in item or {"toolCallId", "toolName"} <= item.keys()
    )


_ROLES: Final = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}


def as_message(value: Any, role: str) -> dict[str, Any]:
    """Return one message."""
    if not isinstance(value, dict):
        return {"role": role, "parts": [_text(value)]}
    if isinstance(value.get("kwargs"), dict) and "lc" in value:  # LangChain, serialised
        value = value["kwargs"]
    named = value.get("role") or value.get("type") or role
    named = _ROLES.get(named, named) if isinstance(named, str) else role
    if named not in ("user", "assistant", "system", "tool", "developer"):
        named = role
    parts = value.get("parts")
    if isinstance(parts, list):
        message = {"role": named, "parts": [_part(part) for part in parts]}
    else:
        message = {"role": named, "parts": _parts_of(value, named)}
    reason = value.get("finish_reason")
    if isinstance(reason, str):
        message["finish_reason"] = reason
    return message


def _parts_of(value: dict[str, Any], role: str) -> list[dict[str, Any]]:
    content = value.get("content", value.get("text"))
    if role == "tool" and not isinstance(content, list):
        call = value.get("tool_call_id") or value.get("id")
        return [{"type": "tool_call_response", "id": call, "response": content}]
    parts: list[dict[str, Any]] = []
    reasoning = value.get("reasoning") or value.get("reasoning_content")
    if isinstance(reasoning, str):
        parts.append({"type": "reasoning", "content": reasoning})
    content = loaded(content) if isinstance(content, str) and content[:2] == "[{" else content
    if isinstance(content, list):
        parts += [_part(part) for part in content]
    elif content not in (None, ""):
        parts.append(_text(content))
    calls = value.get("tool_calls") or value.get("toolCalls") or ()
    parts += [_part({"type": "tool_call", **_flat_call(call)}) for call in calls if call]
    if not parts and content is None and "role" not in value:
        parts.append(_text(value))
    return parts


def _flat_call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        return {"name": str(call)}
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    return {
        "id": call.get("id") or call.get("toolCallId"),
        "name": inner.get("name") or inner.get("toolName") or inner.get("tool.name"),
        "arguments": loaded(
            next(
                (inner[k] for k in ("arguments", "args", "input", "tool.args") if k in inner), None
            )
        ),
    }


def _part(part: Any) -> dict[str, Any]:  # noqa: PLR0911 - one per kind of part
    if not isinstance(part, dict):
        return _text(part)
    kind = part.get("type")
    if kind in ("tool_call", "tool_use", "tool-call", "function_call", "toolCall") or (
        kind is None and ("tool.name" in part or "toolName" in part)
    ):
        return {"type": "tool_call", **_flat_call(part)}
    if kind in ("tool_result", "tool-result", "tool_call_response", "function_call_output"):
        return _response(part)
    if kind in ("text", "input_text", "output_text", None) and (
        "text" in part or "content" in part
    ):
        return _text(part.get("text", part.get("content")))
    if kind in ("thinking", "reasoning"):
        text = part.get("thinking") or part.get("text") or part.get("content") or ""
        return {"type": "reasoning", "content": text}
    if kind in ("image_url", "input_image"):
        url = part.get("image_url")
        return {"type": "uri", "uri": url.get("url") if isinstance(url, dict) else url}
    return part if kind else _text(part)


def _response(part: dict[str, Any]) -> dict[str, Any]:
    call = part.get("tool_use_id") or part.get("toolCallId") or part.get("call_id")
    names = ("response", "result", "output", "content")
    return {
        "type": "tool_call_response",
        "id": call or part.get("id"),
        "response": next((part[name] for name in names if name in part), None),
    }


def _text(value: Any) -> dict[str, Any]:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return {"type": "text", "content": text}
