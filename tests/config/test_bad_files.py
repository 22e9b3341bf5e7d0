"""Everything that can be wrong with a file: one error, the place, and what is allowed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from alexobs.config.document import MAX_BYTES
from alexobs.config.load import load
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def problems(path: Path, content: str | bytes) -> list[str]:
    """Return the problems of a file, without the name of its folder."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert str(caught.value).splitlines() == [str(p) for p in caught.value.problems]
    return [str(p).replace(f"{path}", "FILE") for p in caught.value.problems]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


RATE = "observability.tracing.sample_rate"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sample_rate: 1.5", f"{RATE}: 1.5 — expected a number from 0.0 to 1.0"),
        ("sample_rate: -0.1", f"{RATE}: -0.1 — expected a number from 0.0 to 1.0"),
        ("sample_rate: .nan", f"{RATE}: .nan — expected a number from 0.0 to 1.0"),
        ("sample_rate: nan", f"{RATE}: nan — expected a number from 0.0 to 1.0"),
        ("sample_rate: inf", f"{RATE}: inf — expected a number from 0.0 to 1.0"),
        (
            'sample_rate: "1"',
            f'{RATE}: "1" — expected a number from 0.0 to 1.0 (write it without quotes)',
        ),
        ('sample_rate: "all"', f'{RATE}: "all" — expected a number from 0.0 to 1.0'),
        ("sample_rate: all", f"{RATE}: all — expected a number from 0.0 to 1.0"),
        ("sample_rate: [1]", f"{RATE}: a list — expected a number from 0.0 to 1.0"),
        ("sample_rate: {a: 1}", f"{RATE}: a mapping — expected a number from 0.0 to 1.0"),
        (
            "sampel_rate: 1",
            'observability.tracing.sampel_rate — unknown key (did you mean "sample_rate"?)',
        ),
        (
            "prometheus_port: 1",
            "prometheus_port — unknown key (did you mean metrics.prometheus_port?)",
        ),
        ("exporter: jager", "did you mean"),
        ("max_events: 1.5", "max_events: 1.5 — expected a whole number from 0 to 1000000000"),
        ("max_events: true", "max_events: true — expected a whole number"),
        ("enabled: 1", "observability.tracing.enabled: 1 — expected true or false"),
        ('enabled: "yes"', "expected true or false (write it without quotes)"),
        ("otlp_endpoint: 'http://'", "expected a URL such as http://localhost:4318, or host:port"),
        ("otlp_endpoint: host:99999", "expected a URL such as http://localhost:4318, or host:port"),
        ("zipkin_endpoint: zipkin", "expected a URL such as http://localhost:9411/api/v2/spans"),
        ("resource: [a, b]", "resource: a list — expected a mapping of names to a text"),
        ("resource: {a: [b]}", "observability.tracing.resource.a: a list — expected a text"),
        ('otlp_headers: {"a b": c}', "names without spaces and control characters"),
        ('"\\x1b[31m\\uD800": 1', "tracing.\\x1b[31m\\xd800 — unknown key"),
        ('exporter: "\\x1b[31m"', 'exporter: "\\x1b[31m" — expected one of'),
        ("resource: text", "resource: text — expected a mapping of names to a text"),
        ("file_path: ''", 'file_path: "" — expected a text that is not empty'),
        ("tail: true", "observability.tracing.tail: true — expected a mapping with keep_errors"),
        ("tail: {slower_than_s: x}", "slower_than_s: x — expected a number from 0.0 to"),
        ("? [a]\n    : 1", "expected keys that are texts"),
        (
            "exporter: !!python/object:os.system x",
            "the tag !!python/object:os.system is not allowed",
        ),
        ("exporter: !!python/object/apply:os.abort []", "is not allowed"),
        ("exporter: !custom x", "the tag !custom is not allowed"),
        (
            "resource: &x {a: *x}",
            "observability.tracing.resource.a — an alias that contains itself",
        ),
        ("<<: 7", "observability.tracing — expected a mapping to merge"),
    ],
)
def test_one_wrong_line(path: Path, line: str, expected: str) -> None:
    found = problems(path, f"observability:\n  tracing:\n    {line}\n")
    assert len(found) == 1
    assert found[0].startswith("FILE:3: observability.tracing")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("observability: [1]", ["FILE:1: observability: a list — expected a mapping with enabled"]),
        ("observability: 7", ["FILE:1: observability: 7 — expected a mapping with enabled"]),
        (
            "observability: {a: 1}\nobservability: {b: 2}",
            ["FILE:1: ", "FILE:2: observability — given"],
        ),
        (
            "observabilty: {enabled: false}",
            ['observabilty — unknown key (did you mean "observabil'],
        ),
        ("- a\n- b", ["FILE:1 — expected a mapping at the top, found a list"]),
        ("words", ["FILE:1 — expected a mapping at the top, found a single value"]),
        ("a: 1\nb: [", ["FILE:2 — not YAML: while parsing a flow node, expected the node content"]),
        ("a: 1\n\tb: 2", ["FILE:2 — not YAML: while scanning for the next token, found character"]),
        ("a: *nobody", ["FILE:1 — not YAML: found undefined alias 'nobody'"]),
        ("a: 1\n---\nb: 2", ["FILE:2 — not YAML: expected a single document in the stream"]),
        ("a: 1\nb: \x01", ["FILE:2 — not YAML: a character that is not allowed"]),
        ("a: " + "[" * 5000, ["FILE — not usable: nested too deeply"]),
        (b"a: 1\nb: \xff\xfe\x00", ["FILE:2 — not a text file in UTF-8"]),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ["FILE:1 — not a text file in UTF-8"]),
        (b"#" * (MAX_BYTES + 1), [f"FILE — larger than {MAX_BYTES:,} bytes; not read"]),
    ],
)
def test_a_file_that_is_no_configuration(
    path: Path, text: str | bytes, expected: list[str]
) -> None:
    found = problems(path, text)
    assert len(found) == len(expected)
    for line, part in zip(found, expected, strict=True):
        assert part in line


