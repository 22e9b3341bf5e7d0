"""alexobs: logs, metrics, traces and cost for LLM agents, from one ``init()``."""

from __future__ import annotations

__version__ = "0.1.0"
