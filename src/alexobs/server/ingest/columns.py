"""Turns checked span requests into the store's columns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from alexobs import semconv
from alexobs.server.ingest import proto
from alexobs.server.ingest.attributes import DOUBLE, INT, STRING, Attributes, json_texts, read
from alexobs.server.ingest.foreign import OWN_SCOPE, Span, Translator
from alexobs.server.ingest.wire import Fields, scan, varints, views

if TYPE_CHECKING:
    from alexobs.server.ingest.contents import Contents
    from alexobs.server.ingest.frames import Frames
    from alexobs.server.ingest.normalise import Normaliser
    from alexobs.server.ingest.wire import Ints

# Column to the attribute that fills it. What arrives under other names has been brought to these.
TEXTS: Final = {
    "kind": semconv.ALEX_KIND,
    "status": semconv.ALEX_STATUS,
    "error_type": semconv.ERROR_TYPE,
    "model": semconv.GEN_AI_REQUEST_MODEL,
    "response_model": semconv.GEN_AI_RESPONSE_MODEL,
    "provider": semconv.GEN_AI_PROVIDER_NAME,
    "operation": semconv.GEN_AI_OPERATION_NAME,
    "session_id": semconv.ALEX_SESSION_ID,
    "run_id": semconv.ALEX_RUN_ID,
    "parent_run_id": semconv.ALEX_PARENT_RUN_ID,
    "user_id": semconv.ALEX_USER_ID,
    "agent": semconv.ALEX_AGENT,
    "tool_name": semconv.ALEX_TOOL_NAME,
    "tool_call_id": semconv.GEN_AI_TOOL_CALL_ID,
    "price_id": semconv.ALEX_COST_PRICE_ID,
    "price_date": semconv.ALEX_COST_PRICE_DATE,
    "unpriced": semconv.ALEX_COST_UNPRICED,
}
INTEGERS: Final = {
    "iteration": semconv.ALEX_ITERATION,
    "attempts": semconv.ALEX_LLM_ATTEMPTS,
    "uncached_input": semconv.ALEX_TOKENS_UNCACHED_INPUT,
    "cache_read": semconv.ALEX_TOKENS_CACHE_READ,
    "cache_write": semconv.ALEX_TOKENS_CACHE_WRITE,
    "output": semconv.ALEX_TOKENS_OUTPUT,
    "reasoning": semconv.ALEX_TOKENS_REASONING,
}
DOUBLES: Final = {"cost": semconv.ALEX_COST, "ttft_s": semconv.GEN_AI_RESPONSE_TTFC}
CONTENTS: Final = {
    "input_messages": semconv.GEN_AI_INPUT_MESSAGES,
    "output_messages": semconv.GEN_AI_OUTPUT_MESSAGES,
    "system_instructions": semconv.GEN_AI_SYSTEM_INSTRUCTIONS,
    "tool_definitions": semconv.GEN_AI_TOOL_DEFINITIONS,
    "tool_arguments": semconv.GEN_AI_TOOL_CALL_ARGUMENTS,
    "tool_result": semconv.GEN_AI_TOOL_CALL_RESULT,
}
# Said by other columns already.
REDUNDANT: Final = frozenset(
    {
        semconv.GEN_AI_TOOL_NAME,
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_READ,
        semconv.GEN_AI_USAGE_CACHE_WRITE,
        semconv.GEN_AI_USAGE_REASONING,
        semconv.ALEX_LLM_MODEL,
        semconv.ALEX_LLM_INPUT_TOKENS,
        semconv.ALEX_LLM_OUTPUT_TOKENS,
        semconv.ALEX_LLM_TOKEN_COUNT,
    }
)


class Identity(NamedTuple):
    """Which spans they are, as numbers."""

    trace_hi: Any
    trace_lo: Any
    span_id: Any


class SpanColumns:
    """Decodes the spans of `frames`; `identity` is known before the rest is decoded."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._buffer = frames.buffer
        self._rows = len(frames.starts)
        self._fields = scan(frames.buffer, frames.starts, frames.ends)
        trace, _ = self._fields.places(1, self._rows)
        span, _ = self._fields.places(2, self._rows)
        big = frames.buffer.be64
        self.identity = Identity(
            big[trace].astype(np.uint64), big[trace + 8].astype(np.uint64), big[span].astype("u8")
        )

    def decode(self, contents: Contents, normaliser: Normaliser | None = None) -> dict[str, Any]:
        """Return column name to array; bodies of messages go to `contents`.

        With a `normaliser`, what others wrote is brought to the store's form.
        """
        attributes = self._attributes()
        self._texts_at = {
            "name": _empty_for_absent(*self._fields.places(5, self._rows)),
            "status_message": self._status.places(2, self._rows),
        }
        events = self._parsed(11, proto.Event, _event)
        foreign = self._foreign() if normaliser is not None else []
        if foreign and normaliser is not None:
            attributes = self._translated(normaliser, foreign, attributes, events)
        columns = self._own_fields()
        columns["events"] = self._json(events)
        taken = np.zeros(len(attributes.row), dtype=bool)
        for column, key in TEXTS.items():
            columns[column] = self._texts(attributes, key, taken)
        for column, key in (INTEGERS | DOUBLES).items():
            columns[column] = self._numbers(attributes, key, taken, column in INTEGERS)
        for column, key in CONTENTS.items():
            columns[column] = self._contents(attributes, key, taken, contents)
        for key in REDUNDANT.intersection(attributes.keys):
            taken |= attributes.code == attributes.keys.index(key)
        columns |= self._others(attributes.where(~taken))
        return columns

    # -- the span's own fields -----------------------------------------------------------------

    def _own_fields(self) -> dict[str, Any]:
        fields, rows, buffer = self._fields, self._rows, self._buffer
        start_ns = self._fixed(7)
        end_ns = self._fixed(8)
        running = end_ns == 0
        parent, parent_end = fields.places(4, rows)
        parent_id = np.where(parent_end - parent == 8, buffer.be64[parent].astype("u8"), 0)
        return {
            "trace_hi": pa.array(self.identity.trace_hi),
            "trace_lo": pa.array(self.identity.trace_lo),
            "span_id": pa.array(self.identity.span_id),
            "parent_id": pa.array(parent_id.astype(np.uint64)),
            "start_ns": pa.array(start_ns),
            "duration_ns": pa.array(np.maximum(end_ns - start_ns, 0), mask=running),
            "name": views(buffer, *self._texts_at["name"]),
            "otel_kind": pa.array(self._varint(6).clip(0, 255).astype(np.uint8)),
            "trace_state": views(buffer, *fields.places(3, rows)),
            "flags": pa.array(self._fixed32(16)),
            "dropped": pa.array(
                (self._varint(10) + self._varint(12) + self._varint(14))
                .clip(0, 2**32 - 1)
                .astype(np.uint32)
            ),
            "status_code": pa.array(self._status_code()),
            "status_message": views(buffer, *self._texts_at["status_message"]),
            "links": self._json(self._parsed(13, proto.Link, _link)),
        }

    @cached_property
    def _status(self) -> Fields:
        return scan(self._buffer, *self._fields.places(15, self._rows))

    def _status_code(self) -> Any:
        code = np.zeros(self._rows, dtype=np.uint8)
        place, _ = self._status.places(3, self._rows)
        present = np.nonzero(place >= 0)[0]
        if len(present):
            code[present] = varints(self._buffer, place[present])[0].clip(0, 2)
        return code

    def _fixed(self, number: int) -> Ints:
        place, _ = self._fields.places(number, self._rows)
        value: Ints = np.where(place >= 0, self._buffer.i64[place], 0)
        return np.maximum(value, 0)  # beyond the year 2262 it is no time

    def _fixed32(self, number: int) -> Any:
        place, _ = self._fields.places(number, self._rows)
        return np.where(place >= 0, self._buffer.u32[place], 0).astype(np.uint32)

    def _varint(self, number: int) -> Ints:
        place, _ = self._fields.places(number, self._rows)
        result = np.zeros(self._rows, dtype=np.int64)
        present = np.nonzero(place >= 0)[0]
        if len(present):
            result[present] = varints(self._buffer, place[present])[0]
        return result

    def _parsed(self, number: int, kind: Any, convert: Any) -> dict[int, list[dict[str, Any]]]:
        """Return events or links by row; few spans have any."""
        found: dict[int, list[dict[str, Any]]] = {}
        picked = self._fields.where(self._fields.number == number)
        data = self._buffer.data
        for row, start, end in zip(
            picked.row.tolist(), picked.start.tolist(), picked.end.tolist(), strict=True
        ):
            found.setdefault(row, []).append(convert(kind.FromString(data[start:end])))
        return found

    def _json(self, found: dict[int, list[dict[str, Any]]]) -> pa.Array:
        if not found:
            return pa.nulls(self._rows, pa.string())
        texts: list[str | None] = [None] * self._rows
        for row, items in found.items():
            texts[row] = msgspec.json.encode(items).decode()
        return pa.array(texts, pa.string())

    # -- what others wrote ---------------------------------------------------------------------

    def _foreign(self) -> list[Span]:
        """Return the spans under scopes that are not ours."""
        scopes = [proto.Scope.FromString(scope).name for scope in self._frames.scopes]
        own = np.array([name.startswith(OWN_SCOPE) for name in scopes], dtype=bool)
        rows = np.nonzero(~own[self._frames.scope])[0]
        if not len(rows):
            return []
        parent, parent_end = self._fields.places(4, self._rows)
        return list(
            map(
                Span,
                rows.tolist(),
                (parent_end <= parent)[rows].tolist(),
                self._fixed(7)[rows].tolist(),
                (self._status_code() == 2)[rows].tolist(),
            )
        )

    def _translated(
        self,
        normaliser: Normaliser,
        spans: list[Span],
        attributes: Attributes,
        events: dict[int, list[dict[str, Any]]],
    ) -> Attributes:
        translator = Translator(normaliser, self._buffer)
        rows = np.array([span.row for span in spans], dtype=np.int64)
        for starts, ends in self._texts_at.values():
            translator.clean_texts(starts, ends, rows)
        theirs = {span.row: events[span.row] for span in spans if span.row in events}
        attributes = translator.attributes(attributes, spans, theirs)
        self._buffer = translator.buffer()
        return attributes

    # -- attributes ----------------------------------------------------------------------------

    def _attributes(self) -> Attributes:
        pairs = self._fields.where(self._fields.number == 9)
        order = np.argsort(pairs.row, kind="stable")
        pairs = pairs.where(order)
        count = len(pairs.row)
        inner = scan(self._buffer, pairs.start, pairs.end)
        key = _empty_for_absent(*inner.places(1, count))
        encoded = views(self._buffer, *key).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        values = scan(self._buffer, *inner.places(2, count))
        kinds = np.zeros(count, dtype=np.int64)
        start = np.full(count, -1, dtype=np.int64)
        end = np.full(count, -1, dtype=np.int64)
        kinds[values.row] = values.number
        start[values.row] = values.start
        end[values.row] = values.end
        found = Attributes(pairs.row, codes, kinds, start, end, encoded.dictionary.to_pylist())
        return self._without_repeated_keys(found)

    def _without_repeated_keys(self, attributes: Attributes) -> Attributes:
        """Keep the last value of a key that a span has twice."""
        both = attributes.row * len(attributes.keys) + attributes.code
        _, last = np.unique(both[::-1], return_index=True)
        if len(last) == len(both):
            return attributes
        return attributes.where(np.sort(len(both) - 1 - last))

    def _picked(self, attributes: Attributes, key: str) -> Ints | None:
        """Return the indexes of the attributes called `key`."""
        if key not in attributes.keys:
            return None
        return np.nonzero(attributes.code == attributes.keys.index(key))[0]

    def _texts(self, attributes: Attributes, key: str, taken: Any) -> pa.Array:
        picked = self._picked(attributes, key)
        if picked is None:
            return pa.nulls(self._rows, pa.string_view())
        picked = picked[attributes.type[picked] == STRING]
        taken[picked] = True
        return self._views_at(attributes.where(picked))

    def _views_at(self, picked: Attributes) -> pa.Array:
        starts = np.full(self._rows, -1, dtype=np.int64)
        ends = np.full(self._rows, -1, dtype=np.int64)
        starts[picked.row] = picked.start
        ends[picked.row] = picked.end
        return views(self._buffer, starts, ends)

    def _numbers(self, attributes: Attributes, key: str, taken: Any, whole: bool) -> pa.Array:
        picked = self._picked(attributes, key)
        dtype: Any = np.int64 if whole else np.float64
        values = np.zeros(self._rows, dtype=dtype)
        missing = np.ones(self._rows, dtype=bool)
        if picked is not None:
            for kind in (INT, DOUBLE):
                chosen = picked[attributes.type[picked] == kind]
                found = attributes.where(chosen)
                numbers: Any = read(self._buffer, found, kind)
                fine = np.isfinite(numbers) & (np.abs(numbers) < 2.0**62)
                values[found.row[fine]] = numbers[fine].astype(dtype)
                missing[found.row[fine]] = False
                taken[chosen[fine]] = True
        return pa.array(values, mask=missing)

    def _contents(
        self, attributes: Attributes, key: str, taken: Any, contents: Contents
    ) -> pa.Array:
        kind = pa.list_(pa.uint64())
        picked = self._picked(attributes, key)
        if picked is None:
            return pa.nulls(self._rows, kind)
        picked = picked[attributes.type[picked] == STRING]
        taken[picked] = True
        found = attributes.where(picked)
        data = self._buffer.data
        places = zip(found.start.tolist(), found.end.tolist(), strict=True)
        counts, hashes = contents.add([data[start:end] for start, end in places])
        lengths = np.zeros(self._rows, dtype=np.int32)
        lengths[found.row] = counts
        missing = np.ones(self._rows, dtype=bool)
        missing[found.row] = False
        offsets = np.zeros(self._rows + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        return pa.ListArray.from_arrays(offsets, pa.array(hashes), mask=pa.array(missing))

    def _others(self, attributes: Attributes) -> dict[str, Any]:
        texts = attributes.where(attributes.type == STRING)
        values = attributes.where(attributes.type != STRING)
        return {
            "attributes": self._map(texts, views(self._buffer, texts.start, texts.end)),
            "attributes_json": self._map(values, json_texts(self._buffer, values)),
        }

    def _map(self, attributes: Attributes, values: pa.Array) -> pa.Array:
        offsets = np.zeros(self._rows + 1, dtype=np.int32)
        np.cumsum(np.bincount(attributes.row, minlength=self._rows), out=offsets[1:])
        keys = pa.DictionaryArray.from_arrays(
            pa.array(attributes.code.astype(np.int32)), pa.array(attributes.keys, pa.string())
        )
        return pa.MapArray.from_arrays(pa.array(offsets), keys, values)


def _empty_for_absent(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    absent = starts < 0
    return (
        (np.where(absent, 0, starts), np.where(absent, 0, ends))
        if absent.any()
        else (
            starts,
            ends,
        )
    )


def _event(event: Any) -> dict[str, Any]:
    return {
        "time_ns": event.time_unix_nano,
        "name": event.name,
        "attributes": proto.attributes_of(event.attributes),
    }


def _link(link: Any) -> dict[str, Any]:
    return {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "attributes": proto.attributes_of(link.attributes),
    }
