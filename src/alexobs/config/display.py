"""How values are shown in messages, listings and reprs: short, and never a secret.

Patterns are compiled at first use (`re` keeps them): this is part of every import of the package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

HIDDEN = "(hidden)"
MAX_CHARACTERS = 80

_WORDS = r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+"
_SECRET_WORDS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "credential", "credentials", "headers", "passwd"}
    | {"passphrase", "password", "secret", "secrets", "token"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("x", "key")})
_SECRET_RUNS = frozenset({"apikey", "accesskey", "privatekey", "authtoken"})
# A provider's key, a JWT, or one opaque run of letters and digits.
_OPAQUE = (
    r"\b(?:sk|pk|rk|xox[a-z]|gh[a-z]|glpat|hf|AKIA|AIza)[-_A-Za-z0-9]{12,}"
    r"|\beyJ[-_A-Za-z0-9]{8,}\.[-_A-Za-z0-9.]+"
    r"|\b(?:bearer|basic)\s+\S{6,}"
    r"|(?<![-/\\_+=.A-Za-z0-9])(?=[-_+=A-Za-z0-9]*[0-9])(?=[-_+=A-Za-z0-9]*[A-Za-z])"
    r"[-_+=A-Za-z0-9]{28,}"
)
_CREDENTIALS_IN_URL = r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s@]+@"
_QUERY_VALUE = r"([?&][^=&#\s]+=)[^&#\s]+"


def is_secret_name(name: str) -> bool:
    """Return whether a key of this name holds a secret: `api_key` does, `max_tokens` does not."""
    words = [word.lower() for word in re.findall(_WORDS, name)]
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or not _SECRET_RUNS.isdisjoint(words)
        or not _SECRET_PAIRS.isdisjoint(pairwise(words))
    )


def without_secrets(text: str) -> str:
    """Return `text` without URL credentials and without what looks like a key."""
    text = re.sub(_CREDENTIALS_IN_URL, rf"\g<scheme>{HIDDEN}@", text)
    if "://" in text:
        text = re.sub(_QUERY_VALUE, rf"\1{HIDDEN}", text)
    return re.sub(_OPAQUE, HIDDEN, text, flags=re.IGNORECASE)


def shown(name: str, value: object) -> str:
    """Return `value` as text for people; `name` is the key that it stands under."""
    if isinstance(value, Mapping):
        secret = is_secret_name(name)
        items = (
            f"{printable(str(key))}: {HIDDEN if secret else shown(str(key), v)}"
            for key, v in value.items()
        )
        return _cut("{" + ", ".join(items) + "}")
    if is_secret_name(name) and value not in ("", None, ()):
        return HIDDEN
    if isinstance(value, (tuple, list)):
        return _cut("[" + ", ".join(shown(name, item) for item in value) + "]")
    if isinstance(value, str):
        return _cut(_quoted(without_secrets(value[: MAX_CHARACTERS * 8])))
    return plain(value)


def plain(value: object) -> str:
    """Return a value that is no text as YAML would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return _cut(repr(value))
    except Exception:
        return f"a value of type {type(value).__name__}"


def printable(text: str) -> str:
    """Return `text` without what a terminal would act on or an output could not encode."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _quoted(text: str) -> str:
    text = printable(text)
    return text if text and text == text.strip() else f'"{text}"'


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
