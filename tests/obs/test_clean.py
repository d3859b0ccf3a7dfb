from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsluice.model import MailboxKey
from mailsluice.obs.clean import MOST_OCTETS, REDACTED, clean, json_text, presentable, printable, redact
from mailsluice.pop3.commands import password
from support.secrecy import CANARY, leaks

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
JOURNAL_LINE = 48 * 1024


def cleaned(**event: object) -> dict[str, Any]:
    return dict(clean(None, "info", dict(event)))


def test_a_value_with_names_is_logged_as_what_it_says_of_itself() -> None:
    assert cleaned(command=password(CANARY), key=MailboxKey("h", "a")) == {
        "command": "<PASS>",
        "key": "MailboxKey(host='h', address='a')",
    }


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        JWT[:30],
        "authorization: bearer canary-opaque",
        "user=a@b.example\x01auth=Bearer canary\x01\x01",
        "sent dXNlcj1pbnZvaWNlc0BhY21lLmV4YW1wbGUBYXV0aD1CZWFyZXIg",
        "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncanary, cut off",
        "grant_type=client_credentials&client_secret=canary&scope=x",
        '{"access_token": "canary", "expires_in": 3599}',
        "{'refresh_token': 'canary'}",
        'login?token=canary and {"secret":"canary"}',
        "https://user:canary@vault.example/v1",
        "the app has abc8Q~canary.canary-canary_canaryxxxxxx",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert REDACTED in redact(text)
    assert leaks(redact(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "-ERR Authentication failure: unknown user name or bad password.",
        'credentials.acme.client_secret: a secret must not stand in this file; write "keyring:NAME"',
        'client_secret is missing; write it like client_secret = "keyring:acme"',
        "20261122T034500Z-invoices-0001",
        "https://login.microsoftonline.com/contoso for invoices@acme.example",
    ],
)
def test_what_an_administrator_needs_is_left(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_is_left() -> None:
    assert redact(f"token {JWT} was refused") == f"token {REDACTED} was refused"


@pytest.mark.parametrize(
    "key", ["token", "access_token", "client_secret", "password", "Authorization", "passphrase"]
)
@pytest.mark.parametrize("value", [CANARY, CANARY.encode(), [CANARY], {"x": CANARY}, object()])
def test_the_value_of_a_secret_key_is_never_shown(key: str, value: object) -> None:
    assert cleaned(**{key: value}) == {key: REDACTED}


@pytest.mark.parametrize("value", [None, True, 7, 2.5])
def test_numbers_are_left_even_under_such_a_key(value: object) -> None:
    assert cleaned(token=value) == {"token": value}


def test_secrets_are_found_however_deep_and_in_any_object() -> None:
    class Odd:
        def __str__(self) -> str:
            return f"Odd({JWT})"

    event = cleaned(a=[{"b": (Odd(), {"c": JWT.encode()})}], error=ValueError(JWT))
    assert leaks(json.dumps(event)) == []
    assert event["a"][0]["b"][0] == f"Odd({REDACTED})"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nb", r"a\r\nb"),
        ("\x9b2J", r"\x9b2J"),
        ("\x00", r"\x00"),
        ("a\u202eb", r"a\u202eb"),
        ("\udcff", r"\udcff"),
        ("Grüße, 世界", "Grüße, 世界"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert cleaned(reply=text) == {"reply": shown}


def test_names_within_a_value_are_made_safe_too() -> None:
    assert cleaned(claims={"\x1b[31m": 1}) == {"claims": {r"\x1b[31m": 1}}


def test_a_traceback_keeps_its_lines_and_nothing_else_does() -> None:
    assert presentable("one\n\ttwo\x1b\nthree") == "one\n\\ttwo\\x1b\nthree"
    assert cleaned(exception="one\ntwo", event="one\ntwo") == {"exception": "one\ntwo", "event": r"one\ntwo"}


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.integers() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=8,
        ),
    )
)
def test_any_event_comes_out_as_printable_json(event: dict[str, object]) -> None:
    line = json.dumps(dict(clean(None, "info", event)), ensure_ascii=False)
    line.encode()


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        '"' * 10**6,
        "\x1b" * 10**6,
        "€" * 10**6,
        ["x" * 100] * 10**4,
        {str(n): n for n in range(10**5)},
        b"\xff" * 10**6,
    ],
)
def test_an_event_fits_in_a_line_of_the_journal(value: object) -> None:
    event = cleaned(reply=value, other=value, exception="\n" * 10**5, mailbox="invoices", level="warning")
    assert len(json.dumps(event, ensure_ascii=False).encode()) < JOURNAL_LINE
    assert (event["mailbox"], event["level"]) == ("invoices", "warning")


def test_a_long_text_keeps_its_beginning_and_a_traceback_its_end() -> None:
    event = cleaned(reply="begin" + "x" * 10**6)
    assert event["reply"].startswith("begin")
    assert event["reply"].endswith("[cut]")
    event = cleaned(exception="x" * 10**6 + "end")
    assert event["exception"].startswith("[cut]")
    assert event["exception"].endswith("end")


@pytest.mark.parametrize("more", [0, 15, 30, 45])
def test_of_more_secrets_than_are_shown_none_is_shown_in_part(more: int) -> None:
    secret = f"abc8Q~{'9' * 50}"
    secrets = "." * more + f"{secret} " * (2 * MOST_OCTETS // len(secret)) + "." * more
    event = cleaned(reply=secrets, exception=secrets, octets=secrets.encode())
    assert "99" not in str(event)


def test_a_value_without_end_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "[cut]" in json.dumps(cleaned(a=endless))


def test_time_level_and_event_come_first() -> None:
    assert list(cleaned(a=1, event="e", level="info", timestamp="t")) == ["timestamp", "level", "event", "a"]


def test_json_shows_a_terminal_nothing_to_obey_and_a_program_what_there_was() -> None:
    value = {"reply": "\x1b[2J \x9b \x7f \u202e \n", "at": "Köln"}
    text = json_text(value)
    assert all(line.isprintable() and line.isascii() for line in text.splitlines())
    assert json.loads(text) == value
