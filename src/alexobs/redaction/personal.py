"""The rules for personal data: only what can be told with certainty by form and checksum.

Names, street addresses and IP addresses are left: no form tells them from other words and
numbers, and an address of a server is what one debugs with.
"""

from __future__ import annotations

import re

from alexobs.redaction.rules import EDGE, FIRST, Rule, shape

# Endings of files, which look like top-level domains after an @ ("icon@2x.png").
_FILE_ENDING_TABLE = """
png jpg jpeg gif svg webp ico bmp js ts jsx tsx mjs cjs css scss html json yaml yml toml lock txt
md tgz gz zip tar whl jar map local localhost internal service test
"""
_FILE_ENDINGS = frozenset(_FILE_ENDING_TABLE.split())
# Length of an IBAN by country, as registered with SWIFT.
_IBAN_TABLE = """
15 NO
16 BE
18 DK FI FK FO GL NL SD
19 MK SI
20 AT BA EE KZ LT LU MN XK
21 CH HR LI LV
22 BG BH CR DE GB GE IE ME RS VA
23 AE GI IL IQ OM SO TL
24 AD CZ ES MD PK RO SA SE SK TN VG
25 LY PT ST
26 IS TR
27 BI DJ FR GR IT MC MR SM
28 AL AZ BY CY DO GT HU LB NI PL SV
29 BR EG PS QA UA
30 JO KW MU YE
31 MT SC
32 LC
33 RU
"""
_IBAN_LENGTHS = {
    country: int(length)
    for length, *countries in (line.split() for line in _IBAN_TABLE.splitlines() if line)
    for country in countries
}
# First digits, from and to, and the lengths that the scheme issues.
_CARD_TABLE = """
34 34 15
37 37 15
4 4 13 16 19
51 55 16
2200 2204 16
2221 2720 16
300 305 14
36 36 14
38 39 14
3528 3589 16
6011 6011 16 19
62 62 16 17 18 19
644 659 16 19
"""
_CARDS = [
    (low, high, {int(length) for length in lengths})
    for low, high, *lengths in (line.split() for line in _CARD_TABLE.splitlines() if line)
]


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the checksum of the others, by Luhn's rule (ISO/IEC 7812-1)."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def passes_mod97(iban: str) -> bool:
    """Whether an IBAN without spaces carries the right check digits (ISO 7064, MOD 97-10)."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _is_card(match: re.Match[str]) -> bool:
    digits = re.sub(r"[ -]", "", match.group())
    if len(set(digits)) < 2 or not passes_luhn(digits):
        return False
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _CARDS
    )


def _is_iban(match: re.Match[str]) -> bool:
    plain = match.group().replace(" ", "")
    return _IBAN_LENGTHS.get(plain[:2]) == len(plain) and passes_mod97(plain)


def _is_email(match: re.Match[str]) -> bool:
    local, _, domain = match.group().rpartition("@")
    if local in {"git", "hg", "svn"} or domain.rpartition(".")[2].lower() in _FILE_ENDINGS:
        return False
    # user@host in a URL is a login, and "pkg@1.0.0-beta.rc" is a version
    is_login = match.string[: match.start()].endswith("//")
    return not is_login and re.match(r"\d+\.\d", domain) is None


def _is_phone(match: re.Match[str]) -> bool:
    digits = sum(char.isdigit() for char in match.group())
    return 10 <= digits <= 15


def personal_rules() -> tuple[Rule, ...]:
    """All rules for personal data."""
    return (_email_rule(), _card_rule(), _iban_rule(), _ssn_rule(), *_phone_rules())


def _email_rule() -> Rule:
    local = "[A-Za-z0-9._%+-]"
    label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return shape(
        "email",
        rf"(?<!{local}){local}{{1,64}}@(?:{label}\.){{1,6}}[A-Za-z]{{2,18}}(?![A-Za-z0-9@-])",
        "@",
        hint=rf"{local}@[A-Za-z0-9-]+\.[A-Za-z0-9]",
        check=_is_email,
    )


def _card_rule() -> Rule:
    fours = r"[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}"
    amex = r"[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}"
    return shape(
        "payment_card",
        rf"[2-6]{FIRST}(?:[0-9]{{12,18}}|{fours}|{amex})(?![A-Za-z0-9_+/=]|[-.][0-9])",
        hint=EDGE + "(?:[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?|3[0-9]{3}[ -]?[0-9]{6}[ -]?)[0-9]{2}",
        head="[2-6][0-9]{2}",
        check=_is_card,
    )


def _iban_rule() -> Rule:
    return shape(
        "iban",
        f"[A-Z]{FIRST}"
        "[A-Z][0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"
        r"(?![\w+/=-])",
        hint=EDGE + "[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
        head="[A-Z]{2}[0-9]",
        check=_is_iban,
    )


def _ssn_rule() -> Rule:
    number = "[0-9]{2}-(?<!000-)(?<!666-)(?!00)[0-9]{2}-(?!0000)[0-9]{4}"
    return shape(
        "us_ssn",
        rf"[0-8]{FIRST}{number}(?![\w-]|\.[0-9])",
        hint=EDGE + "[0-9]{3}-[0-9]{2}-[0-9]{4}",
        head="[0-8][0-9]{2}",
    )


def _phone_rules() -> tuple[Rule, ...]:
    """Numbers with a country code and gaps, and North American ones with their brackets."""
    area = r"(?:\([0-9]{1,4}\)[ .-]?)?"
    world = rf"\+{FIRST}[1-9][0-9]{{0,2}}[ .-]{area}[0-9]{{2,8}}(?:[ .-][0-9]{{2,8}}){{1,4}}"
    america = rf"\({FIRST}[2-9][0-9]{{2}}\) ?[2-9][0-9]{{2}}[-. ][0-9]{{4}}"
    return (
        shape(
            "phone",
            rf"{world}(?![A-Za-z0-9_]|[-.][0-9])",
            hint=r"\+[1-9][0-9]{0,2}[ .-][0-9(]",
            head=r"\+[1-9][0-9 .-]",
            check=_is_phone,
        ),
        shape(
            "phone",
            rf"{america}(?![\w-])",
            hint=r"\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}",
            head=r"\([2-9][0-9]",
        ),
    )
