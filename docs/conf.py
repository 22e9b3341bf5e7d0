"""How the documentation is built: `sphinx-build -W docs docs/_build/html`."""  # noqa: INP001 - settings

from __future__ import annotations

import tomllib
from pathlib import Path

_project = tomllib.loads(
    (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
)["project"]

project = "alexobs"
author = "The alexobs authors"
project_copyright = author
release = version = _project["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
suppress_warnings = [
    "toc.empty_glob"
]  # a part of the documentation may be absent from a source archive

html_theme = "furo"
html_title = "alexobs"
html_copy_source = False
