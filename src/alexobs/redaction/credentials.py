"""The rules for credentials of a richer shape than a prefix: addresses, pairs, whole files.

Credentials without any shape of their own, such as 32 hexadecimal digits, are found by the name
beside them (`pairs`).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from alexobs.redaction.judge import unlike_words
from alexobs.redaction.rules import FIRST, LITERAL, WORD_CHARS, Rule, Span, at_start, shape
from alexobs.redaction.tokens import has_digits, is_mixed, token_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

_URLSAFE = str.maketrans("+/", "-_")
_PEM_MOST_CHARS = 32_768  # an RSA key of 16,384 bits is 12,500 characters
_DATABASE = re.compile(
    r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|clickhouse|ftp|smtps?|ldaps?)"
    r"(?:\+[a-z0-9]{1,20})?$"
)
_MASK = re.compile(r"[*xX.]+|\$?\{.*\}|\$\w+|<.*>|%s|:?\w+:")


def credential_rules() -> tuple[Rule, ...]:
    """All rules for credentials by their own shape, in order of precedence."""
    return (*token_rules(), *_clouds(), *_services(), *_files(), *_addresses(), *_schemes())


def _clouds() -> tuple[Rule, ...]:
    aws = "|".join(at_start(prefix) for prefix in ("AKIA", "ASIA", "ABIA", "ACCA"))
    # The secret key has no shape of its own; beside the id, as in a CSV, it is taken with it.
    beside = r"(?:[\s,;:|\"'\\]{1,6}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
    return (
        shape(
            "aws_access_key",
            rf"(?:{aws})[A-Z0-9]{{16}}(?![A-Za-z0-9]){beside}",
            *("AKIA", "ASIA", "ABIA", "ACCA"),
            head=LITERAL,
            hint="A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}",
        ),
        shape(
            "azure",
            rf"[A-Za-z0-9_~.]{{3}}[0-9]Q~[{WORD_CHARS}~.]{{31,34}}(?![{WORD_CHARS}~.])",
            "Q~",
            hint=rf"[0-9]Q~[{WORD_CHARS}~.]{{31}}",
        ),
        shape(
            "azure",
            f"[A-Za-z0-9]{FIRST}"
            "(?:[A-Za-z0-9]{51}JQQJ99[A-Za-z0-9]{26}|[A-Za-z0-9]{41}AzSe[A-D][A-Za-z0-9]{5})",
            *("JQQJ99", "AzSe"),
            hint="[A-Za-z0-9]{42}(?:JQQJ99[A-Za-z0-9]{26}|AzSe[A-D][A-Za-z0-9]{5})",
        ),
    )


def _services() -> tuple[Rule, ...]:
    return (
        shape(
            "onepassword",
            at_start("A3-") + r"[A-Z0-9]{6}-[A-Z0-9]{5,6}-?[A-Z0-9]{5,6}(?:-[A-Z0-9]{5}){3}",
            "A3-",
            head=LITERAL,
            hint="A3-[A-Z0-9]{6}-[A-Z0-9]{5}",
        ),
        shape(
            "resend",
            at_start("re_") + "[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}",
            "re_",
            head=LITERAL,
            hint="re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20}",
            check=is_mixed,
        ),
        shape(
            "slack_webhook",
            r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<s>[\w+/-]{20,})",
            "hooks.slack",
        ),
        shape(
            "discord_webhook",
            r"discord(?:app)?\.com/api/webhooks/(?P<s>[0-9]{15,22}/[A-Za-z0-9_-]{40,})",
            "/api/webhooks/",
        ),
        shape(
            "teams_webhook",
            r"webhook\.office\.com/webhookb2/(?P<s>[A-Za-z0-9@/-]{60,})",
            "webhook.office.com",
        ),
        shape(
            "discord",
            f"[MNO]{FIRST}" + r"[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.-])",
            hint=r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}",
            head="[MNO][A-Za-z0-9_-]{2}",
            check=has_digits,
        ),
        shape(
            "telegram",
            f"[0-9]{FIRST}" + r"[0-9]{7,9}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
            ":AA",
            hint="[0-9]{8}:AA[A-Za-z0-9_-]{33}",
        ),
        shape(
            "sendgrid",
            at_start("SG.") + r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}",
            "SG.",
            head=LITERAL,
            hint=r"SG\.[A-Za-z0-9_-]{16}",
        ),
        shape(
            "mailchimp",
            f"[0-9a-f]{FIRST}" + r"[0-9a-f]{31}-us[0-9]{1,2}(?![A-Za-z0-9])",
            "-us",
            hint="[0-9a-f]{32}-us[0-9]",
        ),
        shape(
            "airtable",
            at_start("pat") + r"[A-Za-z0-9]{14}\.[0-9a-f]{64}",
            "pat",
            head=LITERAL,
            hint=r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
        ),
        shape(
            "authress",
            r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}"
            r"\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}",
            ".acc",
            hint=r"\.acc[_-][a-z0-9-]{10}",
        ),
        shape(
            "netrc",
            r"machine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+(?P<s>[^\s\"'\\]{1,256})",
            "machine",
            hint=r"machine\s+\S+\s+login\s",
            check=lambda match: unlike_words(match["s"]) > 0,
        ),
        shape(
            "asana",
            f"[0-9]{FIRST}" + r"/[0-9]{13,17}(?:/[0-9]{13,17})?:[0-9a-f]{32}(?![0-9a-f])",
            hint=r"/[0-9]{13,17}:[0-9a-f]{32}",
            head="[0-9]/[0-9]",
        ),
        shape(
            "sentry",
            r"://(?P<s>[0-9a-f]{32})(?::[0-9a-f]{32})?@[A-Za-z0-9.-]{1,100}/[0-9]",
            "://",
            hint=r"://[0-9a-f]{32}",
        ),
    )


def _files() -> tuple[Rule, ...]:
    return (
        Rule("private_key", "(?!)", ("PRIVATE KEY",), ("-----BEGIN",), scan=_private_keys),
        shape(
            "private_key",
            r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\\]{60,}",
            "LS0tLS1CRUdJTi",
            check=_is_wrapped_pem,
        ),
        shape("private_key", "b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]{40,}", "b3BlbnNzaC1rZXktdjE"),
        shape(
            "jwt",
            at_start("eyJ") + r"[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)*",
            "eyJ",
            head=LITERAL,
            hint=r"\.eyJ[A-Za-z0-9_-]{8}",
        ),
        shape(
            "jwt",  # an encrypted one has five parts, and only the first is JSON
            at_start("eyJ") + r"[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{16,}\.[\w-]{16,}",
            "eyJ",
            head=LITERAL,
            hint=r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8}",
        ),
    )


def _addresses() -> tuple[Rule, ...]:
    user = r"[^\s/?#\"'<>@\\`:]{0,128}"
    host = r"@(?=[A-Za-z0-9.\[{$<%-])"
    return (
        shape(
            "url_password",
            rf"://{user}:(?P<s>[^\s/?#\"'<>\\`]{{1,512}}){host}",
            "://",
            hint=r"://[^\s/:]*:[^\s/]+@",
            check=_is_no_mask,
        ),
        # Passwords of databases come unescaped, slashes and all.
        shape(
            "url_password",
            rf"://{user}:(?P<s>[^\s\"'<>\\`]{{1,512}}){host}",
            "://",
            hint=r"://[^\s/:]*:[^\s]+@",
            check=_is_of_database,
        ),
        shape(
            "url_password",
            r"://(?P<s>[A-Za-z0-9_-]{20,256})@(?=[A-Za-z0-9])",
            "://",
            hint=r"://[A-Za-z0-9_-]{20,}@",
            check=has_digits,
        ),
    )


def _schemes() -> tuple[Rule, ...]:
    gap = r"(?:\s|%20|\+){1,3}"
    user = r"[\"']?[^\s:\"']{1,128}"
    quote = r"\\{0,15}[\"']"
    pair = rf"\(\s?{quote}[^\"'\\]{{1,128}}{quote},\s?{quote}(?P<s>[^\"'\\]{{1,256}}){quote}\s?\)"
    return (
        Rule(
            "bearer",
            rf"bearer{gap}(?P<s>[{WORD_CHARS}.~+/=]{{16,}})",
            ("bearer",),
            (rf"bearer{gap}[{WORD_CHARS}.~+/=]{{16}}",),
            check=lambda match: unlike_words(match["s"]) > 0,
            ignore_case=True,
        ),
        Rule(
            "basic_auth",
            rf"basic{gap}(?P<s>[A-Za-z0-9+/_-]{{6,}}={{0,2}})",
            ("basic",),
            (rf"basic{gap}[A-Za-z0-9+/_-]{{6}}",),
            check=_is_user_and_password,
            ignore_case=True,
        ),
        shape(
            "basic_auth",
            rf"curl[^\n]{{0,200}}?\s(?:-u|--user)(?:\s|=)?\s?{user}:(?P<s>[^\s\"'\\]{{1,256}})",
            "curl",
            hint=r"curl[^\n]*\s(?:-u|--user)",
            check=_is_no_mask,
        ),
        shape("basic_auth", rf"auth\s?=\s?{pair}", "auth", hint=r"auth\s?=\s?\("),
    )


_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=:,.\s\-()\"'|>]|\\+[nrt\"'])*")


def _private_keys(text: str) -> Iterator[Span]:
    """PEM and PGP private keys, with real or escaped line ends, whole or cut off."""
    position = 0
    while begin := _PEM_BEGIN.search(text, position):
        limit = min(len(text), begin.end() + _PEM_MOST_CHARS)
        end = _PEM_END.search(text, begin.end(), limit)
        body = end or _PEM_BODY.match(text, begin.end(), limit)
        position = body.end() if body else begin.end()
        yield begin.start(), position, "private_key"


def _is_wrapped_pem(match: re.Match[str]) -> bool:
    """Whether base64 that starts like a PEM file is one of a private key."""
    head = match.group().replace("\\", "")[:80]
    return b"PRIVATE KEY" in base64.b64decode(head[: len(head) // 4 * 4])


def _is_user_and_password(match: re.Match[str]) -> bool:
    """Whether the base64 of `Basic …` holds a user and a password, not a word of prose."""
    value = match["s"].rstrip("=").translate(_URLSAFE)
    try:
        decoded = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii() and decoded.decode().isprintable()


def _is_no_mask(match: re.Match[str]) -> bool:
    return _MASK.fullmatch(match["s"]) is None


def _is_of_database(match: re.Match[str]) -> bool:
    scheme = match.string[max(0, match.start() - 32) : match.start()]
    return _DATABASE.search(scheme) is not None and _is_no_mask(match)
