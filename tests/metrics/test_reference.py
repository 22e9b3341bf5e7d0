"""The reference names every built-in instrument as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexobs.exporters.prometheus_names import family_name
from alexobs.metrics.names import DATA_KIND
from alexobs.semconv import METRICS, Metric

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_built_in_instrument_is_in_the_reference(metric: Metric) -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if f"| `{metric.name}` |" in line]
    assert len(rows) == 1
    _, _, kind_and_unit, labels, names, _ = (cell.strip() for cell in rows[0].split("|"))
    assert f"`{metric.unit}`" in kind_and_unit
    assert tuple(re.findall(r"`([^`]+)`", labels)) == metric.labels
    kind, monotonic = DATA_KIND[metric.kind]
    family = family_name(metric.name, metric.unit, kind, monotonic=monotonic)
    ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("_total" * monotonic,)
    assert re.findall(r"`([^`]+)`", names) == [family + end for end in ends]
