"""Any value comes out as one valid line, and nothing is raised."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import io
import json
import re
import uuid
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexobs.logger import Logger
from alexobs.logs.lines import MAX_TEXT_CHARS
from alexobs.logs.sink import Format, LogSink
from alexobs.logs.snapshot import CYCLE, MAX_ELEMENTS, TOO_DEEP, TOO_MANY


def written(event: Any, fields: dict[str, Any], format: Format = "json") -> str:  # noqa: A002
    stream = io.StringIO()
    faults: list[BaseException] = []
    sink = LogSink(lambda: stream, format, on_fault=lambda _, fault: faults.append(fault))
    Logger(sink).info(event, **fields)
    assert faults == []
    assert (sink.dropped, sink.lost) == (0, 0)
    return stream.getvalue()


def value_of(value: Any) -> Any:
    text = written("x", {"value": value})
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return json.loads(text)["value"]


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


class Model(pydantic.BaseModel):
    name: str
    secret: pydantic.SecretStr = pydantic.SecretStr("hidden")


class Struct(msgspec.Struct):
    a: int


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


class Ratio(float):
    pass


class LyingList(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("no")


class Exploding:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")


class ExplodingText:
    """As `Exploding`, but hypothesis can print it."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class ExplodingDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ([float("-inf")], ["-Infinity"]),
        (decimal.Decimal("1.10"), "1.10"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (b"key=\xff", "key=\\xff"),
        (bytearray(b"abc"), "abc"),
        ({1}, [1]),
        ((1, "a", None), [1, "a", None]),
        (collections.deque([1]), "deque([1])"),
        (collections.OrderedDict(a=1), {"a": 1}),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "(1, 2)": "c"}),
        (Colour.RED, "red"),
        (Number.ONE, 1),
        (Text("plain"), "plain"),
        (Ratio(0.5), 0.5),
        (Ratio("inf"), "Infinity"),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Model(name="n"), {"name": "n", "secret": "**********"}),
        (Struct(1), {"a": 1}),
        (ValueError("boom"), "ValueError: boom"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Exploding(), "[unprintable Exploding]"),
        ({"a": Exploding()}, {"a": "[unprintable Exploding]"}),
        ("\ud800x", "\ufffdx"),
        ("\ud83d\ude00", "😀"),
        (2**70, 2**70),
        (-(2**63), -(2**63)),
        (1j, "1j"),
        (int, "<class 'int'>"),
    ],
)
def test_unusual_values(value: Any, expected: Any) -> None:
    assert value_of(value) == expected


def test_containers_that_raise_are_survived() -> None:
    assert value_of([LyingList([1])]) is not None


def test_long_stack_traces_keep_their_ends() -> None:
    error: Exception = ValueError("first")
    for number in range(600):
        following = ValueError(f"number {number} " + "x" * 200)
        following.__cause__ = error
        error = following
    stacktrace = json.loads(written("x", {"exc_info": error}))["exception"]["stacktrace"]
    assert len(stacktrace) < MAX_TEXT_CHARS + 100
    assert stacktrace.startswith("ValueError: first")
    assert stacktrace.rstrip().endswith("x" * 200)
    assert "[cut]" in stacktrace


def test_exceptions_that_cannot_be_printed() -> None:
    class Unprintable(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no")

    exception = json.loads(written("x", {"exc_info": Unprintable()}))["exception"]
    assert exception["message"] == "[unprintable Unprintable]"
    assert "Unprintable" in exception["stacktrace"]


def test_odd_exc_info_is_ignored() -> None:
    for odd in ((1, 2), ("a", "b", "c"), (None, None, None), 0):
        assert "exception" not in json.loads(written("x", {"exc_info": odd}))


def test_pretty_shows_a_line_and_its_exception() -> None:
    stream = io.StringIO()
    log = Logger(LogSink(lambda: stream, "pretty"), name="agent.planner")
    try:
        raise ValueError("multi\nline \x1b[31m")
    except ValueError:
        log.exception("failed", path="a b", number=1)
    first, *trace = stream.getvalue().splitlines()
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d\.\d{3} error    failed {27}logger=agent.planner path="a b" number=1', first
    )
    assert trace[0] == "    Traceback (most recent call last):"
    assert trace[-1] == "    line \\x1b[31m"


def test_integers_beyond_the_limit_of_digits() -> None:
    assert value_of(1 << 100_000) == hex(1 << 100_000)[:MAX_TEXT_CHARS]


