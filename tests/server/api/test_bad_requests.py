"""Wrong, hostile and unusual requests: one error shape, and a server that stays up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from api_kit import Answer, Api, Traffic

NO_TRACE = "0" * 31 + "1"


def error_of(answer: Answer, status: int, code: str) -> dict[str, str]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    error = answer.json["error"]
    assert error.keys() <= {"code", "message", "hint"}
    assert error["code"] == code
    assert error["message"]
    found: dict[str, str] = error
    return found


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("traces?limit=0", "invalid_parameter"),
        ("traces?limit=1e9", "invalid_parameter"),
        ("traces?limit=five", "invalid_parameter"),
        ("traces?limit=5&limit=6", "invalid_parameter"),
        ("traces?limit=%D9%A5", "invalid_parameter"),
        ("traces?min_cost_usd=nan", "invalid_parameter"),
        ("traces?min_cost_usd=-1", "invalid_parameter"),
        ("traces?from=-1", "invalid_parameter"),
        ("traces?from=9999999999999999", "invalid_parameter"),
        ("traces?from=2&to=1", "invalid_window"),
        ("traces?status=dead", "invalid_parameter"),
        ("traces?sort=name%3B%20DROP%20TABLE%20spans", "invalid_parameter"),
        ("traces?q=", "invalid_parameter"),
        ("traces?q=%00", "invalid_parameter"),
        ("traces?q=" + "x" * 600, "invalid_parameter"),
        ("traces?modle=x", "unknown_parameter"),
        ("traces?" + "&".join(f"model={n}" for n in range(60)), "invalid_parameter"),
        ("traces?cursor=abc", "invalid_cursor"),
        ("traces?cursor=..", "invalid_parameter"),
        ("traces?cursor=WzEsMiwzLDRd", "invalid_cursor"),
        ("traces/xyz", "invalid_parameter"),
        (f"traces/{NO_TRACE}?from_ms=-1", "invalid_parameter"),
        (f"spans/{NO_TRACE}/xyz", "invalid_parameter"),
        ("logs?level=loud", "invalid_parameter"),
        ("panels?step=61", "invalid_parameter"),
        ("panels?from=0&to=9223372036854&step=60", "too_many_points"),
        ("metrics/x?from=0&to=9223372036854&step=1", "too_many_points"),
        ("costs?utc_offset_min=900", "invalid_parameter"),
        ("live?trace=1", "invalid_parameter"),
        ("export?signal=secrets", "invalid_parameter"),
        ("store?x=1", "unknown_parameter"),
    ],
)
def test_parameters_are_checked(api: Api, path: str, code: str) -> None:
    assert error_of(api.ask("GET", f"/api/{path}"), 422, code)["hint"]


def test_a_misspelt_parameter_is_named(api: Api) -> None:
    error = error_of(api.ask("GET", "/api/traces?modle=x"), 422, "unknown_parameter")
    assert error["hint"] == "Did you mean model?"


@pytest.mark.parametrize(
    "path",
    [f"traces/{NO_TRACE}", f"spans/{NO_TRACE}/{'0' * 16}", "sessions/none", "metrics/none",
     "sessions/..%2f..%2fetc%2fpasswd", "nothing", "", "traces/"],
)  # fmt: skip
def test_what_is_not_there(api: Api, path: str) -> None:
    error_of(api.ask("GET", f"/api/{path}"), 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["traces", "panels", f"traces/{NO_TRACE}", "live"])
def test_methods_that_are_not_taken(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, f"/api/{path}", b"{}")
    error_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_sql_is_posted(api: Api) -> None:
    answer = api.ask("GET", "/api/sql")
    error_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"query": 1}', b'{"query": ""}', b'{"query": "x", "more": 1}',
     b'{"query": "SELECT 1", "max_rows": 0}', b'{"query": "SELECT 1", "timeout_s": 1e9}',
     b'{"query": "\xff"}', json.dumps({"query": "x" * 30_000}).encode(), b"[" * 100_000],
)  # fmt: skip
def test_bodies_are_checked(api: Api, body: bytes) -> None:
    answer = api.ask("POST", "/api/sql", body, {"content-type": "application/json"})
    error_of(answer, 422, "invalid_body")


def test_other_bodies_are_refused(api: Api) -> None:
    """A form that another web page posts is one of them."""
    answer = api.ask("POST", "/api/sql", b"query=1", {"content-type": "text/plain"})
    error_of(answer, 415, "unsupported_media_type")
    large = api.ask("POST", "/api/sql", b" " * (2 << 20), {"content-type": "application/json"})
    error_of(large, 413, "too_large")


def test_a_cursor_belongs_to_its_list(api: Api) -> None:
    cursor = api.get("traces", limit=3)["next_cursor"]
    assert api.get("traces", limit=9, cursor=cursor)["traces"]
    error_of(api.ask("GET", f"/api/traces?cursor={cursor}&sort=cost"), 422, "invalid_cursor")
    error_of(api.ask("GET", f"/api/sessions?cursor={cursor}"), 422, "invalid_cursor")


def test_quotes_and_markup_are_letters(api: Api, traffic: Traffic) -> None:
    for text in ("'; DROP TABLE spans; --", "$q", "<script>", "\u202e", "é" * 200):
        assert api.get("traces", q=text)["traces"] == []
        assert api.get("logs", q=text, session=text, service=text)["logs"] == []
        assert api.get("costs", model=text)["total"]["llm_calls"] == 0
    assert len(api.pages("traces", "traces")) == len({span.trace for span in traffic.spans})


def test_an_unchanged_answer_is_not_sent_again(api: Api) -> None:
    first = api.ask("GET", "/api/sessions")
    again = api.ask("GET", "/api/sessions", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_head_is_get_without_a_body(api: Api) -> None:
    answer = api.ask("HEAD", "/api/sessions")
    assert (answer.status, answer.body) == (200, b"")
