"""Metric points to columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from alexobs.server.ingest import proto
from alexobs.server.ingest.attributes import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alexobs.server.ingest.resources import Senders
    from alexobs.server.store import Group

_SCHEMA: Final = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("start_ns", pa.int64()),
        ("metric", pa.string()),
        ("type", pa.string()),
        ("unit", pa.string()),
        ("description", pa.string()),
        ("monotonic", pa.bool_()),
        ("temporality", pa.string()),
        ("service", pa.string()),
        ("resource_id", pa.uint64()),
        ("scope", pa.string()),
        ("attributes", pa.string()),
        ("value", pa.float64()),
        ("count", pa.uint64()),
        ("sum", pa.float64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("bounds", pa.list_(pa.float64())),
        ("buckets", pa.list_(pa.uint64())),
    ]
)
_TEMPORALITY: Final = {1: "delta", 2: "cumulative"}
_MAX_NS: Final = 2**63 - 1
_NOTHING: Final = (None, None, None, None, None)


def table(requests: Sequence[Any], senders: Senders, group: Group) -> pa.Table | None:
    """Return the points of all requests."""
    rows = [row for request in requests for row in _rows(request, senders, group)]
    if not rows:
        return None
    columns = [list(column) for column in zip(*rows, strict=True)]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def _rows(request: Any, senders: Senders, group: Group) -> Iterator[tuple[Any, ...]]:
    for resource_metrics in request.resource_metrics:
        sender = senders.resource(resource_metrics.resource.SerializeToString())
        group.resources.append(sender.row(group.time_ns))
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("choice")
                if kind is None:
                    continue
                data = getattr(metric, kind)
                shared = (
                    metric.name,
                    kind,
                    metric.unit,
                    metric.description,
                    data.is_monotonic if kind == "sum" else None,
                    _TEMPORALITY.get(getattr(data, "aggregation_temporality", 0)),
                    sender.service,
                    sender.resource_id,
                    scope_metrics.scope.name,
                )
                for point in data.data_points:
                    attributes = proto.attributes_of(point.attributes)
                    yield (
                        min(point.time_unix_nano or group.time_ns, _MAX_NS),
                        min(point.start_time_unix_nano, _MAX_NS),
                        *shared,
                        json_text(dict(sorted(attributes.items()))),
                        *_values(kind, point),
                    )


def _values(kind: str, point: Any) -> tuple[Any, ...]:
    """Return value, count, sum, min, max, bounds and buckets."""
    if kind in ("sum", "gauge"):
        chosen = point.WhichOneof("choice")
        value = None if chosen is None else float(getattr(point, chosen))
        return (value, None, *_NOTHING)
    if kind == "summary":
        quantiles = [(q.quantile, q.value) for q in point.quantile_values]
        return (None, point.count, point.sum, None, None, [q for q, _ in quantiles], None)
    extremes = (
        point.sum if point.HasField("sum") else None,
        point.min if point.HasField("min") else None,
        point.max if point.HasField("max") else None,
    )
    if kind == "histogram":
        shape = (list(point.explicit_bounds), list(point.bucket_counts))
    else:
        shape = exponential_shape(point)
    return (None, point.count, *extremes, *shape)


def exponential_shape(point: Any) -> tuple[list[float], list[int]]:
    """Return explicit bounds and counts that say the same as an exponential histogram."""
    base_log = 2.0 ** -min(max(point.scale, -10), 20)

    def bound(index: int) -> float:
        exponent = min(max(index * base_log, -1022.0), 1023.0)
        return math.pow(2.0, exponent)

    negative, positive = list(point.negative.bucket_counts), list(point.positive.bucket_counts)
    low, high = point.negative.offset, point.positive.offset
    bounds = [-bound(low + i) for i in range(len(negative), -1, -1)] if negative else []
    counts = [0, *reversed(negative)] if negative else []
    zero_and_up = [bound(high + i) for i in range(len(positive) + 1)] if positive else []
    counts += [point.zero_count, *positive]
    bounds += zero_and_up
    if len(counts) < len(bounds) + 1:
        counts.append(0)
    return bounds, counts
