"""Secrets that never were: made at run time from the shapes of real ones, and their look-alikes.

For tests that send secrets in at one end and look for them at the other. Nothing in this file is a
secret or resembles one; a seed gives the same ones again.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTERS = string.ascii_letters
_ALPHABETS = {
    "a": _LETTERS + string.digits,
    "w": _LETTERS + string.digits + "_-",
    "b": _LETTERS + string.digits + "+/",
    "u": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "h": "0123456789abcdef",
    "d": string.digits,
    "L": _LETTERS,
    "2": string.ascii_uppercase + "234567",
}
# Rule, and its shape: {a20} stands for twenty characters of the alphabet "a" above.
_SHAPES = """
anthropic          sk-ant-api03-{w93}AA
anthropic          sk-ant-admin01-{w93}AA
anthropic          sk-ant-oat01-{w86}
openai             sk-{a20}T3Blbk{a22}
openai             sk-proj-{w74}T3Blbk{w74}
openai             sk-svcacct-{w120}
openai             sk-admin-{w120}
openai             sk-{h32}
openrouter         sk-or-v1-{h64}
langfuse           sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}
langfuse           pk-lf-{h8}-{h4}-{h4}-{h4}-{h12}
google_api_key     AIza{w35}
google_api_key     AQ.Ab{w48}
minimax            sk-api-{w60}
runpod             rpa_{u42}
together           tgp_v1_{w43}
scalingo           tk-us-{w48}
yandex             AQVN{w36}
yandex             t1.{w80}.{w86}
netlify            nfp_{a36}
vault              s.{a24}
sonar              squ_{h40}
endor              endr+{a16}
harness            pat.{w22}.{h24}.{a20}
clickup            pk_{d8}_{u32}
astra              AstraCS:{a24}:{h64}
defined            dnkey-{l26}-{l52}
dropbox            sl.u.{w135}
gocardless         live_{w40}
settlemint         sm_pat_{a16}
telnyx             KEY01{u30}_{a22}
authress           sc_{l8}.{l5}.acc_{l10}.{a40}
huggingface        hf_{L34}
replicate          r8_{a37}
groq               gsk_{a52}
xai                xai-{a80}
perplexity         pplx-{a48}
langsmith          lsv2_pt_{h32}_{h10}
pinecone           pcsk_{a6}_{a63}
fireworks          fw_{a22}
tavily             tvly-dev-{a32}
nvidia             nvapi-{w64}
cerebras           csk-{l48}
voyage             pa-{w43}
jina               jina_{a60}
e2b                e2b_{h40}
logfire            pylf_v1_us_{a43}
aws_access_key     AKIA{u16}
aws_access_key     ASIA{u16}
aws_session_token  IQoJb3JpZ2lu{b200}
aws_bedrock        ABSK{b109}
azure              {a3}8Q~{w34}
azure              {a52}JQQJ99{a26}
google_oauth       ya29.{w120}
google_oauth       GOCSPX-{w28}
google_oauth       1//0{w60}
digitalocean       dop_v1_{h64}
databricks         dapi{h32}
alibaba            LTAI{a20}
heroku             HRKU-AA{w58}
fly                fm2_{b120}
supabase           sbp_{h40}
planetscale        pscale_tkn_{w43}
github             ghp_{a36}
github             gho_{a36}
github             ghs_{a36}
github             ghr_{a36}
github             github_pat_{a22}_{a59}
gitlab             glpat-{w20}
gitlab             gldt-{w20}
gitlab             GR1348941{w20}
bitbucket          ATBB{a32}
atlassian          ATATT3xFf{w180}
npm                npm_{a36}
pypi               pypi-AgEIcHlwaS5vcmc{w70}
rubygems           rubygems_{h48}
docker             dckr_pat_{w27}
artifactory        AKCp{a69}
terraform          atlasv1.{w64}
vault              hvs.{w95}
doppler            dp.pt.{a43}
pulumi             pul-{h40}
sourcegraph        sgp_{h40}
onepassword        A3-{u6}-{u6}-{u5}-{u5}-{u5}-{u5}
age                AGE-SECRET-KEY-1{u58}
slack              xoxb-{d12}-{d12}-{a24}
slack              xoxp-{d12}-{d12}-{d12}-{h32}
slack              xapp-1-{u11}-{d13}-{h64}
slack_webhook      https://hooks.slack.com/services/T{u10}/B{u10}/{a24}
discord_webhook    https://discord.com/api/webhooks/{d18}/{w68}
discord            M{w23}.{w6}.{w38}
telegram           {d9}:AA{w33}
stripe             sk_live_{a24}
stripe             rk_test_{a24}
stripe_webhook     whsec_{a32}
twilio             SK{h32}
sendgrid           SG.{w22}.{w43}
mailgun            key-{h32}
mailchimp          {h32}-us12
brevo              xkeysib-{h64}-{a16}
resend             re_{a8}_{a24}
shopify            shpat_{h32}
square             sq0atp-{w22}
facebook           EAAC{a100}
linear             lin_api_{a40}
notion             ntn_{d11}{a35}
airtable           pat{a14}.{h64}
asana              1/{d16}:{h32}
figma              figd_{w40}
postman            PMAK-{h24}-{h34}
dynatrace          dt0c01.{u24}.{u64}
newrelic           NRAK-{u27}
grafana            glsa_{a32}_{h8}
grafana            glc_{b60}
sentry             https://{h32}@o1234.ingest.example.io/567
sentry             sntryu_{h64}
posthog            phx_{a43}
easypost           EZAK{a54}
jwt                eyJhbGciOiJIUzI1NiJ9.eyJ{w80}.{w43}
private_key        -----BEGIN RSA PRIVATE KEY-----\\n{b64}\\n{b64}\\n-----END RSA PRIVATE KEY-----
private_key        -----BEGIN OPENSSH PRIVATE KEY-----\\n{b64}\\n-----END OPENSSH PRIVATE KEY-----
url_password       postgresql://agent:{a16}@db.example.net:5432/agents
url_password       redis://:{a24}@cache:6379/0
url_password       https://bob:{a12}@git.example.net/repo.git
bearer             Authorization: Bearer {a40}
"""
# A secret without a shape, by what names it; {} is the secret.
_NAMED = """
api_key            MISTRAL_API_KEY={}
api_key            export COHERE_API_KEY="{}"
api_key            x-api-key: {}
api_key            {"api_key": "{}", "n": 1}
api_key            client = Client(api_key='{}')
api_key            https://api.example.net/v1?api_key={}&page=2
api_key            --api-key {}
api_key            aws_secret_access_key = {}
api_key            os.environ["OPENAI_API_KEY"] = "{}"
api_key            AccountName=x;AccountKey={};EndpointSuffix=y
password           password={}
password           {'user': 'bob', 'password': '{}'}
password           {"arguments": "{\\"password\\": \\"{}\\"}"}
password           PGPASSWORD={} psql -h db
password           <password>{}</password>
password           mysql --password={} -u root
password           Config(host='db', password='{}', port=1)
password           the password is {}
password           ALTER USER bob WITH PASSWORD '{}'
password           db.password: {}
token              {"access_token": "{}", "token_type": "bearer", "expires_in": 3600}
token              refresh_token={}
token              {"headers": [["X-Auth-Token", "{}"]]}
token              X-CSRF-Token: {}
secret             client_secret={}&grant_type=x
secret             {"name": "client-secret", "value": "{}"}
cookie             Cookie: session={}; theme=dark
cookie             Set-Cookie: sid={}; HttpOnly
authorization      Authorization: {}
authorization      ('authorization', 'Token {}')
signature          https://x.example.net/f?X-Amz-Signature={}
connection_string  dsn="host=db {} x"
netrc              machine x.example.net login bob password {}
password           secret_key_base: {}
basic_auth         curl -u bob:{} https://x.example.net
basic_auth         requests.get(url, auth=("bob", "{}"))
"""
_FRAMES: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "sentence": lambda text: f"Use {text} for now.",
    "json": lambda text: json.dumps({"role": "user", "content": f"see\n{text}\n"}),
    "json in json": lambda text: json.dumps({"arguments": json.dumps({"x": f"a\n{text}"})}),
    "repr": lambda text: repr({"a": [text, 1]}),
    "exception": lambda text: f'Traceback:\n  File "x.py", line 1\nValueError: bad {text!r}',
    "log": lambda text: f"level=info msg=sent value={text} n=1",
    "colour": lambda text: f"\x1b[31m{text}\x1b[0m",
    "other script": lambda text: f"Schlüssel「{text}」、终",
    "long": lambda text: "word " * 400 + text + " word" * 400,
}


class Sample(NamedTuple):
    """A text with a secret in it.

    Attributes:
        rule: what the redactor calls a secret of this shape when it stands alone.
        text: the secret and what stands around it.
        secret: what must not come out anywhere.
    """

    rule: str
    text: str
    secret: str


def secret_samples(seed: int = 0) -> list[Sample]:
    """Each kind of secret in each frame: alone, in JSON, in an exception and more.

    Args:
        seed: other secrets for another seed, the same ones for the same.
    """
    # not for keeping secrets: for making them up
    rng = random.Random(seed)  # noqa: S311
    samples = [sample for line in _lines(_SHAPES) for sample in _shaped(rng, *line)]
    samples += [sample for line in _lines(_NAMED) for sample in _named(rng, *line)]
    return samples + _basic(rng)


def personal_samples(seed: int = 0) -> list[Sample]:
    """Personal data, as `secret_samples` gives secrets: found when `personal_data` is on."""
    rng = random.Random(seed)  # noqa: S311 - see above
    texts = (
        ("email", f"{_fill(rng, '{l8}')}.{_fill(rng, '{l5}')}@mail.example.org"),
        ("payment_card", _card(rng, "4", 16)),
        ("payment_card", _card(rng, "51", 16, " ")),
        ("payment_card", _card(rng, "37", 15)),
        ("payment_card", _card(rng, "6011", 16, "-")),
        ("iban", _iban(rng, "DE", 18)),
        ("iban", _iban(rng, "NL", 14, "ABNA")),
        ("us_ssn", f"{rng.randint(100, 599)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"),
        ("phone", f"+49 {rng.randint(100, 999)} {rng.randint(1000000, 9999999)}"),
        ("phone", f"({rng.randint(201, 899)}) {rng.randint(201, 899)}-{rng.randint(1000, 9999)}"),
    )
    return [Sample(rule, frame(text), text) for rule, text in texts for frame in _FRAMES.values()]


def innocent_samples(seed: int = 0) -> list[str]:
    """Texts that look like secrets and are none; they must come out whole."""
    rng = random.Random(seed)  # noqa: S311 - see above
    made = [_fill(rng, text) for text in _INNOCENT.strip().splitlines()]
    image = base64.b64encode(rng.randbytes(60_000)).decode()
    made += [
        str(uuid.UUID(int=rng.getrandbits(128))),
        f"data:image/png;base64,{image}",
        json.dumps({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}}),
        json.dumps({"usage": {"total_tokens": rng.randint(1, 9999), "max_tokens": 100}}),
        json.dumps({"token": " the", "logprob": -0.25, "bytes": [32, 116]}),
        json.dumps({"properties": {"password": {"type": "string", "description": "A password"}}}),
        f"traceparent: 00-{_fill(rng, '{h32}')}-{_fill(rng, '{h16}')}-01",
        _card(rng, "4", 16)[:-1] + "x",
    ]
    return made


_INNOCENT = """
{"max_tokens": 100, "token_count": 12, "input_tokens": 3}
max_tokens=100 token_count=12 total_tokens: 15
t1.column = t2.column, live_chat_message_handler_for_the_user_1
machine learning login page password reset
sm_pat_matching_engine, pk_order_line_items_customer_idx, s.replaceAllOccurrencesOf2(x)
commit {h40}
sha256:{h64}
etag: "{h32}"
trace_id={h32} span_id={h16}
request_id: req_{a24}
chatcmpl-{a29}
msg_{a24} toolu_{a24} call_{a24}
def get_token(self) -> str:
token = tokens[0]
token = self.tokenizer.next_token()
if token == "EOF": return None
password = getpass.getpass("Password: ")
def connect(user: str, password: str | None = None) -> None:
client = Client(api_key=settings.api_key, token=token)
api_key: ${API_KEY}
api_key={{ api_key }}
password: required
the password is required for all users
secret: of success
The secret to this recipe is patience
Please enter your password and press return.
authorization: required
401 Unauthorized: bearer authentication is needed
basic programming skills
task-abcdefghijklmnopqrstuvwxyz-{d20}
risk-averse and desk-bound
sk-learn, sk-estimator-id-1
primary_key=user_id cache_key=models:list sort_key=3
key = lambda row: row[0]
{"key": "value", "keys": ["a", "b"]}
session_id=sess_{a16}
next_page_token={w40}
{"token_type": "bearer", "expires_in": 3600}
signature: (self, text: str) -> None
author: someone, authority=local
user@host and git@github.com:owner/repo.git
@scope/package@1.2.3 and react@18.2.0-beta.1
icon@2x.png
/usr/lib/python3.11/site-packages/secrets/token.py:12
https://example.org/login?next=/home&page=2
https://user@example.org/path
2024-05-06T07:08:09.123456789Z 17{d17}
1{d15} is not a card, nor is 0.4{d15}
12.34.56.78 and fe80::1
order 123-456-7890-12 part 12-3456-78
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
AKIA is how such ids begin, and ghp_ is how others do
sk-... and sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
Bearer ${TOKEN}
Cookie: none
passwords: 3, tokens: 5
print(f"token: {token}")
[redacted:password] and password=[redacted:password]
"""


def _lines(table: str) -> list[tuple[str, str]]:
    rows = (line.split(maxsplit=1) for line in table.strip().splitlines())
    return [(rule, text) for rule, text in rows]


def _fill(rng: random.Random, shape: str) -> str:
    def characters(match: re.Match[str]) -> str:
        return "".join(rng.choices(_ALPHABETS[match[1]], k=int(match[2])))

    return re.sub(r"\{([abdhluwL2])(\d+)\}", characters, shape)


def _shaped(rng: random.Random, rule: str, shape: str) -> list[Sample]:
    samples = []
    for frame in _FRAMES.values():
        text = _fill(rng, shape.replace("\\n", "\n"))
        # the fixed text around it may stay; the longest run that was filled in may not
        secret = max(_runs(shape, text), key=len)
        samples.append(Sample(rule, frame(text), secret))
    return samples


def _runs(shape: str, text: str) -> list[str]:
    """What the placeholders of a shape were filled with."""
    parts = re.split(r"\{([abdhluwL2])(\d+)\}", shape.replace("\\n", "\n"))
    runs, position = [], 0
    for fixed, _, length in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        position += len(fixed)
        runs.append(text[position : position + int(length)])
        position += int(length)
    return runs


def _named(rng: random.Random, rule: str, form: str) -> list[Sample]:
    samples = []
    for name in ("alone", "json", "json in json", "repr", "exception", "long"):
        secret = _fill(rng, "{a12}7{a27}")
        samples.append(Sample(rule, _FRAMES[name](form.replace("{}", secret)), secret))
    return samples


def _basic(rng: random.Random) -> list[Sample]:
    value = base64.b64encode(f"bob:{_fill(rng, '{a16}')}".encode()).decode()
    return [
        Sample("basic_auth", frame(f"Authorization: Basic {value}"), value.rstrip("="))
        for frame in _FRAMES.values()
    ]


def _card(rng: random.Random, prefix: str, length: int, gap: str = "") -> str:
    body = prefix + _fill(rng, f"{{d{length - len(prefix) - 1}}}")
    total = 0
    for position, char in enumerate(reversed(body)):
        value = int(char) * (1 if position % 2 else 2)
        total += value - 9 if value > 9 else value
    digits = body + str(-total % 10)
    return gap.join(digits[i : i + 4] for i in range(0, length, 4)) if gap else digits


def _iban(rng: random.Random, country: str, digits: int, bank: str = "") -> str:
    account = bank + _fill(rng, f"{{d{digits - len(bank)}}}")
    number = int("".join(str(int(char, 36)) for char in account + country + "00"))
    return f"{country}{98 - number % 97:02}{account}"
