from __future__ import annotations

import pytest

from mailsluice.auth.aadsts import remedy


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
    ],
)
def test_each_common_refusal_has_its_own_remedy(number: str, word: str) -> None:
    assert word in remedy(f"AADSTS{number}: Something.")


@pytest.mark.parametrize("description", ["", "AADSTS1: Unheard of.", "no number"])
def test_any_other_refusal_has_a_general_remedy(description: str) -> None:
    assert "app registration" in remedy(description)
