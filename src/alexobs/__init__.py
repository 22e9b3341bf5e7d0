"""alexobs: logs, metrics, traces and cost for LLM agents, from one ``init()``.

>>> import alexobs
>>> obs = alexobs.init()
>>> client = obs.instrument(openai.OpenAI())
>>> with obs.session("fix the bug"):
...     client.chat.completions.create(...)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from alexobs.config import Config
    from alexobs.errors import (
        AlexobsError,
        ConfigError,
        InstrumentationError,
        MetricNameError,
        MissingExtraError,
    )
    from alexobs.health import Health
    from alexobs.instrumentation import (
        InstrumentedLLMClient,
        InstrumentedToolExecutor,
        InstrumentedToolRegistry,
    )
    from alexobs.logger import Logger
    from alexobs.metrics import MetricsCollector
    from alexobs.observability import Observability, current, init
    from alexobs.packages import instrument, uninstrument
    from alexobs.pricing import estimate_cost
    from alexobs.records import Cost

_WHERE = {
    "AlexobsError": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "Cost": "records",
    "Health": "health",
    "InstrumentationError": "errors",
    "InstrumentedLLMClient": "instrumentation",
    "InstrumentedToolExecutor": "instrumentation",
    "InstrumentedToolRegistry": "instrumentation",
    "Logger": "logger",
    "MetricNameError": "errors",
    "MetricsCollector": "metrics",
    "MissingExtraError": "errors",
    "Observability": "observability",
    "current": "observability",
    "estimate_cost": "pricing",
    "init": "observability",
    "instrument": "packages",
    "uninstrument": "packages",
}

__all__ = [
    "AlexobsError",
    "Config",
    "ConfigError",
    "Cost",
    "Health",
    "InstrumentationError",
    "InstrumentedLLMClient",
    "InstrumentedToolExecutor",
    "InstrumentedToolRegistry",
    "Logger",
    "MetricNameError",
    "MetricsCollector",
    "MissingExtraError",
    "Observability",
    "__version__",
    "current",
    "estimate_cost",
    "init",
    "instrument",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: `import alexobs` itself costs nothing."""
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
