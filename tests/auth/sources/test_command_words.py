"""The last words of a token command that failed: what may be shown of them, and what never is."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auth.sources.printed import command_token
from mailsluice.errors import TokenRefused
from mailsluice.obs.clean import clean

SHORTEST = 8
"""Characters of a secret: fewer could be anything."""

SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=SHORTEST, max_size=60)
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
BREAKS = st.sampled_from(["", "\n", " ", "\r\n  ", '"\n"', "\\\n", "' '"])


def failure(printed: str, said: str) -> TokenRefused:
    """Of a program that prints the one on standard output and says the other on standard error."""
    script = 'printf %s "$1"; printf %s "$2" >&2; exit 1'
    with pytest.raises(TokenRefused) as caught:
        command_token(("/bin/sh", "-c", script, "sh", printed, said), "a@b.example")
    return caught.value


def last_words(said: str, printed: str = "") -> str:
    """What is told of them."""
    return str(failure(printed, said)).partition("exit code 1: ")[2]


def parts(secret: str) -> set[str]:
    return {secret[at : at + SHORTEST] for at in range(len(secret) - SHORTEST + 1)}


@settings(max_examples=150)
@given(secret=SECRETS, before=WORDS, after=WORDS, between=BREAKS, at=st.integers(0, 60))
def test_no_part_of_what_it_printed_is_told_whatever_stands_around_it_and_within(
    secret: str, before: str, after: str, between: str, at: int
) -> None:
    assume(not parts(secret) & parts("[redacted]"))
    error = failure(secret, before + secret[:at] + between + secret[at:] + after)
    logged = json.dumps(dict(clean(None, "warning", {"event": "session", "detail": str(error)})))
    for text in (str(error), repr(error), str(error.__cause__), error.remedy, json.loads(logged)["detail"]):
        assert not [part for part in parts(secret) if part in text]


def test_of_a_secret_that_is_broken_into_lines_the_short_rest_is_not_told_either() -> None:
    said = "cannot send canary-opaque-\nabc to the server"
    assert last_words(said, printed="canary-opaque-abc") == "cannot send [redacted] to the server"


@pytest.mark.parametrize(
    "said",
    [
        "error: token=canary",
        'answer was {"secret":"canary"}',
        "answer was {'api_key': 'canary'}",
        "cannot reach https://user:canary@vault.example/v1/token",
        "cannot reach postgres://user:can/canary@db.example",
        "client_secret is canary",
        "The password was: 'canary and more canary', which is wrong",
        'Password: "canary"',
        "Authorization: Basic canary",
        "Command '['login', '--password', 'canary']' returned non-zero exit status 1.",
        "usage: login --client-secret canary",
        "pass phrase hunter2canary was wrong",
        "wrong passphrase: hunter2canary",
        "the key 8fJ~Qcanary~x.Y9 was refused",
        "secret hunter2canary rejected",
        "login as svc/hunter2canary failed",
        "AADSTS7000215: Invalid client secret provided: canary123abc",
        "pwd hunter2canary",
        "PIN 4711canary",
        "curl -u svc:hunter2canary https://x",
        "Passwort hunter2canary ist falsch",
        "the secret is Canary",
        "client_secret canary2",
        "cannot log in with Canary2024!",
        "got /8canary9K",
        "refused: abc8Q~canary.canary-canary_canaryxxxxxx",
        "key canary4f9a8b7c6d5e4f3a2b1c0",
        "canary" * 10,
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncanary",
    ],
)
def test_what_is_called_a_secret_or_looks_like_one_is_not_told(said: str) -> None:
    assert "[redacted]" in last_words(said)
    assert "canary" not in last_words(said)


@pytest.mark.parametrize(
    "said",
    [
        "the account is locked",
        "AADSTS7000215: Invalid client secret provided.",
        "/usr/lib/x86_64-linux-gnu/libssl.so.3: version `OPENSSL_3.2.0' not found",
        "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded",
        "FileNotFoundError: [Errno 2] No such file or directory: '/var/lib/helper/python3.11/cache.json'",
        "at 2026-11-22T03:45:00Z the key expired, and no token came",
        "Token Expired, secret Store and Key Vault are not to be had",
        "ldap3.core.exceptions.LDAPBindError: key not found on host-17.acme.example:636",
        "2026-11-22 03:45:00 no token for invoices@acme.example: refused",
    ],
)
def test_what_an_administrator_needs_is_told(said: str) -> None:
    assert last_words(said).replace("[redacted]", "refused") == said


def test_the_end_of_a_secret_whose_beginning_was_not_kept_is_not_told() -> None:
    kept = ("canary" + " x" * 8192)[: 16 * 1024]
    assert last_words("password=" + kept).startswith("x x")