def test_a_mapping_that_refuses_to_be_read_is_named() -> None:
    assert (
        "ExplodingDict" in value_of(ExplodingDict(a=1))
        or value_of(ExplodingDict(a=1)) == "{'a': 1}"
    )


def test_cycles_depth_and_number_are_bounded() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert value_of(cycle) == [CYCLE]
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    assert TOO_DEEP in json.dumps(value_of(deep))
    assert value_of([0] * 1_000_000)[-1] == TOO_MANY
    shared: Any = 0
    for _ in range(20):
        shared = [shared] * 10
    assert json.dumps(value_of(shared)).count("0") <= MAX_ELEMENTS


def test_long_texts_are_cut_and_marked() -> None:
    for event, fields in (
        ("x", {"exc_info": ValueError("x" * 10_000_000)}),
        ("x" * 10_000_000, {}),
        ("x", {"value": "x" * 10_000_000}),
        ("x", {"value": ["x" * 10_000_000]}),
    ):
        text = written(event, fields)
        assert len(text) < MAX_TEXT_CHARS + 1000
        assert f"[cut at {MAX_TEXT_CHARS} characters]" in text


def test_messages_that_grow_by_their_arguments_are_cut() -> None:
    stream = io.StringIO()
    log = Logger(LogSink(lambda: stream))
    log.info("%s", "x" * 10_000_000)
    log.info("%(a)s" * 1000, {"a": "y" * 1000})
    log.info("%s and %s", ["z" * 100_000], float("nan"))
    for line in stream.getvalue().splitlines():
        assert len(line) < MAX_TEXT_CHARS + 1000
        assert "[cut at" in line


def test_bound_long_texts_are_cut_as_well() -> None:
    stream = io.StringIO()
    Logger(LogSink(lambda: stream), bound={"value": "x" * 1_000_000}).info("x")
    assert len(stream.getvalue()) < MAX_TEXT_CHARS + 1000


def test_events_that_are_not_text() -> None:
    for event in (None, 1, b"x", Exploding(), {"a": 1}):
        assert isinstance(json.loads(written(event, {}))["event"], str)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.dates()
    | st.decimals()
    | st.sampled_from([ExplodingText(), Colour.RED, Point(1), object()]),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), children)
        | st.tuples(children)
        | st.builds(Point, st.integers(), children)
    ),
    max_leaves=12,
)
keys = st.text(st.characters(exclude_categories=()), min_size=1)


@settings(max_examples=40)
@given(event=st.text(st.characters(exclude_categories=())), fields=st.dictionaries(keys, anything))
def test_any_fields_make_one_json_line(event: str, fields: dict[str, Any]) -> None:
    fields.pop("exc_info", None)
    text = written(event, fields)
    assert len(text.splitlines()) == 1
    line = json.loads(text)
    assert set(map(type, line)) == {str}
    plain = {key for key in fields if key.isascii()}
    assert plain <= {key.removeprefix("field.") for key in line}
    json.dumps(line, allow_nan=False)


PAIR = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s="]*)(?: |\n)')


def parsed(line: str) -> dict[str, str]:
    """Read logfmt as its consumers do."""
    assert PAIR.sub("", line) == ""
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in PAIR.findall(line)
    }


@given(event=st.text(), value=st.text(), number=st.integers() | st.booleans() | st.none())
def test_logfmt_reads_back(event: str, value: str, number: Any) -> None:
    text = written(event, {"value": value, "number": number}, "text")
    assert len(text.splitlines()) == 1
    pairs = parsed(text)
    assert (pairs["event"], pairs["value"]) == (event, value)
    assert pairs["number"] == json.dumps(number)


@settings(max_examples=40)
@given(fields=st.dictionaries(keys, anything))
def test_any_fields_make_one_logfmt_line(fields: dict[str, Any]) -> None:
    fields.pop("exc_info", None)
    text = written("x", fields, "text")
    assert len(text.splitlines()) == 1
    parsed(text)


@settings(max_examples=40)
@given(event=st.text(), fields=st.dictionaries(keys, anything))
def test_pretty_sends_nothing_to_the_terminal_that_it_might_obey(
    event: str, fields: dict[str, Any]
) -> None:
    fields.pop("exc_info", None)
    text = written(event, fields, "pretty")
    assert text.endswith("\n")
    assert text[:-1].isprintable()
