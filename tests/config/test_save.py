from __future__ import annotations

import itertools
import os
import stat
import string
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexobs.config.change import diff, merge, restart_only, to_mapping
from alexobs.config.load import load
from alexobs.config.model import (
    Config,
    LoggingConfig,
    MetricsConfig,
    PipelineConfig,
    RedactionConfig,
    TailConfig,
    TracingConfig,
)
from alexobs.config.save import save
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

names = st.text(string.ascii_letters + ".-_ é#:", min_size=1, max_size=8)
tokens = st.text(string.ascii_letters + "-_!#.", min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
filled = texts.filter(lambda text: bool(text.strip()))
seconds = st.floats(0.0, 1e9)
configs = st.builds(
    Config,
    enabled=st.booleans(),
    logging=st.builds(
        LoggingConfig,
        level=st.sampled_from(["debug", "info", "warn", "error"]),
        format=st.sampled_from(["json", "text", "pretty"]),
        stdlib=st.booleans(),
    ),
    metrics=st.builds(
        MetricsConfig,
        prometheus_port=st.integers(0, 65535),
        export_interval_s=st.floats(0.1, 86400.0),
        boundaries=st.dictionaries(
            names, st.sets(seconds, min_size=1, max_size=4).map(lambda s: tuple(sorted(s)))
        ),
    ),
    tracing=st.builds(
        TracingConfig,
        sample_rate=st.floats(0.0, 1.0),
        content=st.sampled_from(["full", "metadata", "off"]),
        announce=st.sampled_from(["auto", "on", "off"]),
        otlp_headers=st.dictionaries(tokens, st.text(string.printable[:95], max_size=9)),
        resource=st.dictionaries(names, texts, max_size=3),
        service_name=texts,
        tail=st.builds(TailConfig, keep_errors=st.booleans(), slower_than_s=st.none() | seconds),
    ),
    redaction=st.builds(RedactionConfig, keys=st.lists(filled, max_size=3).map(tuple)),
    pipeline=st.builds(PipelineConfig, spool_dir=filled, timeout_s=st.floats(0.001, 3600.0)),
)
foreign = st.dictionaries(
    names.filter(lambda name: name != "observability"),
    st.recursive(
        texts | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
within = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FOREIGN = """\
# who we are
agent:   # the agent's own settings
  name:  "alex"     # kept
  prompt: |
    observability:
      is mentioned here

{section}

# a comment before the last key
limits: {{steps: 50, 'usd':  1.50}}
"""
OLD = "observability:\n  # ours\n  logging:\n    level: debug   # loud\n"


@within
@given(config=configs)
def test_what_was_saved_is_loaded(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save(config, path)
    assert load(path, environ={}) == config


@within
@given(config=configs, rest=foreign, style=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_the_rest_of_the_file_is_kept(
    config: Config, rest: dict[str, Any], style: tuple[bool, bool, bool], tmp_path: Path
) -> None:
    flow, first, crlf = style
    path = tmp_path / "config.yaml"
    ours = {"observability": {"logging": {"level": "debug"}}}
    content = {**ours, **rest} if first else {**rest, **ours}
    newline = "\r\n" if crlf else "\n"
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=flow, line_break=newline)
    path.write_bytes(text.encode())
    save(config, path)
    after = yaml.safe_load(path.read_bytes())
    after.pop("observability")
    assert after == rest
    assert load(path, environ={}) == config


@within
@given(base=configs, over=configs)
def test_merge_takes_what_is_set_above(base: Config, over: Config) -> None:
    merged = merge(base, over)
    assert merge(merged, over) == merged
    assert merge(Config(), over) == over
    assert merge(base, Config()) == base
    plain, above, below = to_mapping(merged), to_mapping(over, changed_only=True), to_mapping(base)
    headers = {**below["tracing"]["otlp_headers"], **over.tracing.otlp_headers}
    assert plain["tracing"]["otlp_headers"] == headers
    level = above.get("logging", {}).get("level", below["logging"]["level"])
    assert plain["logging"]["level"] == level


@within
@given(a=configs, b=configs)
def test_diff_is_empty_only_between_equals(a: Config, b: Config) -> None:
    assert diff(a, a) == ()
    assert bool(diff(a, b)) == (a != b)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_other_keys_are_kept_byte_for_byte(tmp_path: Path, newline: str, bom: bytes) -> None:
    path = tmp_path / "config.yaml"
    before = bom + FOREIGN.format(section=OLD).replace("\n", newline).encode()
    path.write_bytes(before)
    save(Config(tracing=TracingConfig(sample_rate=0.25)), path)
    section = "observability:\n  tracing:\n    sample_rate: 0.25\n"
    assert (
        path.read_bytes() == bom + FOREIGN.format(section=section).replace("\n", newline).encode()
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "observability:\n  enabled: false\n"),
        ("# only a comment", "# only a comment\nobservability:\n  enabled: false\n"),
        ("a: 1", "a: 1\nobservability:\n  enabled: false\n"),
        ("---\na: 1\n...\n", "---\na: 1\nobservability:\n  enabled: false\n...\n"),
        ("observability:\na: 1\n", "observability:\n  enabled: false\na: 1\n"),
        ("observability: # ours\n\n# a\na: 1\n", "observability:\n  enabled: false\n\n# a\na: 1\n"),
        ("{a: 1, 'b': [2]}", "{observability: {enabled: false}, a: 1, 'b': [2]}"),
        ("{}", "{observability: {enabled: false}}"),
        ('{"a": 1}', '{"observability": {enabled: false}, "a": 1}'),
        (
            '{"observability": {"logging": {"level": "warn"}}, "a": 1}\n',
            '{"observability": {enabled: false}, "a": 1}\n',
        ),
        ("  a: 1\n  observability: {}\n", "  a: 1\n  observability:\n    enabled: false\n"),
        (
            "observability:\n  tracing:\n    service_name: |\n      x\n\n\na: 1\n",
            "observability:\n  enabled: false\n\n\na: 1\n",
        ),
        ("a: &x {}\nobservability: *x\n", "a: &x {}\nobservability:\n  enabled: false\n"),
        (
            "a: &x {}\nobservability:\n  logging: *x\n# b\nb: 1\n",
            "a: &x {}\nobservability:\n  enabled: false\n# b\nb: 1\n",
        ),
        (
            "observability:\n  logging: {}\n  # tracing: {}\n\n# b\nb: 1",
            "observability:\n  enabled: false\n  # tracing: {}\n\n# b\nb: 1",
        ),
        ('"observability": {logging: {}} # x\na: 1\n', "observability:\n  enabled: false\na: 1\n"),
    ],
)
def test_only_our_key_is_spliced(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(before, encoding="utf-8")
    save(Config(enabled=False), path)
    assert path.read_text(encoding="utf-8") == after


def test_defaults_are_saved_over_other_values(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("observability: {enabled: false}\nkept: yes\n", encoding="utf-8")
    save(Config(), path)
    assert load(path, environ={}) == Config()
    assert path.read_text(encoding="utf-8") == "observability: {}\nkept: yes\n"


def test_a_file_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OLD, encoding="utf-8")
    before = path.stat()
    save(Config(logging=LoggingConfig(level="debug")), path)
    assert path.stat() == before or path.stat().st_ino == before.st_ino
    assert path.read_text(encoding="utf-8") == OLD


def test_utf_16_stays_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("name: é\nobservability: {}\n".encode("utf-16"))
    save(Config(enabled=False), path)
    assert path.read_bytes().decode("utf-16") == "name: é\nobservability:\n  enabled: false\n"


def test_an_anchor_that_others_use_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = "observability:\n  logging: &x {level: debug}\nother: *x\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="without changing the rest"):
        save(Config(), path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["- a\n- b\n", "observability: [\n", "just words"])
def test_a_broken_file_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        save(Config(), path)
    assert path.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.yaml"
    target.parent.mkdir()
    target.write_text("a: 1\n", encoding="utf-8")
    target.chmod(0o640)
    link = tmp_path / "config.yaml"
    link.symlink_to(target)
    save(Config(enabled=False), link)
    assert link.is_symlink()
    assert link.readlink() == target
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "enabled: false" in target.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_new_file_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.yaml"
    save(Config(tracing=TracingConfig(otlp_headers={"authorization": "x"})), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path, environ={}).tracing.otlp_headers == {"authorization": "x"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_folder_that_cannot_be_written(common_user: Path) -> None:
    common_user.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written: Permission denied"):
        save(Config(), common_user / "config.yaml")


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        save(Config(), tmp_path / "file" / "config.yaml")


def test_a_save_of_others_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    fsync = os.fsync

    def meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        path.write_text("a: 2\n", encoding="utf-8")

    monkeypatch.setattr(os, "fsync", meanwhile)
    save(Config(enabled=False), path)
    assert path.read_text(encoding="utf-8") == "a: 2\nobservability:\n  enabled: false\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_others_never_leave_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 0\n", encoding="utf-8")
    counter = itertools.count(1)

    def meanwhile(descriptor: int) -> None:
        path.write_text(f"a: {next(counter)}\n", encoding="utf-8")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(ConfigError, match="changed by others at every attempt"):
        save(Config(enabled=False), path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        save(Config(enabled=False), path)
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 0\n", encoding="utf-8")

    def refused(*_: object) -> None:
        raise PermissionError(13, "open elsewhere")

    monkeypatch.setattr(type(path), "replace", refused)
    with pytest.raises(ConfigError, match="cannot be replaced: open elsewhere"):
        save(Config(enabled=False), path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert path.read_text(encoding="utf-8") == "a: 0\n"


def test_diff_names_restart_only_and_hides_secrets() -> None:
    old = Config(tracing=TracingConfig(otlp_headers={"authorization": "one", "x-team": "a"}))
    new = Config(
        tracing=TracingConfig(otlp_headers={"authorization": "two"}, sample_rate=0.5),
        metrics=MetricsConfig(prometheus_port=0),
        pipeline=PipelineConfig(spool_dir="/tmp/spool"),
    )
    changes = diff(old, new)
    assert [str(change) for change in changes] == [
        "metrics.prometheus_port: 9090 → 0 (needs a restart)",
        "tracing.otlp_headers.authorization: (hidden) → (hidden)",
        "tracing.otlp_headers.x-team: (hidden) → (absent)",
        "tracing.sample_rate: 1.0 → 0.5",
        "pipeline.spool_dir: ~/.alex/spool → /tmp/spool (needs a restart)",
    ]
    assert [change.key for change in restart_only(changes)] == [
        "metrics.prometheus_port",
        "pipeline.spool_dir",
    ]


def test_merge_names_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"expected a number from 0\.0 to 1\.0"):
        merge(Config(), {"tracing": {"sample_rate": 7}})
