"""The errors, and what helps against them."""

from __future__ import annotations

import errno

import pytest

from mailsluice import errors
from mailsluice.errors import LedgerError, MailsluiceError, SecretError, SinkError


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


@pytest.mark.parametrize("kind", [SinkError, LedgerError, SecretError])
def test_an_error_about_a_right_of_this_user_has_an_exit_code_of_its_own(kind: type[MailsluiceError]) -> None:
    assert kind("no", denied=True).exit_code == 77
    assert kind("no").exit_code == kind.outcome.exit_code != 77
