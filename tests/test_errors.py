"""The errors, and what the program ends with."""

from __future__ import annotations

import errno
import inspect

import pytest

from mailsluice import errors
from mailsluice.errors import Disposition, LedgerError, MailsluiceError, Phase, SecretError, SinkError, worst

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, MailsluiceError) and not kind.__subclasses__()
]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 75], 75),
        ([75, 69], 69),
        ([69, 77], 77),
        ([77, 73], 73),
        ([78, 73], 78),
        ([70, 78], 70),
    ],
)
def test_the_worst_exit_code_is_the_one_that_needs_somebody_most(codes: list[int], expected: int) -> None:
    assert worst(codes) == expected
    assert worst(codes[::-1]) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_in_the_docstring_tells_the_truth_about_each_error(kind: type[MailsluiceError]) -> None:
    (line,) = [line for line in str(errors.__doc__).splitlines() if f" {kind.__name__} " in line]

    *_, exit_code = line.split()

    assert int(exit_code) == kind.exit_code
    assert kind.disposition.value.replace("-", " ") in line


def test_an_error_has_a_stable_word_for_logs() -> None:
    assert errors.LoginRefused("x", phase=Phase.AUTH).code == "login-refused"


def test_an_error_may_carry_a_remedy_of_its_own() -> None:
    assert errors.SinkError("full", remedy="make room").remedy == "make room"
    assert errors.SinkError("full").disposition is Disposition.BACK_OFF


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
    assert kind("no").exit_code == kind.exit_code != 77
