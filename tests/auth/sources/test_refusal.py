"""What an administrator is told if the identity provider refuses a token."""

from __future__ import annotations

import pytest

from mailsluice.auth.sources.refusal import remedy_for
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.errors import TokenRefused

KEYS: dict[Way, dict[str, object]] = {
    Way.SECRET: {"client_secret": "keyring:acme"},
    Way.CERTIFICATE: {"certificate": "keyring:acme"},
    Way.ASSERTION: {"assertion": "file:/run/assertion"},
    Way.ASSERTION_COMMAND: {"assertion_command": ["/usr/bin/assertion"]},
    Way.DEVICE_CODE: {"flow": "device-code"},
    Way.BROWSER: {"flow": "browser"},
}


def remedy(said: str, way: Way, *, secret_is_id: bool | None = None, clock_ahead: float | None = None) -> str:
    credential = EntraCredential.model_validate({"tenant_id": "contoso", "client_id": "app", **KEYS[way]})
    error = TokenRefused("refused", said=said, clock_ahead=clock_ahead)
    return remedy_for("ann", credential, secret_is_id=secret_is_id)(error)


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
        ("700024", "clock"),
        ("50013", "clock"),
        ("500133", "clock"),
        *((number, "issuer, subject and audience") for number in ("70021", "700211", "700212", "700213")),
        *((number, "capital and small letters") for number in ("7002137", "7002138")),
        ("53003", "Service principal sign-ins"),
    ],
)
def test_each_common_refusal_has_its_own_remedy(number: str, word: str) -> None:
    assert word in remedy(f"invalid_client: AADSTS{number}: Something.", Way.SECRET)


@pytest.mark.parametrize("number", ["700027", "50012", "700030"])
def test_a_certificate_that_is_not_accepted_is_to_be_uploaded(number: str) -> None:
    told = remedy(f"invalid_client: AADSTS{number}: Something.", Way.CERTIFICATE)
    assert "upload the certificate, without its key" in told


@pytest.mark.parametrize("number", ["70002", "50012"])
def test_a_number_of_any_proof_accuses_only_the_proof_that_was_given(number: str) -> None:
    said = f"invalid_client: AADSTS{number}: Error validating credentials."

    by_secret = remedy(said, Way.SECRET, secret_is_id=False)
    assert by_secret.startswith("the client secret is not one of application app")
    assert "certificate" not in by_secret
    for way in (Way.CERTIFICATE, Way.ASSERTION):
        assert "secret" not in remedy(said, way).replace("Certificates & secrets", "")


def test_a_secret_in_the_form_of_an_id_is_named_as_such_alone() -> None:
    told = remedy("invalid_client: AADSTS7000215: Wrong.", Way.SECRET, secret_is_id=True)
    assert told.startswith("the client secret is the ID of a secret, not its Value: ")
    assert "old or a shortened" not in told


def test_a_secret_in_another_form_is_not_called_an_id() -> None:
    told = remedy("invalid_client: AADSTS7000215: Wrong.", Way.SECRET, secret_is_id=False)
    assert told.startswith("the client secret is not one of application app")
    assert "the ID of a secret" not in told


def test_a_clock_that_the_provider_saw_to_be_wrong_is_the_cause() -> None:
    told = remedy("invalid_client: AADSTS700024: Not valid now.", Way.CERTIFICATE, clock_ahead=600.0)
    assert "it is 10 minutes fast" in told
    assert "program that writes the assertion" not in told


@pytest.mark.parametrize(
    ("way", "is_named"), [(Way.ASSERTION, True), (Way.ASSERTION_COMMAND, True), (Way.CERTIFICATE, False)]
)
def test_only_who_has_an_assertion_hears_of_the_program_that_writes_it(way: Way, is_named: bool) -> None:
    told = remedy("invalid_client: AADSTS700024: Not valid now.", way)
    assert ("program that writes the assertion" in told) == is_named


def test_two_causes_that_cannot_be_told_apart_both_say_what_to_do() -> None:
    told = remedy("invalid_request: AADSTS90002: No such tenant.", Way.SECRET)
    assert "set `tenant_id`" in told
    assert "set `cloud` of [credentials." in told


@pytest.mark.parametrize("description", ["", "AADSTS1: Unheard of.", "no number"])
@pytest.mark.parametrize("way", KEYS)
def test_any_other_refusal_has_a_general_remedy(description: str, way: Way) -> None:
    assert "app registration" in remedy(description, way)


@pytest.mark.parametrize("way", [way for way in KEYS if way is not Way.SECRET])
def test_who_has_no_client_secret_is_not_told_to_check_it(way: Way) -> None:
    assert "client_secret" not in remedy("AADSTS1: Unheard of.", way)


def test_who_has_a_certificate_is_told_to_check_that() -> None:
    assert "the certificate" in remedy("AADSTS1: Unheard of.", Way.CERTIFICATE)


@pytest.mark.parametrize(
    "said",
    [
        "invalid_grant: AADSTS999: Unheard of.",
        "invalid_grant",
        "expired_token",
        "bad_verification_code: AADSTS70018: Not known.",
        "authorization_declined",
        "access_denied: AADSTS1: No.",
    ],
)
def test_a_person_s_refusal_that_a_sign_in_ends_says_so_whatever_its_number(said: str) -> None:
    told = remedy(said, Way.DEVICE_CODE)
    assert told.startswith(("the person's sign-in has ended", "the sign-in was declined"))
    assert ": sign in: `" in told
    assert " login ann`" in told


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("invalid_grant: AADSTS700082: It ended.", "has ended"),
        ("interaction_required: AADSTS50079: Strong authentication is required.", "MFA"),
        ("invalid_grant: AADSTS65001: No consent.", "delegated permission POP.AccessAsUser.All"),
        ("invalid_grant: AADSTS50105: Not assigned.", "Users and groups"),
        ("access_denied: AADSTS53003: Blocked.", "Conditional Access"),
        ("invalid_client: AADSTS7000218: No secret.", "allow public client flows"),
    ],
)
def test_a_person_s_refusal_that_has_a_number_says_what_it_is_and_how_to_sign_in(
    said: str, word: str
) -> None:
    told = remedy(said, Way.BROWSER)
    assert word in told
    assert "sign in: `" in told
    assert " login ann`" in told


@pytest.mark.parametrize(
    "said", ["invalid_client: AADSTS7000215: Wrong.", "unauthorized_client", "x: AADSTS1: y"]
)
def test_a_person_s_refusal_of_another_kind_asks_for_no_sign_in_and_no_secret_id(said: str) -> None:
    assert "sign in" not in remedy(said, Way.DEVICE_CODE)


def test_no_remedy_is_longer_than_a_token_file_keeps() -> None:
    """What is longer is not taken back from the file that remembers a refusal for other processes."""
    from mailsluice.auth.tokens.kept import _LONGEST_TEXT
    from mailsluice.diagnosis.symptoms import REFUSALS

    for number in REFUSALS:
        for way in KEYS:
            assert len(remedy(f"x: AADSTS{number}: y", way)) < _LONGEST_TEXT / 2
