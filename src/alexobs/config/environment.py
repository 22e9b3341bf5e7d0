"""Environment variables: one table, used by the loader and by the reference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from alexobs.config.layer import Found, Layer, Origin, problem
from alexobs.config.schema import Path, Setting, setting_of, settings
from alexobs.config.values import Plain, Unfit, fit_table_variable, fit_variable, nearest, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.errors import Problem

FILE_VARIABLE = "ALEX_CONFIG"
SESSION_VARIABLE = "ALEX_SESSION_ID"
"""Makes the whole run of an observed program one session of this id; no setting."""
"""Names the file, when it is not `~/.alex/config.yaml`."""

Values = dict[Path, Any]


class Variable(NamedTuple):
    """An environment variable: what it sets, and how its text becomes values by key path."""

    name: str
    paths: tuple[Path, ...]
    read: Callable[[str], Values]
    note: str = ""
    only_with: tuple[str, frozenset[str]] | None = None  # another variable and its words


def layer(environ: Mapping[str, str]) -> tuple[Layer, list[Problem]]:
    """Return what `environ` sets, and what is wrong in it. Empty variables count as absent."""
    found: Layer = {}
    problems: list[Problem] = []
    for variable in variables():
        text = environ.get(variable.name, "")
        if not text.strip() or not _counts(variable, environ):
            continue
        origin = Origin("environment variable", variable.name)
        try:
            values = variable.read(text)
        except Unfit as unfit:
            path = variable.paths[0]
            expected = f"expected {unfit.expected}"
            problems.append(problem(origin, path, Plain(text), expected, unfit.hint))
        else:
            found.update({path: Found(value, origin) for path, value in values.items()})
    return found, problems


def _counts(variable: Variable, environ: Mapping[str, str]) -> bool:
    if variable.only_with is None:
        return True
    name, words = variable.only_with
    return environ.get(name, "").strip().lower() in words


def unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables that look like settings of ours and are none, each with a hint."""
    known = {variable.name for variable in variables()} | {FILE_VARIABLE}
    sections = tuple(sorted({f"ALEX_{path[0].upper()}_" for path in settings() if len(path) > 1}))
    strangers = (name for name in environ if name.startswith(sections) and name not in known)
    return {name: _nearest_variable(name, known) for name in sorted(strangers)}


def _nearest_variable(name: str, known: set[str]) -> str:
    return nearest(name, [k.lower() for k in known]).upper().replace("DID YOU MEAN", "did you mean")


def own_name(path: Path) -> str:
    """Return the `ALEX_*` variable of a setting."""
    return "_".join(("ALEX", *path)).upper()


def _own(setting: Setting) -> Variable:
    def read(text: str) -> Values:
        if setting.shape.item is None:
            return {setting.path: fit_variable(setting.shape, text)}
        items = fit_table_variable(setting.shape, text)
        return {(*setting.path, name): value for name, value in items.items()}

    return Variable(own_name(setting.path), (setting.path,), read)


def _setting(path: Path) -> Setting:
    setting = setting_of(path)
    if setting is None:
        raise KeyError(".".join(path))
    return setting


def _as_is(name: str, path: str, note: str = "") -> Variable:
    own = _own(_setting(tuple(path.split("."))))
    return Variable(name, own.paths, own.read, note)


def _milliseconds(name: str, path: str) -> Variable:
    setting = _setting(tuple(path.split(".")))

    def read(text: str) -> Values:
        try:
            seconds = str(float(text) / 1000)
            return {setting.path: fit_variable(setting.shape, seconds)}
        except ValueError:
            raise Unfit(f"milliseconds; in seconds, {setting.shape.expected}") from None

    return Variable(name, (setting.path,), read, "in milliseconds")


def _words(name: str, meaning: Mapping[str, Mapping[str, Any]]) -> Variable:
    values = {
        word: {tuple(path.split(".")): value for path, value in sets.items()}
        for word, sets in meaning.items()
    }

    def read(text: str) -> Values:
        word = text.strip().lower()
        if word not in values:
            raise Unfit(f"one of {', '.join(values)}", nearest(word, tuple(values)))
        return values[word]

    paths = tuple(dict.fromkeys(path for sets in values.values() for path in sets))
    return Variable(name, paths, read, f"one of {', '.join(values)}")


_PROMOTED = {
    "service.name": ("tracing", "service_name"),
    "service.version": ("tracing", "service_version"),
    "deployment.environment": ("tracing", "environment"),
    "deployment.environment.name": ("tracing", "environment"),
}


def _resource(text: str) -> Values:
    return {_PROMOTED.get(key, ("tracing", "resource", key)): v for key, v in pairs(text).items()}


def _traces_endpoint(text: str) -> Values:
    base = text.strip().rstrip("/").removesuffix("/v1/traces")
    setting = _setting(("tracing", "otlp_endpoint"))
    has_path = "/" in base.partition("://")[2]
    if has_path and base == text.strip().rstrip("/"):
        raise Unfit("a URL that ends in /v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT takes any base")
    return {setting.path: fit_variable(setting.shape, base)}


