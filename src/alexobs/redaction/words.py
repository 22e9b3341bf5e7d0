"""The vocabulary of secret names: tables that `keys` reads."""

from __future__ import annotations

# Families of names; each is a rule, and stands in the marker.
PASSWORD = "password"  # noqa: S105 - the name of a rule
TOKEN = "token"  # noqa: S105 - the name of a rule
SECRET = "secret"  # noqa: S105 - the name of a rule
API_KEY = "api_key"
PRIVATE_KEY = "private_key"
AUTHORIZATION = "authorization"
COOKIE = "cookie"
CREDENTIAL = "credential"
CONNECTION_STRING = "connection_string"
SIGNATURE = "signature"
KEY = "high_entropy"
CUSTOM = "custom_key"

FAMILIES = (
    PASSWORD,
    TOKEN,
    SECRET,
    API_KEY,
    PRIVATE_KEY,
    AUTHORIZATION,
    COOKIE,
    CREDENTIAL,
    CONNECTION_STRING,
    SIGNATURE,
    KEY,
    CUSTOM,
)
# A number below such a name is a count or a position; below any other it is the secret.
COUNTABLE = frozenset({TOKEN, COOKIE, CREDENTIAL, SIGNATURE, KEY, AUTHORIZATION})
# These values are secret only when they look random: "signature" is a word of programming too.
RANDOM_ONLY = frozenset({SIGNATURE, KEY})

# Family, and names that are one word.
_SINGLE_TABLE = """
password           password passwords passwd passwort pwd passphrase passcode kennwort contrasena
password           senha otp totp cvv cvc
token              token jwt bearer csrf xsrf
secret             secret secrets
api_key            apikey apikeys
authorization      authorization authentication
cookie             cookie cookies phpsessid jsessionid
credential         credential credentials creds
connection_string  dsn
signature          signature sig
high_entropy       key auth
"""
# Family, last word of a phrase, and the words that may stand before it.
_PHRASE_TABLE = """
private_key        key     private ssh signing encryption encrypt decryption master rsa pgp gpg pem
private_key        key     tls ssl hmac jwt signature root seed
private_key        keys    private ssh signing encryption
private_key        phrase  seed recovery mnemonic
api_key            key     api access secret account storage subscription license licence app
api_key            key     application auth consumer deploy deployment service shared admin client
api_key            key     webhook sas function functions ingest ingestion integration
api_key            key     openai anthropic claude gemini google gcp azure aws mistral cohere groq
api_key            key     deepseek together huggingface replicate perplexity openrouter stripe
api_key            key     github gitlab slack twilio sendgrid mailgun datadog sentry cloudflare
api_key            key     pinecone weaviate qdrant elastic langsmith langfuse supabase algolia
api_key            key     tavily serper serpapi exa voyage jina elevenlabs deepgram assemblyai
api_key            keys    api access secret
password           pass    db database smtp user mysql postgres postgresql pg redis mongo admin root
password           pass    ftp mail email proxy ssh sudo my auth http https basic imap ldap amqp
password           pw      db user admin root my
password           word    pass
password           phrase  pass
password           passe   de
password           code    mfa otp totp verification security recovery backup
password           codes   recovery backup
token              tokens  access refresh auth api session bearer csrf secret id oauth
connection_string  string  connection conn
connection_string  str     connection conn
cookie             sid     connect
"""
# The same without anything between the words.
_GLUED_TABLE = """
token              token   auth access refresh id session api bearer csrf xsrf user bot app device
token              token   oauth security github gitlab slack npm hf
secret             secret  client api app consumer shared webhook jwt session cookie my aws
private_key        key     encryption signing master
api_key            key     account storage subscription sharedaccess
password           pass    db user admin root smtp mysql my pg
password           pwd     db user admin root smtp mysql my pg
password           pw      db user admin root smtp mysql my pg
connection_string  string  connection
connection_string  str     conn
cookie             cookie  set session
"""
# Family, and words before its last one that make it something else: a piece of text, a place in a
# list, a measure.
_PLAIN_TABLE = """
token              page continuation next cursor sync eos bos pad unk mask stop start end special
token              sep cls first last max min per each every prompt completion input output total
token              cached reasoning image audio text thinking no num number is current previous new
token              raw llm sub word lex lexer syntax cancellation cancel idempotency
signature          thought thinking function method type call func fn tool time key file
cookie             has accept no is use
"""
# Words after the phrase that leave the value a secret.
_TAIL_TABLE = """
value values string str text header raw plain plaintext hash hashed digest b64 base64 encoded enc
bytes old new current previous confirm confirmation confirmed repeat again verify prod production
dev development test testing staging stage live sandbox env override default primary secondary
backup main master base x y a b v db user admin root var content contents data
"""
# A question about a secret is none.
_QUESTION_TABLE = """
is has had have needs need requires require use uses show hide can allow no forgot reset change
missing invalid wrong
"""

# Endings that make a secret of any word they stand in, whatever comes before: "mydbpassword".
GLUED_ENDS = {
    "password": PASSWORD,
    "passwd": PASSWORD,
    "passphrase": PASSWORD,
    "apikey": API_KEY,
    "secretkey": API_KEY,
    "accesskey": API_KEY,
    "privatekey": PRIVATE_KEY,
}
# Texts in lower case of which every secret name contains one.
_STEM_TABLE = """
pass pwd wort contrasena senha otp cvv cvc token jwt bearer srf secret key auth cookie sessid
jsession sid cred dsn sig phrase code conn pw
"""


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines() if line]


SINGLE = {word: family for family, *words in _rows(_SINGLE_TABLE) for word in words}
PHRASES = {
    (first, last): family for family, last, *firsts in _rows(_PHRASE_TABLE) for first in firsts
}
LASTS = frozenset(last for _, last in PHRASES)
GLUED = {first + last: family for family, last, *firsts in _rows(_GLUED_TABLE) for first in firsts}
PLAIN = {
    family: frozenset(
        word for other, *words in _rows(_PLAIN_TABLE) if other == family for word in words
    )
    for family in (TOKEN, SIGNATURE, COOKIE)
}
TAIL = frozenset(_TAIL_TABLE.split())
QUESTIONS = frozenset(_QUESTION_TABLE.split())
STEMS = tuple(_STEM_TABLE.split())
