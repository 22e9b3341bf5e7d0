"""Providers' objects as plain data, and messages in the conventions' form.

Runs in the worker. Model objects (pydantic's, whichever version) become the JSON they came from:
fields that were not sent are absent, so that a raw usage is the provider's own.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from alexobs import semconv
from alexobs.records import Messages

MAX_DEPTH = 64
MAX_BLOB_CHARS = 65_536  # of base64: an icon or a few seconds of speech; a photo is left out
TOO_DEEP = "[too deep]"

_SCALARS = frozenset((str, int, float, bool, type(None)))
# What SDKs add to an answer for convenience: other forms of what it says already.
_DERIVED = frozenset(("parsed", "parsed_arguments", "parsed_output", "_request_id"))

_decoder = msgspec.json.Decoder()

Part = dict[str, Any]
Convert = Callable[[Any], Mapping[str, Any]]


def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` as dicts, lists and scalars; what is neither is returned as it is."""
    kind = value.__class__
    if kind in _SCALARS:
        return value
    if depth > MAX_DEPTH:
        return TOO_DEEP
    depth += 1
    # Scalars are most of all values: not calling for each halves the time.
    if kind is dict:
        return {
            key: item if item.__class__ in _SCALARS else plain(item, depth)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        vector = value and value[0].__class__ is float
        return value if vector else [plain(item, depth) for item in value]
    fields = getattr(value, "__pydantic_fields_set__", None)
    if fields is None or kind is type:
        return _plain_other(value, depth)
    return _plain_model(value, fields, depth)


def decoded(body: bytes) -> dict[str, Any] | None:
    """Return the object that a body of JSON is, or None when it is something else."""
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _leniently(body)
    return found if found.__class__ is dict else None


def _leniently(body: bytes) -> Any:
    """Decode what is no JSON and read by the SDKs all the same: ``NaN``, lone surrogates."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _plain_model(value: Any, fields: Any, depth: int) -> dict[str, Any]:
    kept = fields if _DERIVED.isdisjoint(fields) else fields - _DERIVED
    found = {
        key: item if item.__class__ in _SCALARS else plain(item, depth)
        for key, item in value.__dict__.items()
        if key in kept
    }
    extra = value.__pydantic_extra__
    if extra:
        found.update(
            (key, plain(item, depth)) for key, item in extra.items() if key not in _DERIVED
        )
    return found


def _plain_other(value: Any, depth: int) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return {"name": value.__name__}  # a class given as the schema of a tool or an answer
    content = getattr(value, "http_response", None)
    return plain_http(content) if content is not None else value


def plain_http(response: Any) -> Any:
    """Return the body of an HTTP response that was read already, or None."""
    try:
        return json.loads(response.content)
    except Exception:
        return None  # not read, or no JSON: a raw response may be anything


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return plain data of a mapping or a model object; an empty one of anything else."""
    if value.__class__ is dict:
        return value
    found = plain(value)
    return found if isinstance(found, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """Return several things as a list, one in a list, and nothing as an empty one."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def set_present(
    attributes: dict[str, Any], body: Mapping[str, Any], names: Mapping[str, str]
) -> None:
    """Copy what `body` has of `names` (field to attribute), nulls left out."""
    for field, value in body.items():
        attribute = names.get(field)
        if attribute is not None and value is not None:
            attributes[attribute] = value


def integer(source: Mapping[str, Any] | None, *path: str) -> int:
    """Return the count at `path`, 0 when it is absent or no number."""
    value: Any = source
    for key in path:
        if value.__class__ is not dict:
            return 0
        value = value.get(key)
    if value.__class__ is int:
        return value
    return int(value) if value.__class__ is float else 0


def counts_any(source: Any, *names: str) -> bool:
    """Tell whether a usage has one of these counts; an object without them says nothing."""
    return isinstance(source, Mapping) and any(
        source.get(name).__class__ in (int, float) for name in names
    )


def parsed_json(text: Any) -> Any:
    """Return what a JSON text says, or the text when it says nothing (a cut stream)."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


# -- parts ---------------------------------------------------------------------------------------


def text_part(text: Any) -> Part:
    """Return a part of plain text."""
    return {"type": "text", "content": text}


def reasoning_part(text: Any) -> Part:
    """Return a part of the model's own thinking."""
    return {"type": "reasoning", "content": text}


def call_part(call_id: Any, name: Any, arguments: Any) -> Part:
    """Return a request to call a tool; arguments that are JSON text become data."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": parsed_json(arguments)}


def result_part(call_id: Any, result: Any) -> Part:
    """Return what a tool answered."""
    return {"type": "tool_call_response", "id": call_id, "response": result}


def blob_part(data: Any, mime_type: str | None, modality: str | None = None) -> Part:
    """Return inline data (base64); beyond `MAX_BLOB_CHARS` its size stands for it."""
    part: Part = {"type": "blob", "modality": modality or modality_of(mime_type)}
    if mime_type:
        part["mime_type"] = mime_type
    if isinstance(data, bytes | bytearray):
        import base64  # noqa: PLC0415 - rarely needed

        data = base64.b64encode(data).decode()
    text = str(data)
    if len(text) <= MAX_BLOB_CHARS:
        part["content"] = text
    else:
        part["content"] = ""
        part["size_bytes"] = len(text) * 3 // 4 - text[-2:].count("=")
    return part


def uri_part(uri: str, modality: str | None = None, mime_type: str | None = None) -> Part:
    """Return a reference to data elsewhere; a ``data:`` URL is inline data."""
    if uri.startswith("data:"):
        head, _, data = uri[5:].partition(",")
        return blob_part(data, head.split(";")[0] or mime_type, modality)
    part: Part = {"type": "uri", "modality": modality or modality_of(mime_type), "uri": uri}
    if mime_type:
        part["mime_type"] = mime_type
    return part


def server_call_part(call_id: Any, name: Any, call: Any) -> Part:
    """Return a call of a tool that runs at the provider's."""
    said = {"type": name, **(call if isinstance(call, Mapping) else {"input": call})}
    return {"type": "server_tool_call", "id": call_id, "name": name, "server_tool_call": said}


def server_result_part(call_id: Any, kind: str, result: Any) -> Part:
    """Return what a tool at the provider's answered."""
    answer = {"type": kind, "content": result}
    return {"type": "server_tool_call_response", "id": call_id, "server_tool_call_response": answer}


def refusal_part(text: Any) -> Part:
    """Return the model's words for not answering."""
    return {"type": "refusal", "content": text}


def file_part(file_id: str, modality: str = "document") -> Part:
    """Return a reference to a file that was uploaded before."""
    return {"type": "file", "modality": modality, "file_id": file_id}


def modality_of(mime_type: str | None) -> str:
    """Return ``image``, ``audio`` or ``video`` of a MIME type, ``document`` else."""
    family = (mime_type or "").split("/")[0]
    return family if family in {"image", "audio", "video"} else "document"


def other_part(block: Mapping[str, Any]) -> Part:
    """Return a block that has no form of its own in the conventions, under its own type."""
    return {**block, "type": str(block.get("type") or "unknown")}


def texts(content: Any, convert: Callable[[Mapping[str, Any]], Part]) -> list[Part]:
    """Return the parts of a content that is a text, one block or a list of blocks."""
    if content is None:
        return []
    if isinstance(content, Mapping | str):
        content = (content,)
    if not isinstance(content, list | tuple):
        return [text_part(content)]
    return [text_part(block) if isinstance(block, str) else convert(block) for block in content]


def named_definition(source: Any) -> dict[str, Any]:
    """Return the definition of a tool; a provider's own has its type for a name."""
    definition = as_mapping(source)
    return {"name": definition.get("type"), **definition}


# -- how much is kept ----------------------------------------------------------------------------


def limit_content(content: Mapping[str, Any], capture: str) -> Mapping[str, Any]:
    """Return as much of captured content as the setting allows."""
    if capture == "full" or not content:
        return content
    if capture == "off":
        return {}
    return {key: _sizes_only(key, value) for key, value in content.items()}


def _sizes_only(key: str, value: Any) -> Any:
    if not isinstance(value, Messages):
        return {"size": size_of(value)}
    narrow = _named if key == semconv.GEN_AI_TOOL_DEFINITIONS else _measured
    return Messages(value.items, _narrowed(value.convert, narrow))


@functools.lru_cache(maxsize=256)  # the same function each time: the encoder keeps JSON by it
def _narrowed(convert: Convert, narrow: Convert) -> Convert:
    return lambda item: narrow(convert(item))


def _named(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in ("type", "name") if key in definition}


def _measured(item: Mapping[str, Any]) -> dict[str, Any]:
    if "parts" not in item:
        return _measured_part(item)
    kept = {key: item[key] for key in ("role", "finish_reason") if key in item}
    return {**kept, "parts": [_measured_part(part) for part in item["parts"]]}


_KEPT = ("type", "id", "name", "modality", "mime_type", "size_bytes")


def _measured_part(part: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: part[key] for key in _KEPT if key in part}
    rest = [value for key, value in part.items() if key not in _KEPT]
    return {**kept, "size": sum(map(size_of, rest))}


def size_of(value: Any) -> int:
    """Return the number of characters of a value, nested texts added up."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return len(str(value))
