"""Values of any kind: what is replaced, what stays the same object, and what a failure costs."""

from __future__ import annotations

import datetime as dt
import enum
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest

from alexobs.config.model import RedactionConfig
from alexobs.redaction import Redactor, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Exploding:
    def __str__(self) -> str:
        message = "no text for you"
        raise RuntimeError(message)

    __repr__ = __str__


class ExplodingDict(UserDict[str, object]):
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError


@dataclass
class Settings:
    password: str
    port: int = 1


class Login(NamedTuple):
    user: str
    password: str


class Colour(enum.StrEnum):
    RED = "red"


CLEAN = [
    {"a": 1, "b": [1.5, None, True], "c": {"d": "text"}},
    {"max_tokens": 5, "token": 3, "usage": {"total_tokens": 8}},
    ("a", ["b"], {"c": (1, 2)}),
    {"when": dt.datetime(2024, 5, 6, tzinfo=dt.UTC), "price": Decimal("1.5"), "id": UUID(int=5)},
    {"raw": b"\xff\xfe bytes", "ids": {1, 2}},
    {"properties": {"password": {"type": "string"}}},
    {"top_logprobs": [{"token": " the", "logprob": -0.5}]},
    {"password": "", "secret": None, "token": False},
    ["password", "username"],
    {"name": "title", "value": "x"},
    float("nan"),
]


@pytest.mark.parametrize("value", CLEAN, ids=repr)
def test_clean_values_come_back_as_the_same_object(value: Any, redactor: Redactor) -> None:
    assert redactor.value(value) is value
    if isinstance(value, dict):
        assert redactor.fields(value) is value
        batch = [value, {"x": 1}]
        assert redactor.batch(batch) is batch


CHANGED: list[tuple[Any, Any]] = [
    ({"password": "x"}, {"password": "[redacted:password]"}),
    ({"password": 1234, "pin": 1}, {"password": "[redacted:password]", "pin": 1}),
    (
        {"secrets": ["a", {"b": "c"}]},
        {"secrets": ["[redacted:secret]", {"b": "[redacted:secret]"}]},
    ),
    ({b"password": b"x"}, {b"password": b"[redacted:password]"}),
    ({"a": b"\xff password=hunter2"}, {"a": b"\xff password=[redacted:password]"}),
    ({"a": bytearray(b"password=hunter2")}, {"a": b"password=[redacted:password]"}),
    ([("authorization", "s3cr3t")], [("authorization", "[redacted:authorization]")]),
    (
        {"name": "X-Api-Key", "value": "x1"},
        {"name": "X-Api-Key", "value": "[redacted:api_key]"},
    ),
    (OrderedDict(password="x"), {"password": "[redacted:password]"}),
    (Login("bob", "x"), {"user": "bob", "password": "[redacted:password]"}),
    ({"s": Settings("x")}, {"s": "Settings(password='[redacted:password]', port=1)"}),
    ({"e": ValueError("token=abc1")}, {"e": "token=[redacted:token]"}),
    ({"c": Colour.RED}, {"c": "red"}),
    (frozenset({"token=abc1"}), frozenset({"token=[redacted:token]"})),
    ({"auth": {"token": {"a": "b"}}}, {"auth": {"token": {"a": "b"}}}),
    ({"signature": "aB3" + "xYz9" * 8}, {"signature": "aB3" + "xYz9" * 8}),
]


@pytest.mark.parametrize(("value", "expected"), CHANGED, ids=lambda value: repr(value)[:40])
def test_secrets_within_values_are_replaced(value: Any, expected: Any, redactor: Redactor) -> None:
    before = repr(value)
    cleaned = redactor.value(value)
    assert cleaned == expected
    assert repr(value) == before, "the value itself was changed"
    assert redactor.value(cleaned) == cleaned


def test_a_failure_costs_the_one_value_only(redactor: Redactor) -> None:
    failed = redactor.counts.get("failed", 0)
    batch: list[dict[str, Any]] = [
        {"a": Exploding(), "b": "fine"},
        {"c": ExplodingDict(), "d": [1, Exploding()]},
        {"e": "whole"},
    ]
    assert redactor.batch(batch) == [
        {"a": "[redacted:failed]", "b": "fine"},
        {"c": "[redacted:failed]", "d": [1, "[redacted:failed]"]},
        {"e": "whole"},
    ]
    assert redactor.counts["failed"] == failed + 3


def test_cycles_and_depth_end(redactor: Redactor) -> None:
    cycle: list[Any] = ["whole"]
    cycle.append(cycle)
    assert redactor.value(cycle) == ["whole", "[redacted:failed]"]
    deep: Any = "password=hunter2"
    for _ in range(100_000):
        deep = [deep]
    text = repr(redactor.value(deep))
    assert "hunter2" not in text
    assert "[redacted:failed]" in text


def test_lists_that_share_parts_do_not_explode(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_NODES", 2000)
    value: Any = ["x"] * 10
    for _ in range(30):
        value = [value] * 10
    assert "failed" in repr(redactor.value(value))[-40:]


def test_an_engine_that_fails_lets_nothing_through(configured: Callable[..., Redactor]) -> None:
    redactor = configured()

    class Broken:
        name = "broken"

        def hits(self, texts: object) -> Any:
            raise MemoryError

    redactor._engine = Broken()
    assert redactor.text("x") == "[redacted:failed]"
    assert redactor.texts(["x", "y"]) == ["[redacted:failed]", "[redacted:failed]"]
    assert redactor.value({"a": "x"}) == {"[redacted:failed]": "[redacted:failed]"}
    assert redactor.batch([{"a": "x"}]) == [{"[redacted:failed]": "[redacted:failed]"}]


def test_counts_go_up_by_rule_and_can_be_carried(configured: Callable[..., Redactor]) -> None:
    first = configured()
    first.text("password=a1 password=b2 token=c3")
    first.fields({"cookie": "x"})
    assert first.counts == {"password": 2, "token": 1, "cookie": 1}
    second = Redactor(RedactionConfig(), counts=first.counts)
    second.text("token=c3")
    assert second.counts["token"] == 2


def test_names_can_be_added_and_allowed(configured: Callable[..., Redactor]) -> None:
    redactor = configured(keys=("employee_id",), allow_keys=("cookie",))
    assert redactor.is_secret_key("employeeId")
    assert not redactor.is_secret_key("cookie")
    assert redactor.is_secret_key("signature")
    assert not redactor.is_secret_key("key")
    assert redactor.fields({"employee_id": 5, "cookie": "a"}) == {
        "employee_id": "[redacted:custom_key]",
        "cookie": "a",
    }
    assert redactor.text("employeeId=E5 cookie=a1") == "employeeId=[redacted:custom_key] cookie=a1"


def test_a_name_that_is_a_secret_is_replaced(redactor: Redactor) -> None:
    assert redactor.fields({"bob@mail.example.org": 1}) == {"[redacted:email]": 1}


def test_many_names_do_not_fill_the_memory(redactor: Redactor) -> None:
    for start in range(0, 20_000, 500):
        redactor.batch([{f"name{index}": 1} for index in range(start, start + 500)])
    assert len(redactor._clean_keys) <= 8192
    assert len(redactor._families) <= 8192
