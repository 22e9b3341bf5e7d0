"""Items of OpenAI's Responses API, in the conventions' form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.instrumentation.plain import (
    Part,
    as_mapping,
    blob_part,
    call_part,
    file_part,
    other_part,
    reasoning_part,
    refusal_part,
    result_part,
    server_call_part,
    text_part,
    texts,
    uri_part,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOOL_CALLS = frozenset(("function_call", "custom_tool_call"))
# Tools of the provider's that the application runs: the call asks for an answer as well.
RUN_HERE = frozenset(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"))


def instruction(item: Any) -> Part:
    """Return one system instruction."""
    if isinstance(item, str):
        return text_part(item)
    message = item_message(item)
    parts: list[Part] = message["parts"]
    return parts[0] if parts else text_part("")


def item_message(source: Any) -> dict[str, Any]:
    """Return one input item as a message."""
    if isinstance(source, str):
        return {"role": "user", "parts": [text_part(source)]}
    item = as_mapping(source)
    if "role" in item:
        return {"role": str(item["role"]), "parts": texts(item.get("content"), block)}
    part = item_part(item)
    role = "tool" if part["type"] == "tool_call_response" else "assistant"
    return {"role": role, "parts": [part]}


def output_message(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return all output items of a response as one message."""
    parts: list[Part] = []
    for source in answer["output"]:
        item = as_mapping(source)
        if item.get("type") == "message":
            parts += texts(item.get("content"), block)
        else:
            parts.append(item_part(item))
    reason = answer["finish_reason"]
    reason = "tool_call" if reason == "tool_calls" else reason  # the word of the message's schema
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def item_part(item: Mapping[str, Any]) -> Part:
    """Return an item that is no message."""
    kind = str(item.get("type") or "")
    if kind == "reasoning":
        said = [*(item.get("summary") or ()), *(item.get("content") or ())]
        return reasoning_part("\n".join(str(as_mapping(part).get("text") or "") for part in said))
    if kind.endswith("_output"):
        return result_part(item.get("call_id") or item.get("id"), item.get("output"))
    if kind in TOOL_CALLS:
        arguments = item.get("arguments") if "arguments" in item else item.get("input")
        return call_part(item.get("call_id"), item.get("name"), arguments)
    if kind == "image_generation_call":
        return blob_part(item.get("result") or "", f"image/{item.get('output_format') or 'png'}")
    return _tools_call(kind, item) if kind.endswith("_call") else other_part(item)


def _tools_call(kind: str, item: Mapping[str, Any]) -> Part:
    rest = {key: value for key, value in item.items() if key not in {"type", "id", "status"}}
    name = item.get("name") or kind.removesuffix("_call")
    if kind in RUN_HERE:
        return call_part(rest.pop("call_id", None), name, rest)
    return server_call_part(item.get("id"), name, rest)


def block(item: Mapping[str, Any]) -> Part:
    """Return one content block of a message item."""
    convert = BLOCKS.get(str(item.get("type")))
    return other_part(item) if convert is None else convert(item)


def _text(item: Mapping[str, Any]) -> Part:
    return text_part(item.get("text"))


def _image(item: Mapping[str, Any]) -> Part:
    if item.get("image_url"):
        return uri_part(str(item["image_url"]), "image")
    return file_part(str(item.get("file_id")), "image")


def audio(item: Mapping[str, Any]) -> Part:
    """Return audio that was sent in."""
    found = as_mapping(item.get("input_audio"))
    return blob_part(found.get("data"), f"audio/{found.get('format')}", "audio")


def file(item: Mapping[str, Any]) -> Part:
    """Return a file: uploaded before, elsewhere, or inline."""
    if item.get("file_id"):
        return file_part(str(item["file_id"]))
    return uri_part(str(item.get("file_data") or item.get("file_url") or ""))


BLOCKS: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": lambda item: refusal_part(item.get("refusal")),
    "input_image": _image,
    "input_audio": audio,
    "input_file": file,
}
