from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.net.xoauth2 import decode_challenge, initial_response


def test_the_response_has_the_address_and_the_token() -> None:
    assert initial_response("a@x.example", "t0k") == b"user=a@x.example\x01auth=Bearer t0k\x01\x01"


@pytest.mark.parametrize("character", ["\x01", "\r", "\n", "\0"])
def test_no_part_can_forge_another_field(character: str) -> None:
    with pytest.raises(ValueError, match="control"):
        initial_response(f"a{character}b", "t")
    with pytest.raises(ValueError, match="control"):
        initial_response("a", f"t{character}u")


def test_a_challenge_gives_status_and_scope() -> None:
    challenge = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"https://x.example/"}')
    assert decode_challenge(challenge) == "status 401, scope https://x.example/"


@pytest.mark.parametrize("challenge", [b"", base64.b64encode(b"{}")])
def test_an_empty_challenge_gives_nothing(challenge: bytes) -> None:
    assert not decode_challenge(challenge)


@pytest.mark.parametrize("challenge", [b"not base64!", b"W10=", b"/w==", b"\xff\x1b"])
def test_nothing_is_shown_of_any_other_challenge(challenge: bytes) -> None:
    assert not decode_challenge(challenge)


@given(st.binary())
def test_no_challenge_breaks_it(octets: bytes) -> None:
    for challenge in (octets, base64.b64encode(octets)):
        decode_challenge(challenge)


@pytest.mark.parametrize("value", [b"null", b"{}", b"[1]", b"[" * 900 + b"]" * 900])
def test_what_is_neither_text_nor_number_is_no_reason(value: bytes) -> None:
    assert not decode_challenge(base64.b64encode(b'{"status":' + value + b"}"))
