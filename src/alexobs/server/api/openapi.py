"""The description of the API, made from the table of endpoints."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api.endpoints import ENDPOINTS
from alexobs.server.api.shapes import SHAPES, schema_of
from alexobs.server.api.sql import MAX_QUERY, MAX_ROWS, MAX_TIMEOUT_S

if TYPE_CHECKING:
    from alexobs.server.api.endpoints import Endpoint

_ABOUT: Final = (
    "Questions about the telemetry that this server keeps. Times are Unix milliseconds with "
    "microseconds behind the point; costs are USD, and null where a price is unknown; token "
    "buckets are disjoint. Lists go on with next_cursor. All errors have one shape."
)
SQL_REQUEST: Final = {
    "type": "object",
    "required": ["query"],
    "additionalProperties": False,
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY},
        "max_rows": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS},
        "timeout_s": {"type": "number", "minimum": 0.01, "maximum": MAX_TIMEOUT_S},
    },
}


@cache
def examples() -> dict[str, Any]:
    """Return an example answer for each shape, by its name."""
    text = (
        resources.files("alexobs.server.api").joinpath("examples.json").read_text(encoding="utf-8")
    )
    found: dict[str, Any] = json.loads(text)
    return {name: _resolved(example, found) for name, example in found.items()}


def _resolved(value: Any, named: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolved(item, named) for item in value]
    if isinstance(value, dict):
        if "$example" in value:
            return named[value["$example"]]
        return {key: _resolved(item, named) for key, item in value.items()}
    return value


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alexobs",
            "version": metadata.version("alexobs"),
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {"schemas": {name: schema_of(shape) for name, shape in SHAPES.items()}},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.replace(":", "_"),
        "summary": endpoint.summary,
        "parameters": [parameter.described() for parameter in endpoint.parameters],
        "responses": {
            "200": {"description": "The answer", "content": _content(endpoint)},
            "default": {"description": "An error", "content": _json("Error")},
        },
    }
    if endpoint.method == "POST":
        example = {"query": "SELECT model, count(*) AS calls FROM spans GROUP BY model"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": SQL_REQUEST, "example": example}},
        }
    return operation


def _content(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.answer in SHAPES:
        return _json(endpoint.answer)
    return {endpoint.answer: {"schema": {"type": "string"}}}


def _json(shape: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{shape}"}
    return {"application/json": {"schema": reference, "example": examples()[shape]}}
