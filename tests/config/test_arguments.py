from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from alexobs.config.arguments import SHORT
from alexobs.config.change import to_mapping
from alexobs.config.load import load, load_with_origins
from alexobs.config.model import Config, LoggingConfig, TailConfig, TracingConfig
from alexobs.config.schema import settings
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class Exploding:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def made(**overrides: Any) -> Config:
    return load({}, environ={}, overrides=overrides)


def problems(**overrides: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        made(**overrides)
    return [str(problem) for problem in caught.value.problems]


def test_sections_and_short_names() -> None:
    config = made(
        service_name="alex",
        level="debug",
        log_format="text",
        tracing={"sample_rate": 0, "tail": {"slower_than_s": 3}},
        metrics={"boundaries": {"a": [1, 2]}},
        exporter=None,
    )
    assert config.tracing.service_name == "alex"
    assert config.logging == LoggingConfig(level="debug", format="text")
    assert config.tracing.sample_rate == 0.0
    assert isinstance(config.tracing.sample_rate, float)
    assert config.tracing.tail == TailConfig(slower_than_s=3.0)
    assert config.metrics.boundaries == {"a": (1.0, 2.0)}


def test_a_section_as_a_value() -> None:
    assert made(logging=LoggingConfig(level="warn")).logging.level == "warn"


def test_every_short_name_leads_to_a_setting() -> None:
    for path in SHORT.values():
        assert path in settings()


def test_words_that_yaml_readers_turn_into_truth_values() -> None:
    assert made(content=False).tracing.content == "off"
    assert made(tracing={"announce": True}).tracing.announce == "on"


cyclic: dict[str, Any] = {}
cyclic["tail"] = cyclic


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            {"servise_name": 1},
            'argument servise_name — unknown argument (did you mean "service_name"?)',
        ),
        (
            {"sample_rate": "0.5"},
            '"0.5" — expected a number from 0.0 to 1.0 (write it without quotes)',
        ),
        (
            {"sample_rate": True},
            "argument sample_rate: tracing.sample_rate: true — expected a number",
        ),
        ({"sample_rate": float("nan")}, "expected a number from 0.0 to 1.0"),
        ({"sample_rate": 10**400}, "expected a number from 0.0 to 1.0"),
        ({"prometheus_port": 90.5}, "expected a whole number from 0 to 65535"),
        ({"service_name": 7}, "expected a text (put it in quotes)"),
        ({"service_name": Exploding()}, "a value of type Exploding — expected a text"),
        ({"exporter": Exploding()}, "expected one of otlp, jaeger"),
        (
            {"tracing": {"sampel_rate": 1}},
            "argument tracing: tracing.sampel_rate — unknown key (did you",
        ),
        ({"tracing": {1: 2}}, "expected keys that are texts"),
        ({"tracing": []}, "argument tracing: tracing: a list — expected a mapping with enabled"),
        ({"tracing": cyclic}, "argument tracing: tracing.tail.tail — unknown key"),
        ({"resource": cyclic}, "tracing.resource.tail: a mapping — expected a text"),
        ({"resource": {"a": None}}, "tracing.resource.a: null — expected a text"),
        (
            {"otlp_headers": {"a": "x\r\ny"}},
            "tracing.otlp_headers.a: (hidden) — expected a header value",
        ),
        (
            {"sample_rate": 0.1, "tracing": {"sample_rate": 0.2}},
            "tracing.sample_rate: 0.2 — given twice (also given as argument sample_rate)",
        ),
    ],
)
def test_a_wrong_argument_is_named(overrides: dict[str, Any], expected: str) -> None:
    assert expected in problems(**overrides)[0]


def test_a_mapping_takes_the_files_place() -> None:
    source = {"observability": {"logging": {"level": "warn"}}, "agent": 1}
    assert load(source, environ={}).logging.level == "warn"
    assert load(source["observability"], environ={}).logging.level == "warn"  # type: ignore[arg-type]
    assert load(source, environ={"ALEX_LOGGING_LEVEL": "error"}).logging.level == "error"
    with pytest.raises(ConfigError, match=r"argument config: logging\.level: \"loud\""):
        load({"logging": {"level": "loud"}}, environ={})


