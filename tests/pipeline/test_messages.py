from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexobs.pipeline.messages import ContentEncoder, key_of, plain, to_json
from alexobs.records import Messages


class Redactor:
    def __init__(self) -> None:
        self.calls = 0

    def values(self, values: list[Any]) -> list[Any]:
        self.calls += len(values)
        return [json.loads(json.dumps(value).replace("hush", "[redacted]")) for value in values]


def encoder(max_length: int = 100_000) -> tuple[ContentEncoder, Redactor]:
    redactor = Redactor()
    return ContentEncoder(redactor, max_length), redactor


def convert(message: dict[str, Any]) -> dict[str, Any]:
    parts = [{"type": "text", "content": message["content"]}]
    return {"role": message["role"], "parts": parts}


def history(length: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"message {number}"} for number in range(length)]


def test_a_growing_history_is_converted_and_redacted_once_per_message() -> None:
    content, redactor = encoder()
    messages = history(200)
    for turn in range(1, 201):
        text = content.encode(Messages(messages[:turn], convert))
        assert len(json.loads(text)) == turn
    assert redactor.calls == 200


def test_a_message_changed_in_place_is_another_message() -> None:
    content, _ = encoder()
    message: dict[str, Any] = {"role": "user", "content": "before"}
    first = content.encode(Messages([message], convert))
    message["content"] = "after"
    assert "before" in first
    assert "after" in content.encode(Messages([message], convert))


def test_secrets_are_gone_before_anything_is_encoded() -> None:
    content, _ = encoder()
    assert "hush" not in content.encode(Messages([{"role": "u", "content": "hush"}], convert))
    assert "hush" not in content.encode({"argument": ["hush"]})


def test_a_message_that_cannot_be_converted_does_not_take_the_others_along() -> None:
    content, _ = encoder()
    made = json.loads(content.encode(Messages([{"nothing": 1}, *history(1)], convert)))
    assert "KeyError" in made[0]["error"]
    assert made[1]["role"] == "user"


def test_a_long_history_keeps_its_first_and_its_newest_messages() -> None:
    content, _ = encoder(max_length=3000)
    text = content.encode(Messages(history(500), convert))
    assert len(text) <= 3000
    made = json.loads(text)
    assert made[0]["parts"][0]["content"] == "message 0"
    assert made[-1]["parts"][0]["content"] == "message 499"
    assert "messages left out" in made[1]["parts"][0]["content"]


def test_a_long_value_is_cut_and_says_so() -> None:
    content, _ = encoder(max_length=100)
    assert "cut: " in json.loads(content.encode("x" * 1000))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], (1,)), ({"a": 1}, {"a": True}), (None, "")],
)
def test_what_json_tells_apart_has_another_key(one: Any, other: Any) -> None:
    assert key_of(one) != key_of(other)
    assert hash(key_of(one)) == hash(key_of(one))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_any_value_becomes_json(value: Any) -> None:
    json.loads(to_json(value))
    json.loads(to_json(plain(value)))


def test_hostile_values_become_json() -> None:
    class Exploding:
        def __str__(self) -> str:
            raise RuntimeError("no")

    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for value in (Exploding(), cycle, deep, "\ud800", 2**70, {1: {2: object()}}, {3, 4}):
        json.loads(to_json(value))
