"""Programs that know nothing of alexobs, run with and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from alexobs.testing.otlp import OTLPSink
from alexobs.testing.provider import ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AGENT = """
import os, sys
import openai

with openai.OpenAI(base_url=os.environ["PROVIDER_URL"], api_key="unused", max_retries=0) as client:
    messages = [{"role": "user", "content": "hi"}]
    answer = client.chat.completions.create(model="gpt-5-mini", messages=messages)
print(answer.choices[0].message.content, *sys.argv[1:])
"""


class Run(Protocol):
    def __call__(
        self, *command: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def sink() -> Iterator[OTLPSink]:
    with OTLPSink() as running:
        yield running


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as running:
        running.always("hello")
        yield running


@pytest.fixture
def environment(sink: OTLPSink, provider: ScriptedProvider, tmp_path: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALEX_", "OTEL_", "PYTHON", "COV_"))
    }
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
        "PROVIDER_URL": provider.openai_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    }


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    script = tmp_path / "agent.py"
    script.write_text(AGENT, encoding="utf-8")
    return script


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(
        *command: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=environment | dict(env or {}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
