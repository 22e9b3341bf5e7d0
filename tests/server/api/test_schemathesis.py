"""Requests made from the description, right ones and wrong ones, find no fault."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from alexobs.server.api.endpoints import ENDPOINTS
from alexobs.server.api.openapi import document

if TYPE_CHECKING:
    from api_kit import Api

JSON_ENDPOINTS = [one for one in ENDPOINTS if one.answer[0].isupper()]


# What no schema can say: relations between parameters, whole cursors, the grammar of SQL.
BEYOND_SCHEMAS = {"invalid_window", "too_many_points", "invalid_cursor", "query_failed"}


def excused(answer: Any) -> list[Any]:
    refused = answer.status_code == 422 and answer.json()["error"]["code"] in BEYOND_SCHEMAS
    return [schemathesis.specs.openapi.checks.positive_data_acceptance] if refused else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("endpoint", JSON_ENDPOINTS, ids=lambda one: one.path)
def test_requests_from_the_description(api: Api, endpoint: Any) -> None:
    schema = schemathesis.openapi.from_dict(document())
    path, method = endpoint.path, endpoint.method
    address = f"http://127.0.0.1:{api.server.port('web')}"

    @hypothesis.settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=schema[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=address)
        case.validate_response(answer, excluded_checks=excused(answer))

    ask()
