"""Every exception that alexobs raises on purpose.

::

    AlexobsError
    ├── ConfigError            a configuration that cannot be used; carries every problem found
    ├── InstrumentationError   something that cannot be instrumented, and why
    ├── MetricNameError        two instruments whose names clash after normalisation
    ├── MissingExtraError      an optional dependency is absent; carries the install command
    ├── PriceError             a price file that cannot be used
    ├── RedactionRuleError     a redaction rule that does not compile
    ├── ServerError            the local server cannot start or go on
    └── SpoolError             the write-ahead spool cannot be read or written

Nothing here reaches an instrumented application at run time: these are raised while the user
configures, instruments or runs a command, never by a span, a metric or a log line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class AlexobsError(Exception):
    """Base of all errors that alexobs raises on purpose."""


class Problem(NamedTuple):
    """One thing that is wrong with a configuration.

    ``where`` is what to open or change: ``path:line``, a variable or an argument. ``file`` and
    ``line`` are empty and 0 outside files. ``value`` is for display: cut, and hidden when secret.
    """

    where: str
    key: str
    value: str
    expected: str
    hint: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        parts = [part for part in (self.where, self.key, self.value) if part]
        hint = f" ({self.hint})" if self.hint else ""
        return f"{': '.join(parts)} — {self.expected}{hint}"


class ConfigError(AlexobsError):
    """A configuration that cannot be used; the message lists every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        """Pickle by the problems, which are the argument; the message follows from them."""
        return type(self), (self.problems,)


class InstrumentationError(AlexobsError):
    """An object or a package that cannot be instrumented."""


class MetricNameError(AlexobsError):
    """Two instruments whose names would be one series after normalisation."""


class MissingExtraError(AlexobsError, ImportError):
    """An optional dependency is absent.

    Args:
        feature: what the user asked for, as they would name it.
        extra: the extra of this distribution that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(f"{feature} needs an extra: pip install 'alexobs[{extra}]'")


class PriceError(AlexobsError):
    """A price file that cannot be used."""


class RedactionRuleError(AlexobsError):
    """A redaction rule that does not compile."""


class ServerError(AlexobsError):
    """The local server cannot start or go on."""


class SpoolError(AlexobsError):
    """The write-ahead spool cannot be read or written."""