def test_a_config_is_checked_too() -> None:
    config = Config(tracing=TracingConfig(sample_rate=0.5))
    assert load(config, environ={}) == config
    assert load(config, environ={}, overrides={"sample_rate": 0.1}).tracing.sample_rate == 0.1
    with pytest.raises(ConfigError, match=r"tracing\.sample_rate: 5 — expected a number"):
        load(Config(tracing=TracingConfig(sample_rate=5)), environ={})


def test_a_source_of_another_kind() -> None:
    with pytest.raises(ConfigError, match="expected a path, a mapping or a Config"):
        load(7, environ={})  # type: ignore[arg-type]


def test_what_the_caller_keeps_is_not_shared() -> None:
    headers = {"a": "1"}
    config = made(otlp_headers=headers)
    headers["a"] = "2"
    assert config.tracing.otlp_headers == {"a": "1"}


def test_the_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load(environ={}) == Config()
    (tmp_path / ".alex").mkdir()
    path = tmp_path / ".alex" / "config.yaml"
    path.write_text("observability: {enabled: false}", encoding="utf-8")
    assert load(environ={}) == Config(enabled=False)
    loaded = load_with_origins(environ={})
    assert {str(origin) for origin in loaded.origins.values()} == {"~/.alex/config.yaml:1"}
    assert load(environ={"ALEX_CONFIG": str(tmp_path / "absent.yaml")}) == Config()


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("content: off", "content", "off"),
        ("content: OFF", "content", "off"),
        ("announce: on", "announce", "on"),
        ("service_version: 1.10", "service_version", "1.10"),
        ("service_version: 2026-01-01", "service_version", "2026-01-01"),
        ("service_name: no", "service_name", "no"),
        ("service_name:", "service_name", ""),
        ("service_name: ~", "service_name", ""),
        ("sample_rate: 1e-3", "sample_rate", 0.001),
        ("max_events: 1_000", "max_events", 1000),
        ("enabled: No", "enabled", False),
        ("tail:", "tail", TailConfig()),
        ("resource: {a: 1, b: x}", "resource", {"a": "1", "b": "x"}),
        ("resource: &r {a: b}", "resource", {"a": "b"}),
        ("<<: {sample_rate: 0.5}\n    sample_rate: 0.1", "sample_rate", 0.1),
        ("<<: [{sample_rate: 0.5}, {sample_rate: 0.6, enabled: no}]", "sample_rate", 0.5),
    ],
)
def test_yaml_is_read_as_what_the_setting_holds(
    tmp_path: Path, text: str, path: str, expected: Any
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"observability:\n  tracing:\n    {text}\n", encoding="utf-8")
    assert getattr(load(file, environ={}).tracing, path) == expected


def test_repr_shows_changes_and_no_secret() -> None:
    opaque = "k" + "3y" * 20
    config = made(
        sample_rate=0.5,
        otlp_headers={"x-any": opaque},
        otlp_endpoint=f"http://me:{opaque}@host:1/?t={opaque}",
    )
    assert repr(config) == (
        "Config(tracing=TracingConfig("
        "otlp_endpoint=http://(hidden)@host:1/?t=(hidden), "
        "otlp_headers={x-any: (hidden)}, sample_rate=0.5))"
    )


def test_to_mapping_is_complete() -> None:
    assert load(to_mapping(Config()), environ={}) == Config()
    assert to_mapping(Config(), changed_only=True) == {}


def test_importing_the_model_imports_no_reader() -> None:
    code = (
        "import sys; before = set(sys.modules); import alexobs.config;"
        "loaded = {'yaml', 'alexobs.config.load', 'difflib', 'json'} & set(sys.modules) - before;"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
