"""What becomes of one text: where a value ends, and what is no value."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from alexobs.testing.secrets import secret_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexobs.redaction import Redactor

# A text, and below it what becomes of it; <<rule>> stands for a marker.
CHANGED = r"""
password=hunter2
    password=<<password>>
password=hunter2&user=bob
    password=<<password>>&user=bob
PASSWORD=correct,horse battery
    PASSWORD=<<password>> battery
f(password=hunter2, user=bob)
    f(password=<<password>>, user=bob)
password: correcthorse
    password: <<password>>
  - db_password: correcthorse
      - db_password: <<password>>
my password is hunter2 ok
    my password is <<password>> ok
password: 1234
    password: <<password>>
{"password": "a \"b\" c", "x": 1}
    {"password": "<<password>>", "x": 1}
{\"password\": \"a\\\"b\", \"x\": 1}
    {\"password\": \"<<password>>\", \"x\": 1}
{'password': 'it\'s', 'x': 1}
    {'password': '<<password>>', 'x': 1}
{b'password': b'hunter2'}
    {b'password': b'<<password>>'}
{"password": "cut off here
    {"password": "<<password>>
password: str = "hunter2"
    password: str = "<<password>>"
password: str | None = "hunter2"
    password: str | None = "<<password>>"
password := "hunter2"
    password := "<<password>>"
if password == "hunter2":
    if password == "<<password>>":
mysql -u root --password hunter2 db
    mysql -u root --password <<password>> db
x\npassword=hunter2\ny
    x\npassword=<<password>>\ny
?a=1\u0026token=abc1\u0026b=2
    ?a=1\u0026token=<<token>>\u0026b=2
a%3D1%26token%3Dabc1
    a%3D1%26token%3D<<token>>
Cookie: a=b; c=d
    Cookie: <<cookie>>
curl -H 'Cookie: a=b; c=d' x
    curl -H 'Cookie: <<cookie>>' x
Authorization: Digest username="bob", response="1"
    Authorization: Digest <<authorization>>
authorization=s3cr3tvalue
    authorization=<<authorization>>
"credentials": {"user": "bob", "pins": [1, "z"]}
    "credentials": {"user": "<<credential>>", "pins": [1, "<<credential>>"]}
<password>hunter two</password>
    <password><<password>></password>
token=abc
    token=<<token>>
api key: abc123def
    api key: <<api_key>>
mongodb://u:p/w@h@host/db
    mongodb://u:<<url_password>>@host/db
https://u:p@host/x
    https://u:<<url_password>>@host/x
mail bob.smith+x@mail.example.org now
    mail <<email>> now
"""
UNCHANGED = r"""
token=5
token: 3.5
token = tokens[0]
token = make_token(5)
token: Token
token=token, password=self.password
password=None api_key=null
self.passwd = password_mgr
hide_cookie2 = hide_cookie2
credentials = '{0}:{1}'.format(user, passwd)
authorization=_basic(parts.username)
authorization = base64.decodebytes(data)
password: "${DB_PASSWORD}"
password: "********"
secret: of success
secret: /run/secrets/db
the secret is out
the password was changed
"password", "username"
required = ["password", "token"]
{"password": {"type": "string"}}
{"token": " the", "logprob": -0.1}
{"max_tokens": 5, "stop_token": "</s>"}
use the --token flag
signature: def f(a, b)
https://host:8080/path@v2
https://{user}:{password}@host
git clone git@github.com:owner/repo.git
left@3.5.1 and react@18.2.0-beta.rc
[redacted:password] [redacted:some_other_rule]
password=[redacted:password]
"""


def _changes() -> list[tuple[str, str]]:
    lines = CHANGED.strip("\n").splitlines()
    return [
        (before, after[4:].replace("<<", "[redacted:").replace(">>", "]"))
        for before, after in zip(lines[::2], lines[1::2], strict=True)
    ]


@pytest.mark.parametrize(("before", "after"), _changes())
def test_values_beside_secret_names_go_and_nothing_else(
    before: str, after: str, redactor: Redactor
) -> None:
    assert redactor.text(before) == after


@pytest.mark.parametrize("text", UNCHANGED.strip("\n").splitlines())
def test_names_types_code_and_prose_stay(text: str, redactor: Redactor) -> None:
    assert redactor.text(text) == text


def test_a_private_key_goes_from_begin_to_end_and_when_cut_off(redactor: Redactor) -> None:
    begin, end = (f"-----{word} EC PRIVATE KEY-----" for word in ("BEGIN", "END"))
    assert redactor.text(f"a\n{begin}\nMHcC\n+/=\n{end}\nb") == "a\n[redacted:private_key]\nb"
    assert (
        redactor.text(f'{{"k": "{begin}\\nMHcC\\n{end}\\n"}}')
        == '{"k": "[redacted:private_key]\\n"}'
    )
    assert redactor.text(f"{begin}\nMHcC\n+/=") == "[redacted:private_key]"
    certificate = begin.replace("EC PRIVATE KEY", "CERTIFICATE")
    assert redactor.text(certificate) == certificate


def test_a_secret_within_a_forged_marker_goes(redactor: Redactor) -> None:
    sample = next(sample for sample in secret_samples(5) if sample.rule == "anthropic")
    assert sample.secret not in redactor.text(f"[redacted:{sample.text}]")


def test_lone_surrogates_and_nul_survive(redactor: Redactor) -> None:
    assert redactor.text("\ud800\x00 password=hunter2 \udfff") == (
        "\ud800\x00 password=[redacted:password] \udfff"
    )
    whole = "\ud800 nothing \x00 \udfff"
    assert redactor.text(whole) is whole


@pytest.mark.parametrize(
    "text",
    [
        "sk-" * 30_000,
        "ask-" * 25_000,
        "password=" * 10_000,
        'password="' * 10_000,
        'password=\\"' * 10_000,
        '"password": ' + "[" * 100_000,
        "a" * 200_000 + "@" + "a." * 25_000,
        "a@" * 100_000,
        "://" + "a" * 200_000,
        "://a:" * 40_000,
        "1-" * 100_000,
        "4 4 " * 25_000,
        "eyJ" * 60_000,
        "eyJaaaaaaaaaa." * 15_000,
        "-----BEGIN PRIVATE KEY-----" * 7_000,
        "curl -u " * 25_000,
        "bearer " * 15_000,
        "auth=(" * 30_000,
        "token: " + "a|" * 100_000,
        "key_" * 25_000 + "=",
        "\\" * 200_000 + '"password": "',
        "Cookie: " + "a" * 200_000,
        "<password>" * 10_000,
        "+1 " * 60_000,
        "AB12 " * 40_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_more_than_linear_time(text: str, redactor: Redactor) -> None:
    began = time.process_time()
    redactor.text(text)
    # 100 KB take some ten milliseconds; what is quadratic takes minutes
    assert time.process_time() - began < 5


def test_rules_of_the_user(configured: Callable[..., Redactor]) -> None:
    redactor = configured(patterns={"Employee ID": r"\bE-(?P<s>\d{4})\b", "codename": "bluebird"})
    assert (
        redactor.text("E-1234 bluebird E-12") == "E-[redacted:employee_id] [redacted:codename] E-12"
    )
    assert redactor.batch([{"a": "bluebird"}]) == [{"a": "[redacted:codename]"}]


def test_personal_data_can_be_left(configured: Callable[..., Redactor]) -> None:
    text = "mail bob@mail.example.org, password=hunter2"
    assert configured(personal_data=False).text(text) == (
        "mail bob@mail.example.org, password=[redacted:password]"
    )


def test_disabled_means_untouched(configured: Callable[..., Redactor]) -> None:
    redactor = configured(enabled=False)
    value = {"password": "hunter2"}
    assert redactor.value(value) is value
    assert redactor.fields(value) is value
    assert redactor.batch([value])[0] is value
    assert redactor.text("password=hunter2") == "password=hunter2"
    assert redactor.texts(["password=hunter2"]) == ["password=hunter2"]
