"""What facts say about causes, on days on which the obvious would be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.evidence import Weight, weight
from mailsluice.diagnosis.facts import Access, Door, Facts, History
from support.judging import (
    ACCESS,
    DAY,
    FACTS,
    FULL_FACTS,
    HOUR,
    MAILBOX,
    MINUTE,
    NOW,
    PERSON_CLAIMS,
    PERSON_FACTS,
    by,
    with_history,
)

W = Weight


@pytest.mark.parametrize(
    "facts", [Facts(), FACTS, PERSON_FACTS, FULL_FACTS], ids=["none", "app", "person", "full"]
)
def test_every_cause_has_a_weight_whatever_is_known(facts: Facts) -> None:
    assert all(isinstance(weight(cause, facts), Weight) for cause in Cause)


def test_nothing_is_proved_by_nothing() -> None:
    assert not [cause for cause in Cause if weight(cause, Facts()) is W.PROVED]


# The service principal: what all mailboxes of a credential share.


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({}, W.OPEN),
        ({"refused": 2}, W.LIKELY),
        # It worked for months, and now no mailbox of the credential gets in: the age of its success is no comfort.
        ({"let_in": NOW - 90 * DAY, "refused": 2}, W.LIKELY),
        ({"let_in": NOW - HOUR, "refused": 2}, W.OPEN),  # rather throttled
        # This one never got in, and another one does now.
        ({"sibling": "orders", "sibling_let_in": NOW - MINUTE}, W.RULED_OUT),
        # The sibling got in yesterday, and the service principal was removed today.
        ({"sibling": "orders", "sibling_let_in": NOW - 23 * HOUR}, W.UNLIKELY),
        ({"sibling": "orders", "sibling_let_in": NOW - 2 * DAY}, W.OPEN),
        # Both worked until a minute ago: this one may be the first to see that it was removed.
        ({"let_in": NOW - MINUTE, "sibling": "orders", "sibling_let_in": NOW - MINUTE}, W.UNLIKELY),
        # The clock was set back by a day since the sibling's poll.
        ({"sibling": "orders", "sibling_let_in": NOW + DAY}, W.UNLIKELY),
    ],
)
def test_the_service_principal_is_ruled_out_only_by_a_sibling_that_gets_in_now(
    history: dict[str, object], expected: Weight
) -> None:
    assert weight(Cause.NO_SERVICE_PRINCIPAL, with_history(**history)) is expected


def test_a_person_needs_no_service_principal() -> None:
    assert weight(Cause.NO_SERVICE_PRINCIPAL, PERSON_FACTS) is W.RULED_OUT


# FullAccess: what each mailbox has by itself.


def test_full_access_is_open_for_a_mailbox_that_never_got_in() -> None:
    facts = with_history(sibling="orders", sibling_let_in=NOW)

    assert weight(Cause.NO_FULL_ACCESS, facts) is W.OPEN


def test_full_access_may_have_been_taken_away_within_the_hour() -> None:
    assert weight(Cause.NO_FULL_ACCESS, with_history(let_in=NOW - HOUR)) is W.UNLIKELY
    assert weight(Cause.NO_FULL_ACCESS, with_history(let_in=NOW - DAY)) is W.OPEN


def test_a_mailbox_that_moved_to_a_new_application_has_no_past_with_it() -> None:
    """Who builds the history leaves out what another credential did."""
    assert weight(Cause.NO_FULL_ACCESS, with_history()) is W.OPEN
    assert weight(Cause.NO_SERVICE_PRINCIPAL, with_history()) is W.OPEN
    assert weight(Cause.THROTTLED, with_history()) is W.UNLIKELY


@pytest.mark.parametrize("name", ["jo@acme.example", "JO@Acme.Example"])
def test_a_person_has_full_access_to_the_own_mailbox(name: str) -> None:
    facts = replace(PERSON_FACTS, mailbox=name)

    assert weight(Cause.NO_FULL_ACCESS, facts) is W.RULED_OUT


def test_a_sign_in_name_that_differs_from_the_address_tells_nothing() -> None:
    assert weight(Cause.NO_FULL_ACCESS, PERSON_FACTS) is W.OPEN
    nameless = replace(PERSON_FACTS, mailbox="", claims=replace(PERSON_CLAIMS, person=""))
    assert weight(Cause.NO_FULL_ACCESS, nameless) is W.OPEN


def test_a_guest_is_not_the_owner_of_a_mailbox_of_the_same_address() -> None:
    guest = replace(PERSON_CLAIMS, person="jo_other.example#EXT#@acme.example")

    assert (
        weight(Cause.NO_FULL_ACCESS, replace(PERSON_FACTS, mailbox="jo@other.example", claims=guest))
        is W.OPEN
    )


# Another door.


def test_another_door_that_opens_the_mailbox_leaves_a_closed_door() -> None:
    facts = replace(FACTS, doors={Door.IMAP: True})

    assert weight(Cause.DOOR_OFF, facts) is W.LIKELY
    for cause in (Cause.NO_FULL_ACCESS, Cause.NO_SERVICE_PRINCIPAL, Cause.NO_MAILBOX):
        assert weight(cause, facts) is W.RULED_OUT


@pytest.mark.parametrize("doors", [{Door.IMAP: False}, {Door.SMTP: True}, {Door.POP: True}])
def test_smtp_opens_no_mailbox_and_a_door_tells_nothing_about_itself(doors: dict[Door, bool]) -> None:
    facts = replace(FACTS, doors=doors)

    assert weight(Cause.DOOR_OFF, facts) is W.OPEN
    assert weight(Cause.NO_FULL_ACCESS, facts) is W.OPEN


# Throttling.


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({"let_in": NOW - HOUR}, W.LIKELY),
        ({"let_in": NOW - 6 * HOUR}, W.OPEN),  # it may last, but a right that was taken away is as likely
        ({"sibling": "orders", "sibling_let_in": NOW}, W.OPEN),
        ({}, W.UNLIKELY),
    ],
)
def test_throttling_is_likely_if_it_worked_just_now(history: dict[str, object], expected: Weight) -> None:
    assert weight(Cause.THROTTLED, with_history(**history)) is expected


# Clock, secrets, certificates, clouds.


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (None, W.OPEN),
        (0.0, W.RULED_OUT),
        (-59.0, W.RULED_OUT),
        (90.0, W.OPEN),
        (600.0, W.LIKELY),
        (-600.0, W.LIKELY),
    ],
)
def test_a_clock_that_is_off_is_likely_and_never_proved(ahead: float | None, expected: Weight) -> None:
    assert weight(Cause.CLOCK, replace(FACTS, clock_ahead=ahead)) is expected


def test_a_secret_with_the_form_of_an_id_is_one() -> None:
    assert weight(Cause.SECRET_ID, replace(FACTS, secret_is_id=True)) is W.PROVED
    assert weight(Cause.SECRET_ID, by(Way.SECRET)) is W.UNLIKELY


@pytest.mark.parametrize(
    ("way", "certificate", "assertion"),
    [
        (Way.CERTIFICATE, W.OPEN, W.RULED_OUT),
        (Way.ASSERTION, W.RULED_OUT, W.OPEN),
        (Way.ASSERTION_COMMAND, W.RULED_OUT, W.OPEN),
        (None, W.OPEN, W.OPEN),
    ],
)
def test_what_proves_the_application_tells_what_can_be_wrong_with_it(
    way: Way | None, certificate: Weight, assertion: Weight
) -> None:
    facts = replace(FACTS, access=replace(ACCESS, way=way))

    assert weight(Cause.CERTIFICATE_NOT_UPLOADED, facts) is certificate
    assert weight(Cause.CERTIFICATE_EXPIRED, facts) is certificate
    assert weight(Cause.FEDERATION, facts) is assertion
    assert weight(Cause.ASSERTION_OLD, facts) is assertion


def test_a_tenant_that_was_found_in_another_cloud_is_there() -> None:
    assert weight(Cause.WRONG_CLOUD, FACTS) is W.OPEN
    assert weight(Cause.WRONG_CLOUD, replace(FACTS, found_in="china")) is W.PROVED
    assert weight(Cause.UNKNOWN_TENANT, replace(FACTS, found_in="china")) is W.RULED_OUT
    assert weight(Cause.WRONG_CLOUD, replace(FACTS, found_in="worldwide")) is W.UNLIKELY


def test_two_clouds_have_one_provider_and_cannot_be_told_apart() -> None:
    dod = replace(FACTS, access=replace(ACCESS, cloud="dod"), found_in="gcc-high")

    assert weight(Cause.WRONG_CLOUD, dod) is W.UNLIKELY


# Passwords.


def test_a_password_has_none_of_the_causes_of_a_token() -> None:
    facts = Facts(Access("old", takes_password=True), MAILBOX, host="mail.acme.example", history=History(NOW))

    assert weight(Cause.NO_FULL_ACCESS, facts) is W.RULED_OUT
    assert weight(Cause.NO_CONSENT, facts) is W.RULED_OUT
    assert weight(Cause.WRONG_PASSWORD, facts) is W.OPEN
    assert weight(Cause.PASSWORD_RETIRED, facts) is W.RULED_OUT
    assert weight(Cause.PASSWORD_RETIRED, replace(facts, host="outlook.office365.com")) is W.PROVED
    assert weight(Cause.WRONG_PASSWORD, replace(facts, host="outlook.office365.com")) is W.UNLIKELY


def test_a_token_has_no_password_that_could_be_wrong() -> None:
    assert weight(Cause.WRONG_PASSWORD, FACTS) is W.RULED_OUT
    assert weight(Cause.PASSWORD_RETIRED, FACTS) is W.RULED_OUT


# The way to a server.


@pytest.mark.parametrize(
    ("host", "on_the_way", "at_the_server"),
    [
        ("outlook.office365.com", W.OPEN, W.UNLIKELY),
        ("outlook.office365.com:995", W.OPEN, W.UNLIKELY),
        ("login.microsoftonline.com", W.OPEN, W.UNLIKELY),
        ("outlook-dod.office365.us", W.OPEN, W.UNLIKELY),
        ("partner.outlook.cn", W.OPEN, W.UNLIKELY),
        ("login.partner.microsoftonline.cn", W.OPEN, W.UNLIKELY),
        ("mail.acme.example", W.UNLIKELY, W.OPEN),
        ("login.acme.example", W.UNLIKELY, W.OPEN),
        ("outlook.office365.com.evil.example", W.UNLIKELY, W.OPEN),
        ("notoffice365.com", W.UNLIKELY, W.OPEN),
        ("", W.OPEN, W.OPEN),
    ],
)
def test_microsofts_servers_have_good_certificates(
    host: str, on_the_way: Weight, at_the_server: Weight
) -> None:
    facts = replace(FACTS, host=host)

    assert weight(Cause.INTERCEPTED, facts) is on_the_way
    for cause in (Cause.OWN_AUTHORITY, Cause.CERTIFICATE_ENDED, Cause.OTHER_NAME, Cause.WEAK_CERTIFICATE):
        assert weight(cause, facts) is at_the_server


def test_another_server_that_answers_rules_out_that_there_is_no_network() -> None:
    reached = {None: W.OPEN, True: W.RULED_OUT, False: W.LIKELY}

    for others, expected in reached.items():
        assert weight(Cause.NO_NETWORK, replace(FACTS, others_reached=others)) is expected


def test_weights_are_ordered() -> None:
    assert sorted(Weight) == [W.RULED_OUT, W.UNLIKELY, W.OPEN, W.LIKELY, W.PROVED]