def _metrics_exporters(text: str) -> Values:
    words = {word.strip().lower() for word in text.split(",")}
    if not words <= {"otlp", "prometheus", "none"}:
        raise Unfit("a list of otlp, prometheus, or none")
    return {("metrics", word): word in words for word in ("otlp", "prometheus")}


def _trace_exporters() -> dict[str, Mapping[str, Any]]:
    names = ("otlp", "jaeger", "zipkin", "console", "none")
    meaning: dict[str, Mapping[str, Any]] = {name: {"tracing.exporter": name} for name in names}
    for name, protocol in (("otlp_proto_http", "http/protobuf"), ("otlp_proto_grpc", "grpc")):
        meaning[name] = {"tracing.exporter": "otlp", "tracing.otlp_protocol": protocol}
    return meaning


_SAMPLERS = {
    "always_on": {"tracing.sample_rate": 1.0},
    "always_off": {"tracing.sample_rate": 0.0},
    "traceidratio": {"tracing.sample_rate": 1.0},
    "parentbased_always_on": {"tracing.sample_rate": 1.0},
    "parentbased_always_off": {"tracing.sample_rate": 0.0},
    "parentbased_traceidratio": {"tracing.sample_rate": 1.0},
}
_CAPTURE = {
    word: {"tracing.content": "metadata" if word in ("false", "no_content") else "full"}
    for word in ("true", "false", "span_only", "event_only", "span_and_event", "no_content")
}
_TEMPORALITY = {
    "cumulative": {"metrics.temporality": "cumulative"},
    "delta": {"metrics.temporality": "delta"},
    "lowmemory": {"metrics.temporality": "delta"},
}


@cache
def variables() -> tuple[Variable, ...]:
    """Return all variables; of two that set the same, the later one wins."""
    tracing = ("tracing", "sample_rate")
    sampler_arg = _as_is("OTEL_TRACES_SAMPLER_ARG", "tracing.sample_rate", "with a ratio sampler")
    ratio = frozenset({"traceidratio", "parentbased_traceidratio"})
    endpoint = _setting(("tracing", "otlp_endpoint")).path
    at = "ends in /v1/traces"
    headers, timeout = "tracing.otlp_headers", "pipeline.timeout_s"
    return (
        _words("OTEL_SDK_DISABLED", {"true": {"enabled": False}, "false": {"enabled": True}}),
        Variable(
            "OTEL_RESOURCE_ATTRIBUTES",
            (("tracing", "resource"), *dict.fromkeys(_PROMOTED.values())),
            _resource,
            "name=value,name=value",
        ),
        _as_is("OTEL_SERVICE_NAME", "tracing.service_name"),
        _words("OTEL_TRACES_EXPORTER", _trace_exporters()),
        Variable(
            "OTEL_METRICS_EXPORTER",
            (("metrics", "otlp"), ("metrics", "prometheus")),
            _metrics_exporters,
            "a list of otlp, prometheus, or none",
        ),
        _words(
            "OTEL_LOGS_EXPORTER", {"otlp": {"logging.otlp": True}, "none": {"logging.otlp": False}}
        ),
        _words("OTEL_TRACES_SAMPLER", _SAMPLERS),
        sampler_arg._replace(paths=(tracing,), only_with=("OTEL_TRACES_SAMPLER", ratio)),
        _as_is("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing.otlp_endpoint"),
        Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", (endpoint,), _traces_endpoint, at),
        _as_is("OTEL_EXPORTER_OTLP_PROTOCOL", "tracing.otlp_protocol"),
        _as_is("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "tracing.otlp_protocol"),
        _as_is("OTEL_EXPORTER_OTLP_HEADERS", headers),
        _as_is("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers),
        _as_is("OTEL_EXPORTER_OTLP_COMPRESSION", "pipeline.compression"),
        _as_is("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "pipeline.compression"),
        _milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", timeout),
        _milliseconds("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", timeout),
        _words("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", _TEMPORALITY),
        _milliseconds("OTEL_METRIC_EXPORT_INTERVAL", "metrics.export_interval_s"),
        _as_is("OTEL_EXPORTER_PROMETHEUS_HOST", "metrics.prometheus_host"),
        _as_is("OTEL_EXPORTER_PROMETHEUS_PORT", "metrics.prometheus_port"),
        _as_is("OTEL_EXPORTER_JAEGER_ENDPOINT", "tracing.jaeger_endpoint"),
        _as_is("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "tracing.zipkin_endpoint"),
        _as_is("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "tracing.max_attribute_length"),
        _as_is("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "tracing.max_attribute_length"),
        _as_is("OTEL_ATTRIBUTE_COUNT_LIMIT", "tracing.max_attributes"),
        _as_is("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "tracing.max_attributes"),
        _as_is("OTEL_SPAN_EVENT_COUNT_LIMIT", "tracing.max_events"),
        _as_is("OTEL_SPAN_LINK_COUNT_LIMIT", "tracing.max_links"),
        _as_is("OTEL_BSP_MAX_QUEUE_SIZE", "pipeline.queue_max_records"),
        _as_is("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "pipeline.batch_max_records"),
        _milliseconds("OTEL_BSP_SCHEDULE_DELAY", "pipeline.linger_s"),
        _words("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", _CAPTURE),
        *map(_own, settings().values()),
    )
