"""Configuration: a frozen model, its loader and saver, and hot reload.

Importing this costs the model alone; YAML is imported when a file is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alexobs.config.model import Config
from alexobs.errors import ConfigError, Problem

if TYPE_CHECKING:
    from alexobs.config.load import config_file, load

_HOMES = {
    "config_file": "load",
    "load": "load",
}

__all__ = ["Config", "ConfigError", "Problem", "config_file", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - part of being lazy

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
