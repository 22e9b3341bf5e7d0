"""Configuration: a frozen model, its loader and saver, and hot reload.

`alexobs.config.load.load` reads it, `save.save` writes it, `watch.Watcher` follows the file.
Importing this costs the model alone; YAML is imported when a file is read.
"""

from alexobs.config.model import Config
from alexobs.errors import ConfigError, Problem

__all__ = ["Config", "ConfigError", "Problem"]
