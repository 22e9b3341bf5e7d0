"""Names that say that their value is a secret, and names that only look so."""

from __future__ import annotations

import pytest

from alexobs.redaction import words
from alexobs.redaction.keys import KeyNames

SECRET = """
api_key apikey x-api-key authorization Proxy-Authorization password passwd pwd passphrase token
access_token refreshToken idToken session_token csrf csrfToken secret client_secret cookie
Set-Cookie private_key privateKey credential credentials connection_string dsn signature
OPENAI_API_KEY AWS_SECRET_ACCESS_KEY aws_session_token http.request.header.authorization
http.request.header.x-api-key X-Amz-Security-Token X-Amz-Signature db.password user.password
password_hash pAsSwOrD PASSWORD1 password10 oldPassword new_password key auth STRIPE_KEY
AccountKey SharedAccessKey accesstoken dbpassword APIKey hf_token GITHUB_TOKEN SECRET_KEY
client-key-data x-goog-api-key Ocp-Apim-Subscription-Key bot_token token_value password_confirm
X-Vault-Token DB_PASS refresh_tokens connect.sid PGPASSWORD api__key clientSecretValue
passwordHash mot_de_passe
""".split()  # noqa: SIM905 - a list of words
PLAIN = """
max_tokens token_count input_tokens total_tokens tokenizer token_type gen_ai.usage.input_tokens
gen_ai.token.type alex.llm.token_count next_page_token secretary password_reset_url primary_key
cache_key session_id author authors tokens prompt_tokens maxTokens tokenCount api_key_id
secret_name secret_arn cookie_consent password_policy password_length has_password is_token
tokenization  keyboard monkey foreign_key partition_key public_key compass bypass pass authority
oauth_url auth_url author_token_count monkeypatch passed passenger time_to_first_token per_token
logit_bias stop_token eos_token_id gen_ai.usage.cache_read.input_tokens alex.tokens.cache_read
alex.tokens.output thought_signature access_key_id aws_access_key_id authorization_url
credential_type token_usage token_expires_at sort_key partitionKey key_id cookies_enabled
token_file error.type 1 _ - %
""".split()  # noqa: SIM905 - a list of words


@pytest.mark.parametrize("name", SECRET)
def test_secret_names_are_found_in_every_spelling(name: str) -> None:
    assert KeyNames().family(name)


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_only_resemble_secret_ones_are_left(name: str) -> None:
    assert KeyNames().family(name) == ""


def test_users_names_are_added_as_whole_words_and_taken_away() -> None:
    names = KeyNames(keys=("employee_id", "schlüssel"), allow_keys=("csrf token", "password"))
    assert names.family("employeeId") == words.CUSTOM
    assert names.family("the.employee.id.number") == words.CUSTOM
    assert names.family("schlüssel") == words.CUSTOM
    assert names.family("employees_id") == ""
    assert names.family("csrfToken") == ""
    assert names.family("password") == ""
    assert names.family("db_password") == words.PASSWORD


def test_the_end_of_a_very_long_name_decides() -> None:
    assert KeyNames().family("a." * 5000 + "password") == words.PASSWORD


def test_every_secret_name_contains_a_stem() -> None:
    names = [*words.SINGLE, *words.GLUED, *words.GLUED_ENDS, *map("_".join, words.PHRASES)]
    assert [name for name in names if not any(stem in name for stem in words.STEMS)] == []
