"""The column-wise decoder against the official classes: the same spans, whatever they hold."""

from __future__ import annotations

import json
import math
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from alexobs.server.ingest.columns import SpanColumns
from alexobs.server.ingest.contents import Contents
from alexobs.server.ingest.decode import plain_form
from alexobs.server.ingest.frames import frames_of
from alexobs.server.ingest.wire import UnusualMessageError

_text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
_scalars: Any = st.one_of(
    _text.map(lambda v: AnyValue(string_value=v)),
    st.booleans().map(lambda v: AnyValue(bool_value=v)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: AnyValue(int_value=v)),
    st.floats(allow_nan=False).map(lambda v: AnyValue(double_value=v)),
    st.binary(max_size=9).map(lambda v: AnyValue(bytes_value=v)),
    st.just(AnyValue()),
)


def _array(values: list[Any]) -> Any:
    value = AnyValue()
    value.array_value.SetInParent()
    value.array_value.values.extend(values)
    return value


def _mapping(values: dict[str, Any]) -> Any:
    value = AnyValue()
    value.kvlist_value.SetInParent()
    value.kvlist_value.values.extend(KeyValue(key=k, value=v) for k, v in values.items())
    return value


_values: Any = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_array),
        st.dictionaries(_text, inner, max_size=3).map(_mapping),
    ),
    max_leaves=5,
)
_keys = st.one_of(
    _text,
    st.sampled_from(
        ["alex.kind", "alex.cost", "alex.iteration", "gen_ai.request.model", "alex.session_id"]
    ),
)
_spans: Any = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)),
    name=_text,
    kind=st.integers(0, 5),
    start_time_unix_nano=st.integers(0, 2**62),
    end_time_unix_nano=st.integers(1, 2**62),
    trace_state=_text,
    flags=st.integers(0, 2**32 - 1),
    dropped_attributes_count=st.integers(0, 300),
    attributes=st.lists(st.builds(KeyValue, key=_keys, value=_values), max_size=6),
    events=st.lists(
        st.builds(
            Span.Event,
            name=_text,
            time_unix_nano=st.integers(0, 2**62),
            attributes=st.lists(st.builds(KeyValue, key=_text, value=_scalars), max_size=2),
        ),
        max_size=2,
    ),
)


def decode(body: bytes) -> list[dict[str, Any]]:
    columns = SpanColumns(frames_of(body)).decode(Contents())
    for column in columns.values():
        column.validate(full=True)
    lists = {name: column.to_pylist() for name, column in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def request(spans: list[Any]) -> bytes:
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.extend(spans)
    return bytes(message.SerializeToString())


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


@settings(max_examples=150, deadline=None)
@given(st.lists(_spans, min_size=1, max_size=5))
def test_every_field_arrives_as_the_official_classes_read_it(spans: list[Any]) -> None:
    for span, row in zip(spans, decode(request(spans)), strict=True):
        assert (row["trace_hi"] << 64 | row["trace_lo"]) == int.from_bytes(span.trace_id, "big")
        assert row["span_id"] == int.from_bytes(span.span_id, "big")
        assert row["parent_id"] == int.from_bytes(span.parent_span_id, "big")
        assert row["name"] == span.name
        assert row["otel_kind"] == span.kind
        assert row["start_ns"] == span.start_time_unix_nano
        expected = max(span.end_time_unix_nano - span.start_time_unix_nano, 0)
        assert row["duration_ns"] == expected
        assert (row["trace_state"] or "") == span.trace_state
        assert row["flags"] == span.flags
        assert row["dropped"] == span.dropped_attributes_count
        assert [event["name"] for event in json.loads(row["events"] or "[]")] == [
            event.name for event in span.events
        ]
        _same_attributes(span, row)


_COLUMN_OF = {
    "alex.kind": "kind",
    "gen_ai.request.model": "model",
    "alex.session_id": "session_id",
    "alex.cost": "cost",
    "alex.iteration": "iteration",
}


def _same_attributes(span: Any, row: dict[str, Any]) -> None:
    found = dict(row["attributes"]) | {k: json.loads(v) for k, v in row["attributes_json"]}
    for key, value in {pair.key: pair.value for pair in span.attributes}.items():
        expected = plain(value)
        column = _COLUMN_OF.get(key)
        if column and key not in found:
            assert row[column] == expected or math.isclose(row[column], expected, abs_tol=1)
            continue
        if isinstance(expected, float) and not math.isfinite(expected):
            expected = str(expected)
        assert found.pop(key) == json.loads(msgspec.json.encode(expected, enc_hook=str)), key


def test_of_a_key_that_repeats_the_last_value_counts() -> None:
    pairs = [KeyValue(key="a", value=AnyValue(int_value=n)) for n in (1, 2, 3)]
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, attributes=pairs)
    (row,) = decode(request([span]))
    assert row["attributes_json"] == [("a", "3")]


def test_several_requests_joined_are_one() -> None:
    one = Span(trace_id=b"t" * 16, span_id=b"1" * 8, name="one")
    two = Span(trace_id=b"t" * 16, span_id=b"2" * 8, name="two")
    rows = decode(request([one]) + request([two, one]))
    assert [row["name"] for row in rows] == ["one", "two", "one"]


def test_unusual_but_valid_protobuf_is_refused_and_its_plain_form_read() -> None:
    span = Span(trace_id=b"t" * 16, span_id=b"1" * 8, name="one").SerializeToString()
    grouped = span + b"\x9b\x06\x9c\x06"  # an empty group of field 99, which nobody knows
    scope = b"\x12" + bytes([len(grouped)]) + grouped
    scope = b"\x12" + bytes([len(scope)]) + scope
    body = b"\x0a" + bytes([len(scope)]) + scope
    with pytest.raises(UnusualMessageError):
        decode(body)
    assert decode(plain_form(body))[0]["name"] == "one"


def test_messages_are_kept_once_and_named_by_their_content() -> None:
    contents = Contents()
    one = b'[{"role":"user"},{"role":"assistant"}]'
    two = b'[{"role":"user"},{"role":"assistant"},{"role":"user","n":2}]'
    counts, hashes = contents.add([one, two])
    assert counts == [2, 3]
    assert hashes[:2].tolist() == hashes[2:4].tolist()
    assert len(contents.bodies) == 3


def test_content_that_is_no_json_becomes_a_json_text() -> None:
    contents = Contents()
    contents.add([b'plain "words"'])
    (body,) = contents.bodies.values()
    assert json.loads(body) == 'plain "words"'
