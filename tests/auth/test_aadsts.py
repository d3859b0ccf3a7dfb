from __future__ import annotations

import pytest

from mailsluice.auth.aadsts import remedy
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
        ("70021", "issuer, subject and audience"),
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
