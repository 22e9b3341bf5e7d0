"""Arguments of `init()`: sections by name, and the common settings without their section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.config.layer import Checker, Entry, Layer, Origin, Pairs, entry_of, problem
from alexobs.config.schema import Path, setting_of, tree
from alexobs.config.values import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alexobs.errors import Problem

SHORT: Mapping[str, Path] = {
    "service_name": ("tracing", "service_name"),
    "service_version": ("tracing", "service_version"),
    "environment": ("tracing", "environment"),
    "resource": ("tracing", "resource"),
    "exporter": ("tracing", "exporter"),
    "sample_rate": ("tracing", "sample_rate"),
    "content": ("tracing", "content"),
    "otlp_endpoint": ("tracing", "otlp_endpoint"),
    "otlp_protocol": ("tracing", "otlp_protocol"),
    "otlp_headers": ("tracing", "otlp_headers"),
    "jaeger_endpoint": ("tracing", "jaeger_endpoint"),
    "zipkin_endpoint": ("tracing", "zipkin_endpoint"),
    "file_path": ("tracing", "file_path"),
    "level": ("logging", "level"),
    "log_level": ("logging", "level"),
    "log_format": ("logging", "format"),
    "prometheus": ("metrics", "prometheus"),
    "prometheus_port": ("metrics", "prometheus_port"),
    "prometheus_host": ("metrics", "prometheus_host"),
    "spool": ("pipeline", "spool"),
    "spool_dir": ("pipeline", "spool_dir"),
}
"""Arguments that stand for a setting in a section."""


def layer(overrides: Mapping[str, Any]) -> tuple[Layer, list[Problem]]:
    """Return what keyword arguments set, and what is wrong in them. None counts as not given."""
    found: Layer = {}
    problems: list[Problem] = []
    for name, value in overrides.items():
        if value is None:
            continue
        checker = _check(name, value)
        problems += checker.problems
        for path in found.keys() & checker.layer.keys():
            hint = f"also given as {found[path].origin}"
            here = checker.layer[path]
            problems.append(problem(here.origin, path, here.value, "given twice", hint))
        found.update(checker.layer)
    return found, problems


def _check(name: str, value: Any) -> Checker:
    origin = Origin("argument", name)
    checker = Checker()
    setting = setting_of(SHORT[name]) if name in SHORT else None
    if setting is not None:
        checker.setting(entry_of(value, origin), setting)
    elif name in tree():
        checker.section(Entry(Pairs([(Entry(name, origin), entry_of(value, origin))]), origin))
    else:
        hint = nearest(name, (*tree(), *SHORT))
        checker.problems.append(problem(origin, (), None, "unknown argument", hint))
    return checker
