"""What a judgement may use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailsluice.config.credentials import CommandCredential, EntraCredential, PasswordCredential, Way
from mailsluice.diagnosis.facts import Access, Door, Facts, History
from support.judging import CLAIMS, CLIENT, DAY, FACTS, HOUR, NOW, PERSON_CLAIMS, PERSON_FACTS, TENANT


def test_access_is_read_from_the_configuration_of_each_kind() -> None:
    entra = EntraCredential.model_validate(
        {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": "env:CANARY", "cloud": "gcc-high"}
    )
    machine = EntraCredential.model_validate({"flow": "managed-identity"})
    command = CommandCredential.model_validate({"command": ["/usr/bin/token"]})
    password = PasswordCredential.model_validate({"password": "env:CANARY"})

    assert Access.of("a", entra) == Access(
        "a",
        Way.SECRET,
        TENANT,
        CLIENT,
        "gcc-high",
        f"https://login.microsoftonline.us/{TENANT}",
        proof=entra.client_secret,
    )
    assert Access.of("b", machine).way is Way.MANAGED_IDENTITY
    assert Access.of("b", machine).tenant == ""
    assert Access.of("c", command) == Access("c")
    assert Access.of("d", password) == Access("d", takes_password=True)


def test_the_permissions_of_each_door() -> None:
    assert [door.role for door in Door] == ["POP.AccessAsApp", "IMAP.AccessAsApp", "SMTP.SendAsApp"]
    assert [door.scope for door in Door] == ["POP.AccessAsUser.All", "IMAP.AccessAsUser.All", "SMTP.Send"]


def test_the_configuration_says_whether_a_person_signs_in_and_without_it_the_token_does() -> None:
    command = Access("acme")

    assert PERSON_FACTS.is_person
    assert not FACTS.is_person
    assert not replace(FACTS, claims=PERSON_CLAIMS).is_person
    assert replace(FACTS, access=command, claims=PERSON_CLAIMS).is_person
    assert not replace(FACTS, access=command, claims=CLAIMS).is_person
    assert not Facts().is_person


@pytest.mark.parametrize(
    ("gone", "counts"), [(HOUR, True), (4 * HOUR, True), (5 * HOUR, False), (-HOUR, True), (-DAY, False)]
)
def test_a_poll_counts_for_a_time_even_if_the_clock_was_set_back_since(
    gone: timedelta, *, counts: bool
) -> None:
    assert History(NOW, NOW - gone).was_let_in_within(4 * HOUR) is counts


def test_a_mailbox_that_was_never_let_in_was_not_let_in_lately() -> None:
    assert not History(NOW).was_let_in_within(1000 * DAY)
