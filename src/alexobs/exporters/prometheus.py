"""Metrics as Prometheus reads them: text format 0.0.4 and OpenMetrics 1.0.

Names follow `alexobs.exporters.prometheus_names`. Samples of the scopes ``alexobs`` and
``alexobs.*``, users' own instruments among them, carry no labels but their own; those of other
scopes are told apart by ``otel_scope_name``, ``otel_scope_version`` and ``otel_scope_schema_url``.
The resource is one sample of ``target_info``. Sources: Prometheus "Exposition formats", the
OpenMetrics specification, and OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
"""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from alexobs.exporters.prometheus_names import claimed_names, family_name, label_name, unit_words
from alexobs.records import HistogramPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alexobs.records import Exemplar, MetricData, NumberPoint, Resource, Scope

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OWN_SCOPE: Final = "alexobs"

Labels = tuple[tuple[str, str], ...]


def encode_text(metrics: Iterable[MetricData], resource: Resource | None = None) -> bytes:
    """Return metrics (cumulative ones) in Prometheus's text format."""
    return _Page(openmetrics=False).render(metrics, resource)


def encode_openmetrics(metrics: Iterable[MetricData], resource: Resource | None = None) -> bytes:
    """Return metrics (cumulative ones) in the OpenMetrics text format, with exemplars."""
    return _Page(openmetrics=True).render(metrics, resource)


class _Family:
    def __init__(self, name: str, kind: str, help_text: str, unit: str) -> None:
        self.name = name
        self.kind = kind
        self.help_text = help_text
        self.unit = unit
        self.lines: list[str] = []
        self.seen: set[str] = set()


class _Page:
    """One exposition; families in order of first appearance, samples of one family together."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._families: dict[str, _Family] = {}
        self._taken: dict[str, str] = {}

    def render(self, metrics: Iterable[MetricData], resource: Resource | None) -> bytes:
        head = self._target_info(resource) if resource is not None else []
        for metric in metrics:
            family = self._family(metric)
            if family is not None:
                self._add(family, metric)
        lines = [*head]
        for family in self._families.values():
            if family.lines:
                lines += self._header(family)
                lines += family.lines
        if self._openmetrics:
            lines.append("# EOF")
        return ("\n".join(lines) + "\n" if lines else "").encode("utf-8", "replace")

    def _family(self, metric: MetricData) -> _Family | None:
        name = family_name(metric.name, metric.unit, metric.kind, monotonic=metric.monotonic)
        kind = _type_of(metric)
        found = self._families.get(name)
        if found is not None:
            return found if found.kind == kind else None
        claims = claimed_names(name, metric.kind, monotonic=metric.monotonic)
        if any(claim in self._taken for claim in claims):
            return None  # two families with one sample name would make the whole page invalid
        self._taken.update(dict.fromkeys(claims, name))
        family = _Family(name, kind, metric.description or metric.name, unit_words(metric.unit))
        self._families[name] = family
        return family

    def _header(self, family: _Family) -> list[str]:
        name = family.name
        if not self._openmetrics and family.kind == "counter":
            name += "_total"
        help_text = family.help_text.replace("\\", "\\\\").replace("\n", "\\n")
        if self._openmetrics:
            help_text = help_text.replace('"', '\\"')
        lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {family.kind}"]
        if self._openmetrics and family.unit and name.endswith("_" + family.unit):
            lines.append(f"# UNIT {name} {family.unit}")
        return lines

    def _add(self, family: _Family, metric: MetricData) -> None:
        scope = _scope_labels(metric.scope)
        for point in metric.points:
            labels = _labels(point.attributes, scope)
            if labels in family.seen:
                continue
            family.seen.add(labels)
            if isinstance(point, HistogramPoint):
                family.lines += self._histogram(family.name, labels, point)
            else:
                family.lines.append(self._number(family, labels, point))

    def _number(self, family: _Family, labels: str, point: NumberPoint) -> str:
        counter = family.kind == "counter"
        name = f"{family.name}_total" if counter else family.name
        line = f"{name}{_braced(labels)} {_value(point.value)}"
        if counter and self._openmetrics and point.exemplars:
            line += _exemplar(point.exemplars[-1])
        return line

    def _histogram(self, name: str, labels: str, point: HistogramPoint) -> list[str]:
        boundaries, total = point.boundaries, 0
        exemplars = _by_bucket(point) if self._openmetrics and point.exemplars else {}
        prefix = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
        lines = []
        for index, count in enumerate(point.counts):
            total += count
            bound = repr(float(boundaries[index])) if index < len(boundaries) else "+Inf"
            tail = _exemplar(exemplars[index]) if index in exemplars else ""
            lines.append(f'{prefix}le="{bound}"}} {total}{tail}')
        if self._openmetrics and boundaries and boundaries[0] < 0:
            return lines  # OpenMetrics allows no sum, and so no count, beside negative buckets
        braced = _braced(labels)
        lines += [f"{name}_sum{braced} {_value(point.sum)}", f"{name}_count{braced} {total}"]
        return lines

    def _target_info(self, resource: Resource) -> list[str]:
        labels = _labels(resource.attributes, ())
        name, kind = ("target", "info") if self._openmetrics else ("target_info", "gauge")
        return [
            f"# HELP {name} The process that is observed.",
            f"# TYPE {name} {kind}",
            f"target_info{_braced(labels)} 1",
        ]


def _type_of(metric: MetricData) -> str:
    if metric.kind == "sum":
        return "counter" if metric.monotonic else "gauge"
    return metric.kind


def _scope_labels(scope: Scope) -> Labels:
    if scope.name in {OWN_SCOPE, ""} or scope.name.startswith(OWN_SCOPE + "."):
        return ()
    given = (
        ("otel_scope_name", scope.name),
        ("otel_scope_version", scope.version),
        ("otel_scope_schema_url", scope.schema_url),
    )
    return tuple((name, value) for name, value in given if value)


def _labels(attributes: Mapping[str, Any], scope: Labels) -> str:
    """Return labels as they stand between the braces.

    Keys that become one label are joined with ``;`` in the order of their names, as
    OpenTelemetry's specification says.
    """
    named: dict[str, str] = {}
    for key, value in sorted(attributes.items()):
        name, text = label_name(key), _text(value)
        named[name] = f"{named[name]};{text}" if name in named else text
    named.update(scope)
    return ",".join([f'{name}="{_escaped(text)}"' for name, text in named.items()])


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _escaped(text: str) -> str:
    if "\\" in text or '"' in text or "\n" in text:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return text


def _value(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def _exemplar(exemplar: Exemplar) -> str:
    ids = f'trace_id="{exemplar.trace_id:032x}",span_id="{exemplar.span_id:016x}"'
    seconds, nanoseconds = divmod(exemplar.time_ns, 1_000_000_000)
    return f" # {{{ids}}} {_value(exemplar.value)} {seconds}.{nanoseconds // 1_000_000:03d}"


def _by_bucket(point: HistogramPoint) -> dict[int, Exemplar]:
    found: dict[int, Exemplar] = {}
    for exemplar in point.exemplars:
        found[bisect_left(point.boundaries, exemplar.value)] = exemplar
    return found
