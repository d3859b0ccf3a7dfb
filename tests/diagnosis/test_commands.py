"""The lines for PowerShell and the pages of the portal, for each cause."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way as Proof
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.commands import Way, connect_line, way_of
from mailsluice.diagnosis.facts import Access, Door, Facts
from support.judging import CLAIMS, CLIENT, FACTS, FULL_FACTS, MAILBOX, OBJECT, PERSON_FACTS, by
from support.powershell import bones, texts

HAS_A_WAY = {cause for cause in Cause if way_of(cause, FACTS) != Way()}
LOOKS = re.compile(r"^(Get-\w+|Where-Object|Format-List|Format-Table)\b")
HOSTILE = (
    "o'brien@acme.example",
    "'; Remove-Mailbox x; '",
    "\u2019; Remove-Mailbox x; \u2018",
    "\u201a\u201b'\u2018",
    '"; Remove-Mailbox x; "',
    "$(Remove-Mailbox x)",
    "`$(x)`n`0",
    "x\n# y\nRemove-Mailbox x\r\nRemove-Mailbox y",
    "x # y",
    "@('x')",
    "{mailbox}{0}%{x}",
    "-AccessRights FullAccess",
    "\x1b]0;title\x07\x1b[2J",
    "\u2028\u2029\u0085\u202e",
    "'",
    "''",
    "\u2018" * 5,
    "'" * 200,
    "\ud800",
)


def lines(facts: Facts) -> list[str]:
    return [
        line
        for cause in Cause
        for way in (way_of(cause, facts),)
        for line in (*way.look, *way.mend, connect_line(facts))
    ]


def poisoned(text: str, facts: Facts) -> Facts:
    claims = replace(
        CLAIMS, object_id=text, person=text, tenant=text, application=text, audience=text, roles=(text, text)
    )
    access = replace(facts.access or Access(text), credential=text, tenant=text, client=text, authority=text)
    return replace(facts, mailbox=text, section=text, host=text, issuer=text, claims=claims, access=access)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "facts", [FACTS, PERSON_FACTS, by(Proof.MANAGED_IDENTITY)], ids=["app", "person", "machine"]
)
def test_nothing_from_outside_is_a_command_or_ends_one(text: str, facts: Facts) -> None:
    expected = [bones(line) for line in lines(facts)]

    found = lines(poisoned(text, facts))

    assert [bones(line) for line in found] == expected
    assert all(line.isprintable() for line in found)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable()])
def test_powershell_gets_the_text_as_it_is(text: str) -> None:
    (line,) = way_of(Cause.DOOR_OFF, replace(FACTS, mailbox=text)).mend

    assert texts(line) == [text]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_shown_beside_the_lines_is_printable(text: str) -> None:
    for cause in Cause:
        way = way_of(cause, poisoned(text, FACTS))
        assert (way.shows + way.page).isprintable() or not (way.shows + way.page)


@pytest.mark.parametrize("door", Door)
def test_looking_changes_nothing(door: Door) -> None:
    facts = replace(FACTS, door=door)
    for line in (line for cause in Cause for line in way_of(cause, facts).look):
        assert all(LOOKS.match(part.strip()) for part in line.split("|")), line


@pytest.mark.parametrize(
    "facts", [Facts(), FACTS, FULL_FACTS, PERSON_FACTS], ids=["none", "app", "full", "person"]
)
def test_no_line_has_an_open_name_or_a_text_without_an_end(facts: Facts) -> None:
    for way in (way_of(cause, facts) for cause in Cause):
        for line in (*way.look, *way.mend):
            assert not re.search(r"[{}<>]|None", bones(line))
        assert not re.search(r"[{}]|None", way.shows + way.page)


def test_what_is_seen_is_said_wherever_there_is_something_to_look_at() -> None:
    for cause in Cause:
        way = way_of(cause, FACTS)
        assert bool(way.look) == bool(way.shows)


def test_a_mailbox_is_opened_to_the_object_that_the_token_names() -> None:
    assert way_of(Cause.NO_FULL_ACCESS, FACTS).mend == (
        f"Add-MailboxPermission -Identity '{MAILBOX}' -User '{OBJECT}' -AccessRights FullAccess",
    )
    assert "-User 'jo@acme.example'" in way_of(Cause.NO_FULL_ACCESS, PERSON_FACTS).mend[0]


def test_the_application_is_registered_with_the_object_of_the_enterprise_application() -> None:
    remove, new, add = way_of(Cause.NO_SERVICE_PRINCIPAL, FACTS).mend

    assert remove.startswith(f"Get-ServicePrincipal | Where-Object AppId -eq '{CLIENT}' | ")
    assert new == f"New-ServicePrincipal -AppId '{CLIENT}' -ObjectId '{OBJECT}' -DisplayName 'mailsluice'"
    assert add == f"Add-MailboxPermission -Identity '{MAILBOX}' -User '{OBJECT}' -AccessRights FullAccess"


def test_a_service_principal_is_removed_only_if_its_object_id_is_another_one() -> None:
    remove = way_of(Cause.NO_SERVICE_PRINCIPAL, FACTS).mend[0]
    unknown = way_of(Cause.NO_SERVICE_PRINCIPAL, replace(FACTS, claims=None)).mend[0]

    assert f" | Where-Object ObjectId -ne ([guid]'{OBJECT}') | Remove-ServicePrincipal " in remove
    assert "([guid]'<Object ID of the Enterprise application>')" in unknown  # not an ID: an error


def test_no_line_asks_a_question_that_takes_the_next_line_for_its_answer() -> None:
    lines = [line for cause in Cause for line in way_of(cause, FACTS).mend]

    removing = [line for line in lines if "Remove-" in line]
    assert removing
    assert all("-Confirm:$false" in line for line in removing)


@pytest.mark.parametrize(
    ("door", "line"),
    [
        (Door.POP, f"Set-CASMailbox -Identity '{MAILBOX}' -PopEnabled $true"),
        (Door.IMAP, f"Set-CASMailbox -Identity '{MAILBOX}' -ImapEnabled $true"),
        (Door.SMTP, f"Set-CASMailbox -Identity '{MAILBOX}' -SmtpClientAuthenticationDisabled $false"),
    ],
)
def test_each_door_is_switched_on(door: Door, line: str) -> None:
    assert way_of(Cause.DOOR_OFF, replace(FACTS, door=door)).mend == (line,)


def test_a_managed_identity_gets_its_permission_without_exchange_onlines_powershell() -> None:
    access = Access("acme", Proof.MANAGED_IDENTITY, cloud="gcc-high")
    way = way_of(Cause.NO_ROLE, replace(FACTS, access=access))

    assert way.mend[0].startswith("Connect-MgGraph -Environment USGov -Scopes ")
    assert any("'POP.AccessAsApp'" in line for line in way.mend)
    assert not way.needs_exchange
    assert way_of(Cause.DOOR_OFF, FACTS).needs_exchange
    assert not way_of(Cause.SECRET_EXPIRED, FACTS).needs_exchange


def test_a_cause_that_is_mended_in_the_portal_names_the_page() -> None:
    places = ("app registration", "Enterprise applications", "Certificates & secrets")

    for cause in Cause:
        assert cause in HAS_A_WAY or not any(place in cause.mend for place in places)


def test_pages_are_those_of_the_cloud() -> None:
    china = replace(FACTS, access=Access("acme", Proof.SECRET, cloud="china"))

    assert way_of(Cause.SECRET_EXPIRED, china).page.startswith(
        "https://entra.microsoftonline.cn > App registrations"
    )
