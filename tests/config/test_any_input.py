"""Whatever comes in: a configuration that is valid, or one error that says where and what."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexobs.config.change import to_mapping
from alexobs.config.load import load
from alexobs.config.model import Config
from alexobs.config.schema import settings as known
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

words = st.sampled_from([*sorted({name for path in known() for name in path}), "nonsense", ""])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | words
    | st.binary(max_size=4)
    | st.dates()
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | scalars, inner, max_size=4),
    max_leaves=12,
)
sections = st.dictionaries(words, st.dictionaries(words, anything, max_size=5), max_size=4)
within = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def holds(source: Any, **options: Any) -> None:
    """Assert that what is loaded is valid, and that an error has a place and an expectation."""
    loaded = result(source, **{"environ": {}, **options})
    if isinstance(loaded, Config):
        assert load(to_mapping(loaded), environ={}) == loaded
        return
    assert loaded.problems
    for problem in loaded.problems:
        assert problem.where
        assert problem.expected
        assert str(problem) in str(loaded)
        assert str(problem).isprintable()


def result(source: Any, **options: Any) -> Config | ConfigError:
    try:
        return load(source, **options)
    except ConfigError as error:
        return error


@within
@given(source=sections | st.dictionaries(words, anything))
def test_any_mapping(source: dict[str, Any]) -> None:
    holds(source)


@within
@given(overrides=st.dictionaries(words, anything))
def test_any_argument(overrides: dict[str, Any]) -> None:
    holds({}, overrides=overrides)


@within
@given(content=sections, extra=st.text(string.printable, max_size=6), at=st.integers(0, 200))
def test_any_file(content: dict[str, Any], extra: str, at: int, tmp_path: Path) -> None:
    text = yaml.dump({"observability": content}, allow_unicode=True)
    at = min(at, len(text))
    path = tmp_path / "config.yaml"
    path.write_text(text[:at] + extra + text[at:], encoding="utf-8")
    holds(path)


@within
@given(content=st.binary(max_size=60))
def test_any_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"observability: " + content)
    holds(path)


@within
@given(
    name=st.sampled_from(sorted({"_".join(("ALEX", *p)).upper() for p in known()})), text=st.text()
)
def test_any_variable(name: str, text: str) -> None:
    holds({}, environ={name: text})
    loaded = result({}, environ={name: text})
    assert isinstance(loaded, Config) or name in str(loaded)
