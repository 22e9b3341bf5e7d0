"""Which names say that their value is a secret.

A name is split into words at underscores, hyphens, dots, spaces and changes of case. Its last
phrase decides, because that is what the name denotes: ``client_secret`` is a secret,
``secret_name`` is a name, ``token_count`` is a count, ``max_tokens`` are tokens of text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alexobs.redaction import words

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\x00-\x7f]+")
_SEPARATED = re.compile(r"[a-z]+|[0-9]+|[^\x00-\x7f]+")
MOST_KEY_CHARS = 128

Parts = tuple[str, ...]


def split_words(key: str) -> Parts:
    """The words of a name, in lower case: ``xApiKey`` and ``x-api-key`` are the same three."""
    return tuple(word.lower() for word in _WORDS.findall(key))


class KeyNames:
    """Decides about names; a user's names come before the built-in ones, allowed ones first."""

    def __init__(self, keys: Iterable[str] = (), allow_keys: Iterable[str] = ()) -> None:
        self._custom = [parts for key in keys if (parts := split_words(key))]
        self._allowed = {split_words(key) for key in allow_keys} - {()}

    def family(self, key: str) -> str:
        """The rule that takes the value below ``key``, or the empty string.

        Args:
            key: a name of any spelling.
        """
        end = key[-MOST_KEY_CHARS:]
        parts = split_words(end)
        if parts in self._allowed:
            return ""
        if any(_contains(parts, phrase) for phrase in self._custom):
            return words.CUSTOM
        separated = tuple(_SEPARATED.findall(end.lower()))
        return _family(parts) or ("" if separated == parts else _family(separated))

    def hints(self) -> tuple[str, ...]:
        """Expressions, without regard to case, of which one occurs where a secret name has a value.

        They lead with literals, which an automaton finds at gigabytes per second. "tokens" is left
        out but for those that are secrets, because ``"max_tokens": 5`` is in every second message.
        """
        custom = (_JOIN.join(map(re.escape, phrase)) + _MORE for phrase in self._custom)
        names = f"(?:{'|'.join([_HINT_NAMES, *custom])})"
        return (
            names + _HINT_AFTER,
            rf"-[A-Za-z0-9_.\-]*{names}\s+[^\s-]",
            r"(?:key|auth|sig|signature)[_.\-]*" + _BETWEEN + _BEFORE_RANDOM + _RANDOM,
        )

    def stems(self) -> tuple[str, ...]:
        """Texts in lower case of which every secret name contains one."""
        return (*words.STEMS, *(phrase[0] for phrase in self._custom))


_JOIN = r"[_.\- ]*"
_MORE = r"[A-Za-z0-9_.\-]*"
_HINT_NAMES = (
    rf"(?:password|passwd|passphrase|passcode|passwort|pass{_JOIN}(?:word|phrase)|passe|kennwort"
    rf"|contrasena|senha|otp|cvv|cvc|pwd?|jwt|bearer|csrf|xsrf|secret|authorization|authentication"
    rf"|cookie|phpsessid|jsessionid|connect{_JOIN}sid|cred|dsn|phrase|conn(?:ection)?{_JOIN}str"
    rf"|[a-z0-9_.\-]pass){_MORE}"
    rf"|[a-z0-9]{_JOIN}(?:key|code){_MORE}"
    rf"|token(?:[_.\-0-9a-rt-z]{_MORE})?"
    rf"|(?:access|refresh|auth|api|session|bearer|secret|id){_JOIN}tokens{_MORE}"
)
_HINT_AFTER = (
    r"(?:[\"'`\\\]]*(?:\s*(?:[:=!>]|%3[ad])|\s+(?:is|was)[\s:]+[^\s]*[0-9]|\s+\\*')"
    r"|\\*[\"'`]\]?\s*,)"
)
_BETWEEN = r"[\"'`\\\]\s=:!>,%]+"
_BEFORE_RANDOM = (
    r"(?:(?:is|was)[\s:]+|[bur]{1,2}[\"']|value"
    + _BETWEEN
    + r"|[A-Za-z_][A-Za-z0-9_.\[\]| ]*=\s*)?"
)
_RANDOM = r"[\"'`\\]*[A-Za-z0-9+/_.~%=-]{20}"


def _contains(parts: Parts, phrase: Parts) -> bool:
    size = len(phrase)
    return any(parts[i : i + size] == phrase for i in range(len(parts) - size + 1))


def _family(parts: Parts) -> str:
    """The family of a name: of its last phrase, or of the one before words that change nothing."""
    for end in range(len(parts), 0, -1):
        if family := _phrase_family(parts[:end]):
            return "" if family in words.RANDOM_ONLY and end != len(parts) else family
        if parts[end - 1] not in words.TAIL and not parts[end - 1].isdigit():
            break
    return ""


def _phrase_family(parts: Parts) -> str:
    """The family of a name whose last words are the deciding phrase."""
    first, last = parts[0], parts[-1]
    before = parts[-2] if len(parts) > 1 else ""
    if family := words.PHRASES.get((before, last)):
        return family
    family = words.SINGLE.get(last) or words.GLUED.get(last, "")
    if not family:
        family = next((kind for end, kind in words.GLUED_ENDS.items() if last.endswith(end)), "")
    if family == words.KEY:
        return "" if before else family
    is_question = bool(family) and first in words.QUESTIONS
    return "" if is_question or before in words.PLAIN.get(family, ()) else family
