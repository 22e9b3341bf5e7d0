"""Saving: our key replaced in a file that also belongs to others."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from alexobs.config import document
from alexobs.config.change import to_mapping
from alexobs.config.layer import ROOT
from alexobs.config.load import assemble, parse
from alexobs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexobs.config.document import Node
    from alexobs.config.model import Config

_ATTEMPTS = 5
_YAML_1_1_NEWLINES = "\x85\u2028\u2029"


def save(config: Config, path: str | os.PathLike[str]) -> None:
    """Write what differs from the defaults under the key `observability` of a file.

    Everything else in the file stays as it is, byte for byte; the file is replaced in one step,
    with its mode and, behind a symbolic link, in its place. A file that says the same already is
    left alone.

    Raises:
        ConfigError: the file cannot be read, parsed or written, or our key cannot be replaced
            without changing what belongs to others (as when they use an anchor inside it).
    """
    target = FilePath(path)
    old = document.read_bytes(FilePath(os.path.realpath(target.expanduser())))
    if old is None or not _means(target, old, config):
        write_section(target, _block(to_mapping(config, changed_only=True)), config)


def write_section(path: FilePath, section: str, config: Config) -> None:
    """Replace our key by `section`, a text that means `config`; in flow style, by its values.

    Raises:
        ConfigError: as `save` does.
    """
    target = FilePath(os.path.realpath(path.expanduser()))
    for _ in range(_ATTEMPTS):
        old = document.read_bytes(target)
        new = _replaced(target, old or b"", section, config)
        if new == old:
            return
        temporary = _written_beside(target, new)
        try:
            # Somebody else may have saved their part meanwhile: start again from theirs.
            if document.read_bytes(target) == old:
                temporary.replace(target)
                return
        except OSError as error:
            raise document.failure(target, f"cannot be replaced: {error.strerror}") from None
        finally:
            temporary.unlink(missing_ok=True)
    raise document.failure(target, "changed by others at every attempt to save it")


def _block(values: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only programs that save pay for it

    text: str = yaml.safe_dump({ROOT: values}, sort_keys=False, allow_unicode=True, width=1 << 20)
    if any(mark in text for mark in _YAML_1_1_NEWLINES):  # these come back as spaces
        text = yaml.safe_dump({ROOT: values}, sort_keys=False, width=1 << 20)
    return text


def _flow(values: Any) -> str:
    import yaml  # noqa: PLC0415 - only programs that save pay for it

    text: str = yaml.safe_dump(values, sort_keys=False, default_flow_style=True, width=1 << 20)
    return text.strip()


def _replaced(path: FilePath, old: bytes, section: str, config: Config) -> bytes:
    text, encoding = document.decode(path, old)
    top = document.compose(path, text)
    newline = "\r\n" if "\r\n" in text else "\n"
    for candidate in _candidates(text, top, section, newline, config):
        new = candidate.encode(encoding)
        if _means(path, new, config) and _others(path, candidate) == _others(path, text):
            return new
    raise document.failure(
        path,
        f"cannot be saved: {ROOT} cannot be replaced without changing the rest",
        hint="an anchor in it that the rest uses?",
    )


def _means(path: FilePath, content: bytes, config: Config) -> bool:
    try:
        layer, problems, present = parse(path, content)
    except ConfigError:
        return False
    return present and not problems and assemble(layer) == config


def _others(path: FilePath, text: str) -> list[str]:
    """Return the other top-level keys with all that they hold, comparable."""
    import yaml  # noqa: PLC0415 - only programs that save pay for it

    top = document.compose(path, text)
    pairs = [] if top is None else top.value
    return [
        yaml.serialize(node) for key, value in pairs if key.value != ROOT for node in (key, value)
    ]


def _candidates(text: str, top: Node, section: str, newline: str, config: Config) -> Iterator[str]:
    """Yield texts with our key replaced or added, the most natural first; each is checked."""
    if top is None:
        yield _ended(text, newline) + section.replace("\n", newline)
        return
    at = next((n for n, (key, _) in enumerate(top.value) if key.value == ROOT), None)
    if top.flow_style:
        yield from _in_flow(text, top, None if at is None else top.value[at][1], config)
        return
    section = _indented(section, top, newline)
    if at is None:
        yield _ended(text, newline) + section
        end = _content_end(text, top.end_mark.index)  # before a mark that ends the document
        yield _ended(text[:end], newline) + section + text[end:]
        return
    start = _line_start(text, top.value[at][0].start_mark.index)
    after = [key.start_mark.index for key, _ in top.value[at + 1 : at + 2]]
    end = _content_end(text, _line_start(text, after[0]) if after else top.end_mark.index)
    yield text[:start] + section + text[end:]


def _in_flow(text: str, top: Node, ours: Node | None, config: Config) -> Iterator[str]:
    values = _flow(to_mapping(config, changed_only=True))
    if ours is not None:
        yield text[: ours.start_mark.index] + values + text[ours.end_mark.index :]
        return
    at = top.start_mark.index + 1
    comma = ", " if top.value else ""
    quote = '"' if text[at:].lstrip().startswith('"') else ""
    yield f"{text[:at]}{quote}{ROOT}{quote}: {values}{comma}{text[at:]}"


def _content_end(text: str, end: int) -> int:
    """Return where the last line ends before `end` that is neither blank nor a comment.

    Those lines may be about what follows, so they stay.
    """
    start = _line_start(text, end - 1)
    while end > 0 and text[start:end].strip().partition("#")[0] == "":
        end, start = start, _line_start(text, start - 1)
    return end


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _indented(section: str, top: Node, newline: str) -> str:
    indent = " " * top.start_mark.column
    return "".join(f"{indent if line else ''}{line}{newline}" for line in section.split("\n")[:-1])


def _ended(text: str, newline: str) -> str:
    return text if not text or text.endswith(("\n", "\ufeff")) else text + newline


def _written_beside(target: FilePath, content: bytes) -> FilePath:
    temporary: FilePath | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = FilePath(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise document.failure(target, f"cannot be written: {error.strerror}") from None
    with contextlib.suppress(OSError):  # a new file has no mode to keep
        status = target.stat()
        temporary.chmod(stat.S_IMODE(status.st_mode))
        if hasattr(os, "chown"):
            os.chown(temporary, status.st_uid, status.st_gid)
    return temporary
