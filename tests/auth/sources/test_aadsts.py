from __future__ import annotations

import pytest

from mailsluice.auth.sources.aadsts import remedy, remedy_for_person
from mailsluice.config.credentials import Way


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("7000215", "Value"),
        ("7000222", "expired"),
        ("700016", "client_id"),
        ("90002", "tenant_id"),
        ("65001", "admin consent"),
        ("650052", "subscription"),
        ("500011", "scope"),
        ("700027", "upload the certificate, without its key"),
        ("50012", "upload the certificate"),
        ("700030", "upload the certificate"),
        ("700024", "clock"),
        ("50013", "clock"),
        ("500133", "clock"),
        *((number, "issuer, subject and audience") for number in ("70021", "700211", "700212", "700213")),
        *((number, "large and small letters") for number in ("7002137", "7002138")),
    ],
)
def test_each_common_refusal_has_its_own_remedy(number: str, word: str) -> None:
    assert word in remedy(f"AADSTS{number}: Something.", Way.SECRET)


@pytest.mark.parametrize("description", ["", "AADSTS1: Unheard of.", "no number"])
@pytest.mark.parametrize("way", Way)
def test_any_other_refusal_has_a_general_remedy(description: str, way: Way) -> None:
    assert "app registration" in remedy(description, way)


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.SECRET])
def test_who_has_no_client_secret_is_not_told_to_check_it(way: Way) -> None:
    assert "client_secret" not in remedy("AADSTS1: Unheard of.", way)


def test_who_has_a_certificate_is_told_to_check_that() -> None:
    assert "the certificate" in remedy("AADSTS1: Unheard of.", Way.CERTIFICATE)


@pytest.mark.parametrize(
    "said",
    [
        "invalid_grant: AADSTS70008: The token expired.",
        "invalid_grant: AADSTS999: Unheard of.",
        "invalid_grant",
        "interaction_required: AADSTS50079: Strong authentication is required.",
        "expired_token",
        "bad_verification_code: AADSTS70018: Not known.",
        "authorization_declined",
        "access_denied: AADSTS1: No.",
    ],
)
def test_a_person_s_refusal_that_a_sign_in_ends_says_so_whatever_its_number(said: str) -> None:
    assert remedy_for_person(said, sign_in="sign in: `x`") == "sign in: `x`"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("invalid_grant: AADSTS65001: No consent.", "delegated permission"),
        ("invalid_grant: AADSTS50105: Not assigned.", "assign this person"),
        ("access_denied: AADSTS53003: Blocked.", "Conditional Access"),
    ],
)
def test_a_person_s_refusal_that_needs_more_says_that_first(said: str, word: str) -> None:
    told = remedy_for_person(said, sign_in="sign in: `x`")
    assert word in told
    assert told.endswith("; then sign in: `x`")


@pytest.mark.parametrize(
    "said", ["invalid_client: AADSTS7000215: Wrong.", "unauthorized_client", "x: AADSTS1: y"]
)
def test_a_person_s_refusal_of_another_kind_asks_for_no_sign_in_and_no_secret_id(said: str) -> None:
    assert "sign in" not in remedy_for_person(said, sign_in="sign in: `x`")
