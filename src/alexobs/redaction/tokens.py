"""Tokens that begin with a prefix of their issuer: a table, one rule a line.

Rule, prefixes, length of what follows (``40``: at least; ``35=``: exactly; ``22-40``: between),
and which characters that is made of. Coverage follows the public rule sets (gitleaks,
detect-secrets, trufflehog) and the issuers' documentation. Where a prefix is a common word, a last
column asks for more: ``digits`` for two digits, ``mixed`` for digits and both cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alexobs.redaction.judge import unlike_words
from alexobs.redaction.rules import WORD_CHARS, Check, Rule, token

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

_TABLE = """
# models
anthropic          sk-ant-                                        16      word
openai             sk-proj- sk-svcacct- sk-admin- sk-None-        20      word
openrouter         sk-or-                                         20      word
langfuse           sk-lf- pk-lf-                                  20      word
openai             sk-                                            20      alnum
minimax            sk-api-                                        40      word
google_api_key     AIza                                           35=     word
google_api_key     AQ.Ab                                          40      word    mixed
huggingface        hf_ api_org_                                   30      alnum
replicate          r8_                                            30      alnum
groq               gsk_                                           40      alnum
xai                xai-                                           40      alnum
perplexity         pplx-                                          32      alnum
langsmith          lsv2_pt_ lsv2_sk_ ls__                         30      word
pinecone           pcsk_                                          30      word
fireworks          fw_                                            22-40   alnum   digits
tavily             tvly-                                          20      word
nvidia             nvapi-                                         40      word
cerebras           csk-                                           40      alnum
voyage             pa-                                            43=     word    mixed
jina               jina_                                          40      word
runpod             rpa_                                           40      alnum   digits
together           tgp_v1_                                        40      word
firecrawl          fc-                                            32=     hex
elevenlabs         sk_                                            48=     hex
e2b                e2b_                                           40=     hex
wandb              wandb_v1_                                      30      word
composio           ak_                                            20-24   alnum   digits
logfire            pylf_v                                         30      word

# clouds
aws_session_token  IQoJb3JpZ2lu FwoGZXIvYXdz                      60      base64
aws_bedrock        ABSK                                           100     base64
aws_bedrock        bedrock-api-key-                               30      base64
google_oauth       ya29.                                          20      dotted
google_oauth       GOCSPX-                                        20      word
google_oauth       1//0                                           30      word
digitalocean       dop_v1_ doo_v1_ dor_v1_                        64      hex
databricks         dapi                                           32=     hex
alibaba            LTAI                                           12-26   alnum
tencent            AKID                                           32-36   alnum
heroku             HRKU-                                          36      word
fly                fm1r_ fm1a_ fm2_                               60      base64
fly                fo1_                                           40      word
supabase           sbp_ sb_secret_                                20      snake
vercel             vcp_ vci_ vca_ vcr_ vck_ vercel_blob_rw_       24      word
cloudflare         v1.0-                                          100     hexdash
planetscale        pscale_tkn_ pscale_pw_ pscale_oauth_           32      dotted
neon               napi_ npg_                                     12      alnum   digits
render             rnd_                                           24      alnum   digits
scaleway           SCW                                            17=     upper
scalingo           tk-us-                                         48=     word
yandex             AQVN                                           35-38   word    mixed
yandex             t1.                                            120     dotted  mixed
netlify            nfp_ nfc_ nfo_ nfb_ nfu_                       36      alnum
aiven              AVNS_                                          15      word
ibm_cloud          ApiKey-                                        30      word

# code and packages
github             ghp_ gho_ ghu_ ghs_ ghr_                       30      alnum
github             github_pat_                                    30      snake
gitlab             glpat- gldt- glft- glrt- glptt- glsoat-        20      dotted
gitlab             glimt- gloas- glagent- glcbt- glffct- glwt-    20      dotted
gitlab             GR1348941                                      20      word
bitbucket          ATBB                                           28-32   alnum   digits
atlassian          ATATT3 ATCTT3                                  40      base64url
npm                npm_                                           36      alnum
pypi               pypi-AgE                                       30      word
rubygems           rubygems_                                      48      hex
crates             cio                                            32=     alnum   mixed
nuget              oy2                                            43=     lower   digits
clojars            CLOJARS_                                       50      lower
docker             dckr_pat_ dckr_oat_                            20      word
artifactory        AKCp                                           60-80   alnum
artifactory        cmVmd                                          59=     alnum
terraform          atlasv1.                                       60      word
vault              hvs. hvb. hvr.                                 24      word
vault              s.                                             24=     alnum   mixed
doppler            dp.pt. dp.ct. dp.sa. dp.scim. dp.audit.        40      alnum
doppler            dp.st.                                         40      dotted
pulumi             pul-                                           40      hex
sourcegraph        sgp_                                           40      snake
sonar              squ_ sqp_ sqa_                                 40=     hex
endor              endr+                                          16      alnum
harness            pat. sat.                                      68=     dotted  digits
circleci           CCIPAT_ CCIPRJ_                                30      snake
buildkite          bkua_ bkaa_                                    40      hex
onepassword        ops_eyJ                                        100     base64
age                AGE-SECRET-KEY-1                               40      upper
openshift          sha256~                                        43=     word

