"""What a token says of itself, and what is made of a hostile one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from mailsluice.diagnosis.claims import Claims, claims_in
from support.judging import CLIENT, OBJECT, TENANT, token


def read(**said: object) -> Claims:
    claims = claims_in(token(said))
    assert claims is not None
    return claims


def test_an_application_token_of_either_version_is_read() -> None:
    common = {
        "aud": "https://outlook.office365.com",
        "roles": ["POP.AccessAsApp"],
        "tid": TENANT,
        "oid": OBJECT,
    }

    version_1 = read(**common, appid=CLIENT, exp=1_796_000_000, iat=1_795_996_400)
    version_2 = read(**common, azp=CLIENT, exp=1_796_000_000, iat=1_795_996_400)

    assert version_1 == version_2
    assert version_1 == Claims(
        "https://outlook.office365.com",
        ("POP.AccessAsApp",),
        (),
        TENANT,
        CLIENT,
        OBJECT,
        "",
        datetime.fromtimestamp(1_796_000_000, UTC),
        datetime.fromtimestamp(1_795_996_400, UTC),
    )
    assert not version_1.is_of_person


@pytest.mark.parametrize("name", ["upn", "preferred_username", "unique_name"])
def test_a_person_is_known_by_the_sign_in_name_of_either_version(name: str) -> None:
    claims = read(scp="POP.AccessAsUser.All offline_access", **{name: "jo@acme.example"})

    assert claims.person == "jo@acme.example"
    assert claims.scopes == ("POP.AccessAsUser.All", "offline_access")
    assert claims.is_of_person


def test_a_guest_keeps_the_whole_name() -> None:
    assert read(upn="jo_other.example#EXT#@acme.example").person == "jo_other.example#EXT#@acme.example"


def test_a_name_that_is_no_text_does_not_hide_the_next_one() -> None:
    assert read(appid={"x": 1}, azp=CLIENT, upn=[], preferred_username="jo@acme.example") == Claims(
        application=CLIENT, person="jo@acme.example"
    )


def test_an_audience_in_a_list_is_read_and_several_are_nobody() -> None:
    assert read(aud=["https://outlook.office365.com"]).audience == "https://outlook.office365.com"
    assert read(aud=["https://outlook.office365.com", "https://other.example"]).audience == ""


def test_a_single_role_may_be_a_text() -> None:
    assert read(roles="POP.AccessAsApp").roles == ("POP.AccessAsApp",)


def test_the_role_that_matters_is_found_behind_many_others() -> None:
    roles = [f"Role{n}.Read" for n in range(300)]

    assert read(roles=[*roles, "POP.AccessAsApp"]).roles[-1] == "POP.AccessAsApp"


def test_permissions_are_told_in_a_few_words() -> None:
    claims = read(roles=[f"Role{n}" for n in range(9)])

    assert claims.permits == "Role0, Role1, Role2, Role3, Role4, Role5 and 3 more"
    assert Claims(scopes=("a", "b")).permits == "a, b"
    assert Claims().permits == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c.d.e",  # encrypted
        "..",
        "a.é.c",
        "a.!!!!.c",
        f"a.{base64.urlsafe_b64encode(b'[' * 30_000).decode()}.c",
        f"a.{base64.urlsafe_b64encode(bytes([0xFF, 0xFE])).decode()}.c",
        f"a.{base64.urlsafe_b64encode(b'9' * 20_000).decode()}.c",
        token(["aud"]),
        token("aud"),
        token(None),
        token({"aud": "x" * 70_000}),
    ],
)
def test_what_is_no_readable_token_has_no_claims(text: str) -> None:
    assert claims_in(text) is None


def test_values_of_other_types_are_as_if_they_were_missing() -> None:
    claims = read(
        aud=1, roles={"POP": 1}, scp=7, tid=None, appid=[1, 2], oid=True, upn={"a": "b"}, exp="soon"
    )

    assert claims == Claims()


@pytest.mark.parametrize("time", [True, "NaN", "Infinity", -1e300, 10**400, [], None, "x"])
def test_a_time_that_is_none_is_not_known(time: object) -> None:
    assert read(exp=time).ends is None


def test_control_characters_and_long_words_are_made_harmless() -> None:
    claims = read(upn="\x1b]0;x\x07\nfoo\u2028\u202e", oid="o" * 5_000, roles=["a\r\nb", 5, None, ""])

    assert claims.person == r"\x1b]0;x\x07\nfoo\u2028\u202e"
    assert len(claims.object_id) == 200
    assert claims.roles == (r"a\r\nb",)
