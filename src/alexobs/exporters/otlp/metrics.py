"""Metrics as an OTLP export request in protobuf."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from alexobs.exporters.otlp import wire
from alexobs.exporters.values import INT64_MAX, INT64_MIN, safe_text
from alexobs.records import Exemplar, HistogramPoint, MetricData, NumberPoint, Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPORALITIES = {"delta": 1, "cumulative": 2}

_pack_point_times = struct.Struct("<BQBQ").pack
_pack_histogram_head = struct.Struct("<BQBQBQBd").pack
_number_attributes = wire.attribute_encoder(b"\x3a")
_histogram_attributes = wire.attribute_encoder(b"\x4a")


def encode_metrics(metrics: Sequence[MetricData], resource: Resource) -> bytes:
    """Return an ``ExportMetricsServiceRequest``, metrics grouped by scope."""
    groups: dict[Scope, list[bytes]] = {}
    for metric in metrics:
        groups.setdefault(metric.scope, []).append(wire.field(b"\x12", _encode_metric(metric)))
    return wire.export_request(groups, resource)


def _encode_metric(metric: MetricData) -> bytes:
    head = b"".join(
        [
            wire.text_field(b"\x0a", safe_text(metric.name)),
            wire.text_field(b"\x12", safe_text(metric.description)),
            wire.text_field(b"\x1a", safe_text(metric.unit)),
        ]
    )
    temporality = b"\x10" + wire.varint(TEMPORALITIES[metric.temporality])
    points = b"".join([wire.field(b"\x0a", _encode_point(point)) for point in metric.points])
    if metric.kind == "gauge":
        return head + wire.field(b"\x2a", points)
    if metric.kind == "histogram":
        return head + wire.field(b"\x4a", points + temporality)
    monotonic = b"\x18\x01" if metric.monotonic else b""
    return head + wire.field(b"\x3a", points + temporality + monotonic)


def _encode_point(point: NumberPoint | HistogramPoint) -> bytes:
    if isinstance(point, HistogramPoint):
        return _encode_histogram(point)
    parts = [_pack_point_times(0x11, point.start_ns, 0x19, point.time_ns)]
    parts.append(_encode_value(point.value, b"\x21"))
    parts.append(wire.encoded_attributes(_number_attributes, point.attributes))
    parts += [wire.field(b"\x2a", _encode_exemplar(exemplar)) for exemplar in point.exemplars]
    return b"".join(parts)


def _encode_histogram(point: HistogramPoint) -> bytes:
    counts, boundaries = point.counts, point.boundaries
    parts = [
        _pack_histogram_head(
            0x11, point.start_ns, 0x19, point.time_ns, 0x21, point.count, 0x29, point.sum
        ),
        wire.field(b"\x32", struct.pack(f"<{len(counts)}Q", *counts)),
        wire.field(b"\x3a", struct.pack(f"<{len(boundaries)}d", *boundaries)),
        wire.encoded_attributes(_histogram_attributes, point.attributes),
    ]
    parts += [wire.field(b"\x42", _encode_exemplar(exemplar)) for exemplar in point.exemplars]
    if point.count:  # of no measurements there is no least and no greatest
        parts.append(b"\x59" + wire.pack_double(point.min) + b"\x61" + wire.pack_double(point.max))
    return b"".join(parts)


def _encode_exemplar(exemplar: Exemplar) -> bytes:
    parts = [b"\x11" + wire.pack_fixed64(exemplar.time_ns), _encode_value(exemplar.value, b"\x19")]
    if exemplar.span_id:
        parts.append(b"\x22\x08" + exemplar.span_id.to_bytes(8, "big"))
    if exemplar.trace_id:
        parts.append(b"\x2a\x10" + exemplar.trace_id.to_bytes(16, "big"))
    parts.append(wire.encoded_attributes(_number_attributes, exemplar.attributes))
    return b"".join(parts)


def is_integer(value: Any) -> bool:
    """Tell whether a measured value travels as an integer."""
    return isinstance(value, int) and INT64_MIN <= value <= INT64_MAX


def _encode_value(value: float, double_tag: bytes) -> bytes:
    if is_integer(value):
        return b"\x31" + wire.pack_sfixed64(int(value))
    return double_tag + wire.pack_double(value)
