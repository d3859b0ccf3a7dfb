"""What stands for the names in the texts, and how it is quoted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.config.credentials import HOSTS, Cloud, Way
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.facts import Access, Door, Facts
from mailsluice.diagnosis.filling import filled, quoted
from support.judging import ACCESS, CLAIMS, CLIENT, FACTS, OBJECT, PERSON_FACTS, TENANT, with_claims


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "'plain'"),
        ("o'brien@acme.example", "'o''brien@acme.example'"),
        ("\u2018\u2019\u201a\u201b", "'" + "".join(mark * 2 for mark in "\u2018\u2019\u201a\u201b") + "'"),
        ('$(Remove-Mailbox)`n"x"', "'$(Remove-Mailbox)`n\"x\"'"),
        ("a\nb\r\x00\x1b[2J\u2028\u202e", r"'a\nb\r\x00\x1b[2J\u2028\u202e'"),
        ("", "''"),
    ],
)
def test_nothing_in_a_quoted_text_is_read_by_powershell(text: str, line: str) -> None:
    assert quoted(text) == line


def test_a_value_is_plain_in_a_sentence_quoted_in_powershell_and_quoted_in_a_shell() -> None:
    facts = replace(FACTS, mailbox="o'brien@acme.example", host="a b")

    assert filled("{mailbox}", facts) == "o'brien@acme.example"
    assert filled("{mailbox:ps}", facts) == "'o''brien@acme.example'"
    assert filled("{host:sh}", facts) == "'a b'"


def test_a_server_is_named_with_its_port_for_whoever_runs_the_firewall() -> None:
    assert filled("{server}", replace(FACTS, host="a.example", port=995)) == "a.example:995"
    assert filled("{server}", replace(FACTS, host="a.example")) == "a.example"


def test_braces_in_a_value_are_not_filled_in_again() -> None:
    facts = replace(FACTS, mailbox="{host}{0}{mailbox.__class__}@acme.example")

    assert filled("{mailbox}", facts) == facts.mailbox
    assert filled("{mailbox:ps}", facts) == f"'{facts.mailbox}'"


def test_what_is_not_known_is_a_word_in_brackets_and_never_a_value() -> None:
    assert filled("{client} {object_id} {mailbox} {tenant}", Facts()) == (
        "<Application (client) ID> <Object ID of the Enterprise application> <mailbox> <Directory (tenant) ID>"
    )
    assert filled("{grantee}", replace(PERSON_FACTS, claims=None)) == "<user principal name of the person>"
    assert filled("{grantee}", Facts()) == "<Object ID of the Enterprise application>"


def test_what_the_configuration_does_not_say_the_token_may_say() -> None:
    machine = replace(FACTS, access=Access("acme", Way.MANAGED_IDENTITY))

    assert filled("{tenant} {client} {object_id}", machine) == f"{TENANT} {CLIENT} {OBJECT}"


def test_full_access_goes_to_the_object_of_the_application_or_to_the_person() -> None:
    assert filled("{grantee} {who}", FACTS) == f"{OBJECT} the application"
    assert filled("{grantee} {who}", PERSON_FACTS) == "jo@acme.example jo@acme.example"


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (None, ""),
        (59.0, ""),
        (61.0, ": it is 61 seconds fast"),
        (-600.0, ": it is 10 minutes slow"),
        (3 * 3600.0, ": it is 3 hours fast"),
        (-400 * 86400.0, ": it is 400 days slow"),
    ],
)
def test_a_wrong_clock_is_told_in_words(ahead: float | None, words: str) -> None:
    assert (
        filled("the clock is wrong{clock}", replace(FACTS, clock_ahead=ahead)) == f"the clock is wrong{words}"
    )


def test_the_other_cloud_is_named_only_if_it_is_known() -> None:
    assert filled("{other_cloud}", replace(FACTS, found_in="china")) == '"china"'
    assert filled("{other_cloud}", FACTS) == "the one where the tenant is (worldwide, gcc-high, dod, china)"


def test_many_permissions_are_cut() -> None:
    assert filled("{has}", with_claims(roles=tuple("abcdefgh"))) == "a, b, c, d, e, f and 2 more"


@pytest.mark.parametrize(
    ("cloud", "connect"),
    [
        ("worldwide", "Connect-ExchangeOnline"),
        ("gcc-high", "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovGCCHigh"),
        ("dod", "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovDoD"),
        ("china", "Connect-ExchangeOnline -ExchangeEnvironmentName O365China"),
    ],
)
def test_each_cloud_has_its_own_portal_host_and_powershell(cloud: Cloud, connect: str) -> None:
    facts = replace(FACTS, access=replace(ACCESS, cloud=cloud))

    assert filled("{connect}", facts) == connect
    assert filled("{portal}", facts).startswith("https://entra.microsoft")
    assert filled("{right_scope}", facts).endswith("/.default")


def test_all_clouds_are_there() -> None:
    assert set(PLACES) == set(HOSTS)


@pytest.mark.parametrize("door", Door)
def test_each_door_is_looked_at_and_switched_by_its_own_property(door: Door) -> None:
    facts = replace(FACTS, door=door)
    looked_at = filled("{look_door}", facts)

    assert filled("{off}", facts).startswith(looked_at)
    assert filled("{switch}", facts).startswith(f"-{looked_at} $")


def test_a_token_of_another_tenant_is_named_if_it_says_so() -> None:
    assert filled("another{token_tenant}", FACTS) == f"another: of {CLAIMS.tenant}"
    assert filled("another{token_tenant}", Facts()) == "another"
