"""The sentence of a judgement, for the log and for `status`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import History
from mailsluice.diagnosis.judgement import DELAYED, NOTHING, Judgement, judge
from mailsluice.errors import TokenRefused
from support.judging import (
    ACCESS,
    CLAIMS,
    FACTS,
    NOW,
    by,
)


def test_one_cause_is_told_with_its_remedy() -> None:
    told = judge(TokenRefused("-", said="invalid_client AADSTS7000222: words."), by(Way.SECRET)).sentence(
        FACTS, check="`mailsluice check`"
    )

    assert told == (
        "the client secret has expired: create a new client secret in the app registration, and store its Value"
    )


def test_several_causes_are_told_in_order_with_the_command_that_helps() -> None:
    causes = (Cause.NO_FULL_ACCESS, Cause.DOOR_OFF, Cause.THROTTLED)
    judged = Judgement(causes, is_certain=False)

    assert judged.sentence(FACTS, check="`mailsluice check invoices`") == (
        "likely causes, in order: (1) the application has no FullAccess to the mailbox; "
        "(2) POP is off for the mailbox; "
        "(3) the server throttles logins, and says it in the words for a wrong password; "
        "`mailsluice check invoices` says how to tell them apart; "
        "a change takes up to an hour"
    )
    assert "tell them apart" not in judged.sentence(FACTS)


def test_two_causes_both_say_what_to_do() -> None:
    judged = Judgement((Cause.NO_FULL_ACCESS, Cause.DOOR_OFF), is_certain=False)

    assert judged.sentence(FACTS) == (
        "either the application has no FullAccess to the mailbox: give it with Add-MailboxPermission; "
        "or POP is off for the mailbox: switch it on with Set-CASMailbox; "
        "a change takes up to an hour"
    )


def test_a_cause_that_is_likelier_than_all_others_says_what_to_do() -> None:
    judged = Judgement((Cause.THROTTLED, Cause.NO_FULL_ACCESS), is_certain=False, is_likely=True)

    assert judged.sentence(FACTS) == (
        "probably the server throttles logins, and says it in the words for a wrong password: wait until it "
        "passes; if it comes back, poll less often; otherwise the application has no FullAccess to the mailbox"
    )


def test_without_a_cause_there_is_no_sentence() -> None:
    assert NOTHING.sentence(FACTS) == ""


@pytest.mark.parametrize("cause", DELAYED)
def test_what_takes_a_while_says_so(cause: Cause) -> None:
    assert "take" in Judgement((cause,), is_certain=True).sentence(FACTS).rpartition("; ")[2]


def test_hostile_facts_stay_on_one_printable_line() -> None:
    evil = "\x1b[2J\n# x\u2028{mailbox}"
    facts = replace(
        FACTS,
        mailbox=evil,
        section=evil,
        host=evil,
        issuer=evil,
        access=replace(ACCESS, tenant=evil, client=evil),
        claims=replace(CLAIMS, audience=evil, person=evil, object_id=evil, tenant=evil),
        history=History(NOW, sibling=evil),
    )
    for cause in Cause:
        assert Judgement((cause,), is_certain=True).sentence(facts).isprintable()
