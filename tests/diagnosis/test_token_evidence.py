"""What a token says about causes: its permissions, its service, its tenant and its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.evidence import Weight, weight
from mailsluice.diagnosis.facts import Access, Door
from mailsluice.diagnosis.judgement import judge_token
from support.judging import (
    ACCESS,
    CLAIMS,
    CLIENT,
    FACTS,
    HOUR,
    MINUTE,
    NOW,
    PERSON_CLAIMS,
    PERSON_FACTS,
    TENANT,
    by,
    with_claims,
)

W = Weight


def test_a_token_without_roles_proves_that_nobody_consented_when_it_was_issued() -> None:
    assert weight(Cause.NO_CONSENT, with_claims(roles=())) is W.PROVED
    assert weight(Cause.NO_CONSENT, FACTS) is W.RULED_OUT


def test_without_a_token_to_read_consent_is_open_and_stands_for_every_permission() -> None:
    opaque = replace(FACTS, claims=None)

    assert weight(Cause.NO_CONSENT, opaque) is W.OPEN
    assert weight(Cause.OTHER_PERMISSION, opaque) is W.RULED_OUT
    assert weight(Cause.NO_PERSON_CONSENT, replace(PERSON_FACTS, claims=None)) is W.OPEN


@pytest.mark.parametrize("role", ["POP.AccessAsApp", "pop.accessasapp"])
def test_the_role_of_the_door_counts_in_any_letters(role: str) -> None:
    assert weight(Cause.OTHER_PERMISSION, with_claims(roles=(role,))) is W.RULED_OUT


def test_another_role_proves_that_this_one_is_missing_for_that_door_alone() -> None:
    facts = with_claims(roles=("IMAP.AccessAsApp",))

    assert weight(Cause.OTHER_PERMISSION, facts) is W.PROVED
    assert weight(Cause.OTHER_PERMISSION, replace(facts, door=Door.IMAP)) is W.RULED_OUT
    assert weight(Cause.NO_CONSENT, facts) is W.RULED_OUT


def test_a_managed_identity_has_no_app_registration_to_consent_in() -> None:
    machine = by(Way.MANAGED_IDENTITY)
    bare = replace(machine, claims=replace(CLAIMS, roles=()))
    other = replace(machine, claims=replace(CLAIMS, roles=("IMAP.AccessAsApp",)))

    assert [weight(Cause.NO_ROLE, facts) for facts in (machine, bare, other)] == [
        W.RULED_OUT,
        W.PROVED,
        W.PROVED,
    ]
    for cause in (Cause.NO_CONSENT, Cause.OTHER_PERMISSION):
        assert [weight(cause, facts) for facts in (machine, bare, other)] == [W.RULED_OUT] * 3
    assert weight(Cause.NO_ROLE, replace(machine, claims=None)) is W.OPEN
    assert weight(Cause.NO_ROLE, with_claims(roles=())) is W.RULED_OUT


def test_a_person_without_the_scope_of_the_door_has_not_consented_to_it() -> None:
    other = replace(PERSON_FACTS, claims=replace(PERSON_CLAIMS, scopes=("IMAP.AccessAsUser.All",)))

    assert weight(Cause.NO_PERSON_CONSENT, other) is W.PROVED
    assert weight(Cause.NO_PERSON_CONSENT, PERSON_FACTS) is W.RULED_OUT
    assert weight(Cause.OTHER_PERMISSION, other) is W.RULED_OUT


@pytest.mark.parametrize(
    "audience",
    [
        "https://outlook.office365.com",
        "https://outlook.office365.com/",
        "HTTPS://Outlook.Office.com",
        "https://outlook.office365.us",
        "https://partner.outlook.cn/",
        "00000002-0000-0ff1-ce00-000000000000",
        "00000002-0000-0ff1-ce00-000000000000/",
        "00000002-0000-0ff1-ce00-000000000000/outlook.office365.com@acme",
    ],
)
def test_exchange_online_has_many_names(audience: str) -> None:
    assert weight(Cause.WRONG_RESOURCE, with_claims(audience=audience)) is W.RULED_OUT
    assert weight(Cause.NO_CONSENT, with_claims(audience=audience, roles=())) is W.PROVED


@pytest.mark.parametrize(
    "audience", ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000", CLIENT, "api://x"]
)
def test_a_token_for_another_service_proves_that_and_tells_nothing_of_exchange(audience: str) -> None:
    facts = with_claims(audience=audience, roles=("Mail.Read",))

    assert weight(Cause.WRONG_RESOURCE, facts) is W.PROVED
    assert weight(Cause.OTHER_PERMISSION, facts) is W.RULED_OUT
    assert (
        weight(Cause.NO_CONSENT, replace(facts, claims=replace(CLAIMS, audience=audience, roles=())))
        is W.RULED_OUT
    )


def test_exchange_on_ones_own_servers_has_names_that_nobody_knows_here() -> None:
    own = replace(with_claims(audience="https://mail.acme.example"), host="mail.acme.example")
    graph = replace(with_claims(audience="https://graph.microsoft.com"), host="mail.acme.example")

    assert weight(Cause.WRONG_RESOURCE, own) is W.RULED_OUT
    assert weight(Cause.WRONG_RESOURCE, replace(own, host="pop.acme.example")) is W.LIKELY
    assert weight(Cause.WRONG_RESOURCE, graph) is W.PROVED


def test_without_an_audience_the_resource_is_not_known() -> None:
    assert weight(Cause.WRONG_RESOURCE, with_claims(audience="")) is W.UNLIKELY
    assert weight(Cause.WRONG_RESOURCE, replace(FACTS, claims=None)) is W.UNLIKELY


@pytest.mark.parametrize(
    ("tenant", "expected"),
    [
        (TENANT, W.RULED_OUT),
        (TENANT.upper(), W.RULED_OUT),
        ("99999999-9999-4999-8999-999999999999", W.PROVED),
        ("acme.example", W.UNLIKELY),
        ("my-acme.onmicrosoft.com", W.UNLIKELY),  # a domain with a hyphen is no ID
        ("", W.UNLIKELY),
    ],
)
def test_tenants_are_compared_by_their_ids_alone(tenant: str, expected: Weight) -> None:
    facts = replace(FACTS, access=replace(ACCESS, tenant=tenant))

    assert weight(Cause.OTHER_TENANT, facts) is expected


@pytest.mark.parametrize(
    ("ends", "ahead", "expected"),
    [
        (NOW + HOUR, 0.0, W.RULED_OUT),
        (NOW - HOUR, 0.0, W.PROVED),
        (NOW - 4 * MINUTE, 0.0, W.OPEN),  # servers bear some minutes
        (NOW - HOUR, 7200.0, W.RULED_OUT),  # our clock is two hours fast, and the token is good
        (NOW + HOUR, -7200.0, W.PROVED),  # our clock is two hours slow
        (NOW - HOUR, None, W.LIKELY),
        (NOW + HOUR, None, W.RULED_OUT),
        (None, 0.0, W.UNLIKELY),
    ],
)
def test_a_token_has_ended_by_the_providers_clock(
    ends: object, ahead: float | None, expected: Weight
) -> None:
    facts = replace(with_claims(ends=ends), clock_ahead=ahead)

    assert weight(Cause.TOKEN_ENDED, facts) is expected


def test_a_token_of_a_command_or_from_the_future_may_have_ended_although_our_clock_says_no() -> None:
    of_a_command = replace(FACTS, access=Access("acme"))
    from_the_future = with_claims(begins=NOW + HOUR, ends=NOW + 2 * HOUR)  # so our clock is slow
    undated = with_claims(begins=None)

    for facts in (of_a_command, from_the_future, undated):
        assert weight(Cause.TOKEN_ENDED, facts) is W.UNLIKELY


def test_a_token_for_nobody_may_be_right_on_another_server_than_exchange_online() -> None:
    own = replace(with_claims(audience="", roles=()), host="mail.acme.example")

    assert judge_token(own) is None
    assert judge_token(replace(own, host="outlook.office365.com")) is Cause.NO_CONSENT