def test_every_problem_is_found_in_order(path: Path) -> None:
    text = """\
observability:
  logging: {level: warning, fromat: json}
  metrics:
    prometheus_port: 99999
    boundaries: {my.histogram: [1, 2, 2], other: [1, x], good: [1, 2]}
  redaction:
    keys: my_key
    patterns: {bad: "(", empty: "a*"}
  tracing:
    exporter: otlp
    exporter: zipkin
  piepline: {}
"""
    texts = "a list of texts that are not empty"
    increasing = "a list of numbers, each larger than the one before"
    expression = "a regular expression that does not match the empty text"
    expected = [
        'FILE:2: OBS.logging.level: warning — expected one of LEVELS (did you mean "warn"?)',
        'FILE:2: OBS.logging.fromat — unknown key (did you mean "format"?)',
        "FILE:4: OBS.metrics.prometheus_port: 99999 — expected a whole number from 0 to 65535",
        f"FILE:5: OBS.metrics.boundaries.my.histogram: a list — expected {increasing}",
        f"FILE:5: OBS.metrics.boundaries.other: a list — expected {increasing}",
        f"FILE:7: OBS.redaction.keys: my_key — expected {texts} (write it in brackets)",
        f'FILE:8: OBS.redaction.patterns.bad: "(" — expected {expression}',
        f'FILE:8: OBS.redaction.patterns.empty: "a*" — expected {expression}',
        "FILE:11: OBS.tracing.exporter — given twice (first given at FILE:10)",
        'FILE:12: OBS.piepline — unknown key (did you mean "pipeline"?)',
    ]
    short = {"observability": "OBS", "debug, info, warn, error": "LEVELS"}
    found = problems(path, text)
    for long, name in short.items():
        found = [line.replace(long, name) for line in found]
    assert found == expected


def test_secrets_are_never_shown(path: Path) -> None:
    opaque = "".join(["s", "k", "-", "a1B2c3D4" * 4])
    text = f"""\
observability:
  tracing:
    otlp_headers: {{authorization: [{opaque}], x-api-key: "{opaque}\\n"}}
    otlp_endpoint: "http://user:{opaque}@host name"
    api_key: {opaque}
    exporter: {opaque}
    {opaque}: 1
  logging: !{opaque} x
"""
    found = "\n".join(problems(path, text))
    assert opaque not in found
    assert "a1B2c3D4" not in found
    assert "observability.tracing.otlp_headers.x-api-key: (hidden)" in found


def test_exponential_aliases_cost_nothing(path: Path) -> None:
    lines = ["observability: {enabled: false}", "a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert load(path, environ={}).enabled is False
    bomb = "\n".join(lines[1:]) + "\nobservability: {tracing: {resource: *a59}}"
    assert "expected a mapping of names" in problems(path, bomb)[0]


def test_a_named_file_has_to_exist(path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        load(path, environ={})
    assert caught.value.problems[0].file == str(path)


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory, not a file"):
        load(tmp_path, environ={})


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(f"{tmp_path}/\0", environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(ConfigError, match="a loop of symbolic links"):
        load(path, environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_file_that_may_not_be_read(common_user: Path) -> None:
    path = common_user / "config.yaml"
    path.write_text("a: 1", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ConfigError, match="permission denied"):
        load(path, environ={})
