"""Configuration files: YAML read into entries that know their line."""

from __future__ import annotations

import codecs
import errno
from pathlib import Path as FilePath
from typing import Any

from alexobs.config.display import printable, without_secrets
from alexobs.config.layer import REFUSED, ROOT, Entry, Origin, Pairs
from alexobs.config.values import Plain
from alexobs.errors import ConfigError, Problem

Node = Any  # of yaml.nodes, which is imported when a file is read and not before

MAX_BYTES = 1 << 18  # a hundred times what real files hold; parsing this much takes seconds

_YAML = "tag:yaml.org,2002:"
_SCALARS = frozenset(_YAML + tag for tag in ("str", "int", "float", "bool", "null", "timestamp"))
_ALLOWED = _SCALARS | {_YAML + "map", _YAML + "seq", _YAML + "merge", _YAML + "value"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def failure(path: FilePath, message: str, line: int = 0, hint: str = "") -> ConfigError:
    """Return the error for a file that cannot be used at all."""
    origin = Origin("file", display_path(path), line)
    return ConfigError([Problem(str(origin), "", "", message, hint, origin.name, line)])


def display_path(path: FilePath) -> str:
    """Return the path as people write it: with `~` for the home folder."""
    try:
        return "~/" + path.relative_to(FilePath.home()).as_posix()
    except (ValueError, RuntimeError):
        return str(path)


def read_bytes(path: FilePath) -> bytes | None:
    """Return the content of a file, or None when there is none.

    Raises:
        ConfigError: it is there and cannot be read, or is no configuration by its size.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise failure(path, "is a directory, not a file") from None
    except PermissionError:
        # Windows says so of directories as well.
        message = "is a directory, not a file" if path.is_dir() else "permission denied"
        raise failure(path, message) from None
    except (OSError, ValueError) as error:
        loop = getattr(error, "errno", None) == errno.ELOOP
        reason = "a loop of symbolic links" if loop else str(error)
        raise failure(path, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise failure(path, f"larger than {MAX_BYTES:,} bytes; not read")
    return content


def decode(path: FilePath, content: bytes) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    Raises:
        ConfigError: it is not text.
    """
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise failure(path, "not a text file in UTF-8", line) from None


def compose(path: FilePath, text: str) -> Node:
    """Return the YAML node of a file's text, or None when there is nothing in it.

    Raises:
        ConfigError: it is not YAML, or not one mapping.
    """
    import yaml  # noqa: PLC0415 - only programs with a file pay for it

    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise failure(path, f"not YAML: {_reason(error)}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise failure(path, "not YAML: a character that is not allowed", line) from None
    except RecursionError:
        raise failure(path, "not usable: nested too deeply") from None
    if node is None or (node.id == "scalar" and node.tag == _YAML + "null"):
        return None
    if node.id != "mapping":
        kind = {"sequence": "a list", "scalar": "a single value"}[node.id]
        raise failure(path, f"expected a mapping at the top, found {kind}", _line(node))
    return node


def _reason(error: Any) -> str:
    parts = [str(part).strip() for part in (error.context, error.problem) if part]
    return printable(without_secrets(", ".join(parts)))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class Reader:
    """Turns the node of one file into an entry; finds what YAML allows and we do not."""

    def __init__(self, path: FilePath) -> None:
        self.name = display_path(path)
        self.problems: list[Problem] = []
        self._done: dict[int, Entry] = {}
        self._open: set[int] = set()

    def observability(self, top: Node) -> Entry | None:
        """Return the entry of our top-level key, or None when it is absent."""
        ours = [(key, value) for key, value in top.value if key.value == ROOT]
        if not ours:
            self._absent(top)
            return None
        for key, _ in ours[1:]:
            self._problem(key, "given twice", f"first given at line {_line(ours[0][0])}")
        return self.entry(ours[0][1])

    def entry(self, node: Node, path: str = ROOT) -> Entry:
        """Return the entry of a node; aliases share theirs, cycles are refused."""
        if id(node) in self._open:
            self._problem(node, "an alias that contains itself", key=path)
            return Entry(REFUSED, self._origin(node))
        if id(node) not in self._done:
            self._open.add(id(node))
            self._done[id(node)] = Entry(self._value(node, path), self._origin(node))
            self._open.discard(id(node))
        return self._done[id(node)]

    def _value(self, node: Node, path: str) -> Any:
        if node.tag not in _ALLOWED:
            tag = node.tag.replace(_YAML, "!!")
            self._problem(
                node, f"the tag {printable(without_secrets(tag))} is not allowed", key=path
            )
            return REFUSED
        if node.id == "mapping":
            return Pairs(self._pairs(node, path))
        if node.id == "sequence":
            return [self.entry(item, path) for item in node.value]
        return Plain(node.value) if node.style is None else node.value

    def _pairs(self, node: Node, path: str) -> list[tuple[Entry, Entry]]:
        own, merged = [], []
        for key, value in node.value:
            if key.tag == _YAML + "merge":
                merged += self._merged(value, path)
            else:
                name = key.value if key.id == "scalar" else "?"
                own.append((self.entry(key, path), self.entry(value, f"{path}.{name}")))
        names = {key.value for key, _ in own if not isinstance(key.value, list)}
        for key, value in merged:
            if not isinstance(key.value, list) and key.value not in names:
                names.add(key.value)
                own.append((key, value))
        return own

    def _merged(self, node: Node, path: str) -> list[tuple[Entry, Entry]]:
        found: list[tuple[Entry, Entry]] = []
        for source in node.value if node.id == "sequence" else [node]:
            entry = self.entry(source, path)
            if isinstance(entry.value, Pairs):
                found += entry.value
            elif entry.value is not REFUSED:
                self._problem(source, "expected a mapping to merge", key=path)
        return found

    def _absent(self, top: Node) -> None:
        from difflib import get_close_matches  # noqa: PLC0415 - needed for a message only

        names = {key.value: key for key, _ in top.value if isinstance(key.value, str)}
        for name in get_close_matches(ROOT, names, n=1, cutoff=0.85):
            if len(name) <= len(ROOT) + 1:
                self._problem(names[name], "unknown key", f'did you mean "{ROOT}"?', key=name)

    def _origin(self, node: Node) -> Origin:
        return Origin("file", self.name, _line(node))

    def _problem(self, node: Node, expected: str, hint: str = "", *, key: str = ROOT) -> None:
        origin, line = self._origin(node), _line(node)
        self.problems.append(
            Problem(
                str(origin), printable(without_secrets(key)), "", expected, hint, origin.name, line
            )
        )
