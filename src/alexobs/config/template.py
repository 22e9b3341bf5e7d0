"""The file that `alexobs config init` writes: every setting with its default and what it does."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from alexobs.config.change import to_mapping
from alexobs.config.layer import ROOT
from alexobs.config.model import Config
from alexobs.config.schema import Path, Section, Setting, documentation, settings, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMNS = 96


def template() -> str:
    """Return our key as YAML text with all settings, their defaults and their documentation."""
    lines = [
        f"{ROOT}:",
        "  # Settings of alexobs with their defaults. Environment variables, as OTEL_SERVICE_NAME",
        "  # or ALEX_TRACING_SAMPLE_RATE, are over this file, and arguments of init() over both.",
        "",
        *_section(tree(), ()),
    ]
    return "\n".join(lines) + "\n"


def described(path: Path) -> str:
    """Return what a setting or a section is for, what it may be, and when it takes effect."""
    text = documentation()[path]
    setting = settings().get(path)
    if setting is None:
        return text
    if any(choice not in text for choice in setting.shape.choices):
        text += f" One of {', '.join(f'`{choice}`' for choice in setting.shape.choices)}."
    return f"{text} Needs a restart to change." if setting.restart_only else text


def _section(section: Section, path: Path) -> Iterator[str]:
    after_section = False
    for name, child in section.items():
        here = (*path, name)
        if after_section or not isinstance(child, Setting):
            yield ""
        after_section = not isinstance(child, Setting)
        yield from _comment(here)
        if isinstance(child, Setting):
            yield f"{_indent(here)}{name}: {_default(child)}"
        else:
            yield f"{_indent(here)}{name}:"
            yield from _section(child, here)


def _comment(path: Path) -> list[str]:
    prefix = f"{_indent(path)}# "
    return textwrap.wrap(
        described(path).replace("`", ""),
        _COLUMNS,
        initial_indent=prefix,
        subsequent_indent=prefix,
        break_on_hyphens=False,
    )


def _indent(path: Path) -> str:
    return "  " * len(path)


def _default(setting: Setting) -> str:
    import yaml  # noqa: PLC0415 - only programs that write a file pay for it

    value = to_mapping(Config())
    for name in setting.path:
        value = value[name]
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1 << 20)
    return text.removesuffix("...\n").strip()
