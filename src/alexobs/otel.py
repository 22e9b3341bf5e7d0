"""Entry points by which ``opentelemetry-instrument python agent.py`` finds alexobs.

Needs the extra ``otel``. With it alone, all is set up: `Configurator` makes the process
observable and an instrumentor per provider observes its package. Beside another distribution of
OpenTelemetry, ``OTEL_PYTHON_DISTRO=alexobs`` and ``OTEL_PYTHON_CONFIGURATOR=alexobs`` choose us.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from alexobs.instrumentation.packages import PACKAGES
from alexobs.packages import uninstrument
from alexobs.zero_code import start

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.metadata import EntryPoint

_OURS = "alexobs-"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


class Distro(BaseDistro):
    """Loads every instrumentor that is installed, but one only for each provider: ours."""

    def _configure(self, **kwargs: Any) -> None:
        """Change nothing: alexobs reads OpenTelemetry's environment variables as they are."""

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Load an instrumentor, unless its calls are observed by one of ours."""
        if _plain(entry_point.name) not in _observed_here():
            super().load_instrumentor(entry_point, **kwargs)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").removesuffix("_v2")


def _observed_here() -> set[str]:
    disabled = {name.strip() for name in os.environ.get(_DISABLED, "").split(",")}
    return {name for name in PACKAGES if f"{_OURS}{name.replace('_', '-')}" not in disabled}


class Configurator:
    """Makes the process observable; global providers that are set already stay."""

    def configure(self, **_: Any) -> None:
        """Do what `alexobs.init` does, without a package observed yet."""
        start(packages=())


class _Instrumentor(BaseInstrumentor):
    """Observes one package for the process's `Observability`."""

    package: ClassVar[str]
    requirement: ClassVar[str]

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the package that is observed."""
        return (self.requirement,)

    def _instrument(self, **kwargs: Any) -> None:
        start(packages=(self.package,))

    def _uninstrument(self, **kwargs: Any) -> None:
        uninstrument(self.package)


class OpenAIInstrumentor(_Instrumentor):
    """Observes ``openai``."""

    package, requirement = "openai", "openai >= 1.0"


class AnthropicInstrumentor(_Instrumentor):
    """Observes ``anthropic``."""

    package, requirement = "anthropic", "anthropic >= 0.40"


class GoogleGenAIInstrumentor(_Instrumentor):
    """Observes ``google-genai``."""

    package, requirement = "google_genai", "google-genai >= 1.0"
