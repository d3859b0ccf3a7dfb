"""The words of every cause: complete, plain, and with no name left open."""

from __future__ import annotations

import re
import string
from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Facts
from mailsluice.diagnosis.filling import filled
from mailsluice.diagnosis.symptoms import OBSTACLES, REFUSALS, REPLIES, symptom_of_refusal
from support.judging import FULL_FACTS, PERSON_FACTS, by

FACTS = {
    "nothing is known": Facts(),
    "all is known": FULL_FACTS,
    "a person": PERSON_FACTS,
    "a machine": by(Way.MANAGED_IDENTITY),
}
_WITHOUT_NUMBER = (
    "invalid_grant",
    "expired_token",
    "temporarily_unavailable",
    "AADSTS700027: [Reason - The key used is expired.]",
)


def test_every_cause_can_be_seen_by_some_symptom() -> None:
    others = [symptom_of_refusal(said) for said in _WITHOUT_NUMBER]
    symptoms = [*(reply.symptom for reply in REPLIES), *REFUSALS.values(), *OBSTACLES.values(), *others]

    reached = {cause for symptom in symptoms if symptom for cause in (*symptom.causes, *symptom.of_person)}

    assert set(Cause) - reached == set()


def test_the_words_for_programs_differ_and_are_of_one_form() -> None:
    assert len({cause.value for cause in Cause}) == len(list(Cause))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", cause.value) for cause in Cause)


@pytest.mark.parametrize("known", FACTS)
def test_sentences_are_whole_whatever_is_known(known: str) -> None:
    for text in (text for cause in Cause for text in (cause.means, cause.mend)):
        told = filled(text, FACTS[known])

        assert told
        assert not re.search(r"sign in: sign in|[{}]|None|\(\)|  |''|``|: :|,,", told), told
        assert told.isprintable()
        assert not told.endswith((".", ";", ":", " "))  # it stands before a colon or a semicolon
        assert told[0] == told[0].lower() or told.startswith(("Exchange Online", "POP")), told


def test_with_all_known_nothing_is_left_for_the_reader_to_fill_in() -> None:
    for cause in Cause:
        assert "<" not in filled(cause.means, FULL_FACTS) + filled(cause.mend, FULL_FACTS)


def test_sentences_are_short() -> None:
    assert not [cause for cause in Cause if len(cause.means.split()) > 27 or len(cause.mend.split()) > 40]


def test_no_name_is_used_that_is_not_filled_in() -> None:
    names = {
        name
        for cause in Cause
        for text in (cause.means, cause.mend)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    known = filled("{" + "}|{".join(sorted(names)) + "}", replace(FULL_FACTS, host="mail.example:995"))

    assert "<" not in known


def test_one_word_is_used_for_one_thing() -> None:
    texts = " ".join(f"{cause.means} {cause.mend}" for cause in Cause)

    for other in (
        "Azure AD",
        "AAD ",
        "tenancy",
        "App ID",
        "service-principal",
        "synchronized",
        "log in ",
        "shall",
        "opens TLS",
    ):
        assert other not in texts
