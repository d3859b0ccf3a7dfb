"""The errors, and what helps against them."""

from __future__ import annotations

import errno

import pytest

from mailsluice import errors
from mailsluice.errors import LedgerError, MailsluiceError, SecretError, SinkError, TokenRefused


def test_an_error_may_carry_a_remedy_of_its_own() -> None:
    assert errors.SinkError("full", remedy="make room").remedy == "make room"
    assert errors.SinkError("full").remedy == ""


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (errno.ENOSPC, "df -i"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "writable"),
        (errno.EMFILE, "LimitNOFILE"),
        (errno.EIO, "dmesg"),
    ],
)
def test_what_helps_against_the_machine_s_own_errors_goes_before_the_caller_s_advice(
    code: int, word: str
) -> None:
    assert word in errors.system_remedy(OSError(code, "x"), "otherwise")


def test_what_is_the_caller_s_to_know_is_left_to_the_caller() -> None:
    assert errors.system_remedy(OSError(errno.EACCES, "x"), "otherwise") == "otherwise"
    assert errors.system_remedy(ValueError("x"), "otherwise") == "otherwise"


def test_the_same_error_in_other_words_keeps_all_but_its_traceback() -> None:
    with pytest.raises(TokenRefused) as caught:
        raise TokenRefused("no", remedy="ask", denied=True, said="AADSTS700024", clock_ahead=600.0)
    same = caught.value.worded("credentials.acme: no")
    assert same is not caught.value
    assert (type(same), str(same), same.remedy, same.denied) == (
        TokenRefused,
        "credentials.acme: no",
        "ask",
        True,
    )
    assert (same.said, same.clock_ahead, same.__traceback__) == ("AADSTS700024", 600.0, None)
    assert str(caught.value) == "no"


@pytest.mark.parametrize("kind", [SinkError, LedgerError, SecretError])
def test_an_error_about_a_right_of_this_user_has_an_exit_code_of_its_own(kind: type[MailsluiceError]) -> None:
    assert kind("no", denied=True).exit_code == 77
    assert kind("no").exit_code == kind.outcome.exit_code != 77
