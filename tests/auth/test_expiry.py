from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mailsluice.auth.expiry import Expiry, Proof, declared, proof_of, remedy
from mailsluice.config.credentials import EntraCredential

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
IDS = {"tenant_id": "acme.example", "client_id": "app"}
SECRET = EntraCredential.model_validate({**IDS, "client_secret": "keyring:acme", "expires": date(2027, 5, 1)})
CERTIFICATE = EntraCredential.model_validate({**IDS, "certificate": "file:/acme.pem"})
IN_KEYRING = EntraCredential.model_validate({**IDS, "certificate": "keyring:acme-cert"})
SIGN_IN = EntraCredential.model_validate({**IDS, "flow": "device-code"})


def ending(left: timedelta) -> Expiry:
    return Expiry("acme", Proof.CERTIFICATE, NOW + left, "renew it")


@pytest.mark.parametrize(
    ("days", "warning"), [(31, None), (30, 30), (15, 30), (14, 14), (8, 14), (7, 7), (1, 7), (0, 0), (-5, 0)]
)
def test_the_warning_is_the_last_one_that_has_come(days: int, warning: int | None) -> None:
    assert ending(timedelta(days=days)).warning(NOW) == warning


def test_in_the_hours_before_the_end_it_is_not_over_yet() -> None:
    assert ending(timedelta(hours=1)).warning(NOW) == 7


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=12), "its certificate ends in 12 days, on 2026-12-12"),
        (timedelta(days=1), "its certificate ends in 1 day, on 2026-12-01"),
        (timedelta(hours=1), "its certificate ends in less than a day, on 2026-11-30"),
        (timedelta(days=-2), "its certificate ended 2 days ago, on 2026-11-28"),
    ],
)
def test_the_words_say_what_ends_and_when(left: timedelta, words: str) -> None:
    assert ending(left).words(NOW) == words


def test_a_client_secret_ends_with_the_day_that_the_configuration_declares() -> None:
    ends = declared(SECRET)
    assert ends is not None
    assert datetime(2027, 5, 1, 23, 59, tzinfo=UTC) < ends < datetime(2027, 5, 2, tzinfo=UTC)
    assert declared(CERTIFICATE) is None


def test_each_way_in_has_its_proof_or_none_that_ends() -> None:
    managed = EntraCredential.model_validate({"flow": "managed-identity"})
    assert [proof_of(each) for each in (SECRET, CERTIFICATE, SIGN_IN, managed)] == [
        Proof.SECRET,
        Proof.CERTIFICATE,
        Proof.SIGN_IN,
        None,
    ]


@pytest.mark.parametrize(
    ("credential", "proof", "told"),
    [
        (SECRET, Proof.SECRET, "mailsluice secret set acme`, and correct `expires`"),
        (CERTIFICATE, Proof.CERTIFICATE, "then put it into file:/acme.pem"),
        (IN_KEYRING, Proof.CERTIFICATE, "mailsluice secret set acme-cert < FILE`"),
        (SIGN_IN, Proof.SIGN_IN, "mailsluice login acme`"),
    ],
)
def test_the_remedy_fits_what_ends(credential: EntraCredential, proof: Proof, told: str) -> None:
    assert told in remedy("acme", credential, proof)
