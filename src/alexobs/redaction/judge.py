"""Whether a value beside a secret name is a value: not a type, a template, a variable, a word."""

from __future__ import annotations

import re

_SCHEME = re.compile(
    r"(?:(?P<one>bearer|basic|token|apikey|api-key|negotiate|ntlm|ssws|dpop|key)"
    r"|(?P<line>digest|oauth|hawk|aws4-hmac-sha256|googlelogin|signature))(?:[ \t]{1,4}|%20)",
    re.IGNORECASE,
)
_WORDY = re.compile(r"[A-Za-z]+(?:[-_/.'][A-Za-z]+)*", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9][0-9_.]*%?", re.ASCII)
_CODE_PATH = re.compile(r"[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_PATH = re.compile(r"(?:\.{0,2}|~|[A-Za-z]:)[/\\].*", re.DOTALL)
_TEMPLATE = re.compile(
    r"\$\{?\{?[^{}\s]*\}?\}?|\{\{.*\}\}|\{[\w.!:]*\}|<[^<>]*>|%\(?\w*\)?[sdr]|%\w+%|[*•]+"
    r"|[xX.…_-]{3,}|.{0,8}(?:\*{3,}|•{3,}|\.{3}|…).{0,6}"
    r"|\[?(?:redacted|filtered|masked|hidden)\]?"
    r"|(?:[^\w{%]{0,4}(?:\{[\w.!:]*\}|%\(?\w*\)?[sdr]))+[^\w{%]{0,4}",
    re.IGNORECASE | re.DOTALL,
)
_MOST_TEMPLATE_CHARS = 256
_NOTHING_TABLE = """
null none nil true false undefined nan empty unset set yes no ok on off required optional missing
invalid incorrect wrong valid expired changed string str text bytes byte int integer float number
bool boolean any object char varchar secretstr flag option argument arg parameter is or and to for
in with if when was must the a an of from as not unknown disabled enabled default prompt stdin uuid
uint8 uint16 uint32 uint64 int32 int64 float32 float64
"""
_NOTHING = frozenset(_NOTHING_TABLE.split())
_UNLIKE_WORDS = re.compile("[0-9]|[A-Z](?=[A-Z])")
_RANDOM = re.compile(r"[A-Za-z0-9+/_.~%=-]+")
_PLAIN = re.compile(r"[0-9a-fA-F-]+|(?:\.{0,2}|~)/.*|https?:.*", re.DOTALL)


def looks_secret(value: str) -> bool:
    """Whether a value looks random: long, of mixed characters, no UUID, no path, no sentence."""
    if len(value) < 20 or _RANDOM.fullmatch(value) is None or _PLAIN.fullmatch(value):
        return False
    mixed = not value.islower() and not value.isupper()
    return len(set(value)) >= 12 and mixed and unlike_words(value) >= 2


def unlike_words(value: str) -> int:
    """How often a value has what names do not have: digits, two capitals in a row.

    Of 22 random letters and digits one in a hundred has fewer than two; names in camel case have
    none.
    """
    return len(_UNLIKE_WORDS.findall(value))


def is_odd(value: str) -> bool:
    """Whether a value is something other than words joined by hyphens and the like."""
    return _WORDY.fullmatch(value) is None or looks_secret(value)


def is_template(value: str) -> bool:
    """Whether a value is a place for one, or the mask of one: ``${KEY}``, ``<token>``, ``***``."""
    return len(value) <= _MOST_TEMPLATE_CHARS and _TEMPLATE.fullmatch(value) is not None


def is_keyword(value: str) -> bool:
    """Whether a bare word is a type, a literal or a word of a sentence rather than a value."""
    return value.lower() in _NOTHING


def is_number(value: str) -> bool:
    """Whether a value is a number or a percentage."""
    return _NUMBER.fullmatch(value) is not None


def is_path(value: str) -> bool:
    """Whether a value is the path of a file."""
    return _PATH.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Whether a value could be a variable."""
    return _NAME.fullmatch(value) is not None


def is_attribute(value: str) -> bool:
    """Whether a value is a variable's attribute, as in code: ``settings.password``."""
    return _CODE_PATH.fullmatch(value) is not None


def has_digit(value: str) -> bool:
    """Whether a value is one word with a digit in it."""
    return not any(map(str.isspace, value)) and re.search("[0-9]", value) is not None


def scheme_end(text: str, start: int) -> tuple[int, bool]:
    """Where an authorization scheme ends (``start`` when there is none).

    Returns:
        The position behind the scheme, and whether the whole line belongs to the credential.
    """
    scheme = _SCHEME.match(text, start)
    return (scheme.end(), scheme["line"] is not None) if scheme else (start, False)


def without_scheme(value: str) -> str:
    """The credential of ``Bearer …``; any other value as it is."""
    return value[scheme_end(value, 0)[0] :]
