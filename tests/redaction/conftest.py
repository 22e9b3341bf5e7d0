"""A redactor on each engine, made once: the automaton takes a while to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alexobs.config.model import RedactionConfig
from alexobs.redaction import Redactor
from alexobs.redaction.engine import HyperscanEngine, PortableEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from alexobs.redaction.engine import Engine
    from alexobs.redaction.rules import Rule

_ENGINES = ("hyperscan", "portable")


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[..., Engine]]:
    folder: Path = tmp_path_factory.mktemp("cache")

    def hyperscan(rules: Sequence[Rule]) -> Engine:
        return HyperscanEngine(rules, str(folder))

    return {"hyperscan": hyperscan, "portable": PortableEngine}


@pytest.fixture(scope="session")
def redactors(engines: dict[str, Callable[..., Engine]]) -> dict[str, Redactor]:
    return {name: Redactor(RedactionConfig(), engine=engines[name]) for name in _ENGINES}


@pytest.fixture(params=_ENGINES)
def redactor(request: pytest.FixtureRequest, redactors: dict[str, Redactor]) -> Redactor:
    return redactors[request.param]


@pytest.fixture
def configured(engines: dict[str, Callable[..., Engine]]) -> Callable[..., Redactor]:
    """A redactor with other settings than the default ones."""

    def make(**settings: object) -> Redactor:
        return Redactor(RedactionConfig(**settings), engine=engines["portable"])  # type: ignore[arg-type]

    return make
