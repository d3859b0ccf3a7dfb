"""The facts in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailsluice.diagnosis.claims import Claims
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.known import ago, described, known
from support.judging import (
    CLAIMS,
    DAY,
    FACTS,
    FULL_FACTS,
    HOUR,
    MINUTE,
    NOW,
    PERSON_CLAIMS,
    with_claims,
    with_history,
)


def test_nothing_is_said_if_nothing_is_known() -> None:
    assert known(Facts()) == ()


def test_everything_that_is_known_is_said_in_whole_sentences() -> None:
    told = known(FULL_FACTS)

    assert told == (
        "the token is for https://outlook.office365.com, with POP.AccessAsApp",
        "the token was issued 1 minute ago, and knows no later change",
        "invoices was let in 1 day ago",
        "orders, which has the same credential, was let in 1 hour ago",
        "IMAP lets this mailbox in",
        "other servers answer",
        "the cloud china has this tenant",
    )


def test_a_mailbox_without_a_past_is_said_to_have_none() -> None:
    (*_, last) = known(FACTS)

    assert last == "invoices was never let in, as far as this state directory knows"


@pytest.mark.parametrize(("refused", "words"), [(1, "1 other mailbox of"), (3, "3 other mailboxes of")])
def test_siblings_that_do_not_get_in_are_counted(refused: int, words: str) -> None:
    (*_, last) = known(with_history(refused=refused))

    assert last.startswith(words)


def test_what_is_not_so_is_said_too() -> None:
    told = known(replace(Facts(), others_reached=False, doors={Door.IMAP: False}))

    assert told == ("IMAP does not let it in either", "no other server answers either")


def test_a_token_is_described_by_whom_it_is_for_and_what_it_permits() -> None:
    assert described(Claims()) == "is for nobody (no aud), with no permission (no roles, no scp)"
    assert described(CLAIMS) == "is for https://outlook.office365.com, with POP.AccessAsApp"
    assert described(PERSON_CLAIMS) == (
        "is for https://outlook.office.com, with POP.AccessAsUser.All, in the name of jo@acme.example"
    )


def test_it_is_printable_and_short_whatever_a_token_says() -> None:
    hostile = with_claims(audience="\x1b[2J\n", roles=("\u202e" * 200,) * 400, person="\r\x00")

    for sentence in known(replace(hostile, section="\x1b\n", found_in="china")):
        assert sentence.isprintable()
        assert len(sentence) < 8000


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (timedelta(0), "less than a minute ago"),
        (-HOUR, "at a time that this machine's clock has not reached"),
        (59 * timedelta(seconds=1), "less than a minute ago"),
        (-timedelta(seconds=59), "less than a minute ago"),
        (MINUTE, "1 minute ago"),
        (HOUR - MINUTE, "59 minutes ago"),
        (2 * HOUR, "2 hours ago"),
        (3 * DAY, "3 days ago"),
    ],
)
def test_times_are_told_in_one_unit(gone: timedelta, words: str) -> None:
    assert ago(NOW - gone, NOW) == words