# services
slack              xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe-      16      loose
slack              xoxc- xoxd- xoxe.xox xapp-                     16      loose
stripe             sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_   10      alnum
stripe             rk_prod_                                       10      alnum
stripe_webhook     whsec_                                         24      base64
twilio             SK                                             32=     hex
mailgun            key- pubkey-                                   32=     hex
brevo              xkeysib- xsmtpsib-                             64      word
shopify            shpat_ shpca_ shppa_ shpss_                    32      anyhex
square             sq0atp- sq0csp- EAAAE                          22      word
facebook           EAAC EAAM EAAG                                 80      alnum
paypal             access_token$production$ access_token$sandbox$ 16      dollar
linear             lin_api_ lin_oauth_                            32      alnum
clickup            pk_                                            38-44   upsnake digits
astra              AstraCS:                                       80      colon
defined            dnkey-                                         79=     word    digits
dropbox            sl.u. sl.                                      120     word    mixed
gocardless         live_                                          40=     word    mixed
settlemint         sm_aat_ sm_pat_ sm_sat_                        16=     alnum
telnyx             KEY0                                           50      snake   mixed
notion             ntn_                                           40      alnum
notion             secret_                                        43=     alnum
figma              figd_                                          30      word
postman            PMAK-                                          50      hexdash
dynatrace          dt0c01. dt0s01.                                60      dotted
newrelic           NRAK- NRJS- NRRA- NRII- NRIQ-                  20      word
grafana            glsa_                                          32      snake
grafana            glc_ eyJrIjoi                                  32      base64
sentry             sntrys_ sntryu_                                40      base64
posthog            phx_ phs_                                      30      alnum
launchdarkly       sdk-                                           36=     hexdash
hubspot            pat-na1- pat-eu1-                              36=     hexdash
mapbox             sk.eyJ                                         40      dotted
easypost           EZAK EZTK                                      50      alnum
shippo             shippo_live_ shippo_test_                      40      hex
flutterwave        FLWSECK- FLWSECK_TEST-                         12      word
duffel             duffel_test_ duffel_live_                      40      base64url
frameio            fio-u-                                         60      base64url
readme             rdme_                                          60      lower
prefect            pnu_ pnb_                                      36      alnum
infracost          ico-                                           32=     alnum
intra42            s-s4t2ud- s-s4t2af-                            64      hex
adobe              p8e-                                           32=     alnum
octopus            API-                                           25-26   upper
typeform           tfp_                                           40      dotted
contentful         CFPAT-                                         40      word
clickhouse         4b1d                                           38=     alnum   mixed
maxmind            mmk_                                           20      word
"""
_CHARS = {
    "word": WORD_CHARS,
    "alnum": "A-Za-z0-9",
    "snake": "A-Za-z0-9_",
    "lower": "a-z0-9",
    "upper": "A-Z0-9",
    "upsnake": "A-Z0-9_",
    "colon": "A-Za-z0-9:",
    "hex": "0-9a-f",
    "anyhex": "0-9A-Fa-f",
    "hexdash": "-0-9a-f",
    "base64": "-A-Za-z0-9+/=_",
    "base64url": WORD_CHARS + "=",
    "dotted": WORD_CHARS + ".=",
    "dollar": "A-Za-z0-9$",
    "loose": WORD_CHARS + ".%+/",
}


def token_rules() -> tuple[Rule, ...]:
    """The rules of the table; those with the longer prefix stand first."""
    lines = (line.split() for line in _TABLE.splitlines())
    return tuple(_rule(cells) for cells in lines if cells and cells[0] != "#")


def _rule(cells: Sequence[str]) -> Rule:
    name, *rest = cells
    check = _CHECKS.get(rest[-1])
    if check:
        rest.pop()
    *prefixes, length, chars = rest
    least, _, most = length.rstrip("=").partition("-")
    exact = least if length.endswith("=") else most
    return token(
        name,
        *prefixes,
        length=int(least),
        most=int(exact or 0),
        chars=_CHARS[chars],
        check=check or looks_random,
    )


def looks_random(match: re.Match[str]) -> bool:
    """Whether a match is more than words and placeholders: varied, with digits or mixed case."""
    text = match.group()
    return len(set(text)) >= 8 and (
        any(char.isdigit() for char in text) or not (text.islower() or text.isupper())
    )


def has_digits(match: re.Match[str]) -> bool:
    """Whether a match of a short, common prefix is no name made of words."""
    return unlike_words(match.group()) >= 2


def is_mixed(match: re.Match[str]) -> bool:
    """Whether a match holds digits and letters of both cases."""
    text = match.group()
    return has_digits(match) and not text.islower() and not text.isupper()


_CHECKS: dict[str, Check] = {"digits": has_digits, "mixed": is_mixed}
