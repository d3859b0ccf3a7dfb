"""The table of outcomes, and that everybody who tells of it says the same."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mailsluice import errors
from mailsluice.errors import MailsluiceError
from mailsluice.outcome import ExitCode, Outcome, worst

MANUAL = Path(__file__).parent.parent / "docs" / "operations.md"
HEAD = """\
| outcome | exit code | what it means | tried again | counts as |
|---|---|---|---|---|
"""
OF_NO_ERROR = {
    Outcome.OK,
    Outcome.MESSAGES_REFUSED,
    Outcome.MESSAGES_REMOVED,
    Outcome.STILL_LISTED,
    Outcome.UNKNOWN,
}
GROUPS = {MailsluiceError, errors.TokenError, errors.ServerError}
"""Kinds that are never raised themselves."""
KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, MailsluiceError) and kind not in GROUPS
]


def row(outcome: Outcome) -> str:
    """What the manual has to say of an outcome."""
    cells = (
        f"`{outcome}`",
        str(int(outcome.exit_code)),
        outcome.means,
        outcome.disposition.words,
        outcome.standing.value,
    )
    return f"| {' | '.join(cells)} |\n"


def test_the_manual_has_the_table_as_it_is() -> None:
    _, head, rest = MANUAL.read_text().partition(HEAD)
    table = rest.partition("\n\n")[0] + "\n"

    assert head
    assert table == "".join(map(row, Outcome))


def test_every_word_in_code_that_the_manual_has_for_an_outcome_is_one() -> None:
    told = re.findall(r"outcome is\s+`([a-z-]+)`", MANUAL.read_text())

    assert told
    assert set(told) <= set(Outcome)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_outcome(kind: type[MailsluiceError]) -> None:
    assert isinstance(kind.outcome, Outcome)


def test_every_outcome_is_that_of_one_kind_of_error_or_of_none() -> None:
    named = Counter(kind.outcome for kind in KINDS if "outcome" in vars(kind))

    assert named == Counter(set(Outcome) - OF_NO_ERROR)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_its_word_wherever_it_is_written(outcome: Outcome) -> None:
    assert f"{outcome}" == outcome.value
    assert json.loads(json.dumps(outcome)) == outcome.value
    assert re.fullmatch("[a-z]+(-[a-z]+)*", outcome.value)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_read_back_by_its_word(outcome: Outcome) -> None:
    assert Outcome.read(outcome.value) is outcome


@pytest.mark.parametrize("word", ["", "OK", "printer-on-fire"])
def test_a_word_that_is_no_outcome_is_read_as_unknown(word: str) -> None:
    assert Outcome.read(word) is Outcome.UNKNOWN


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
    assert worst(map(ExitCode, codes)) == expected
    assert worst(map(ExitCode, codes[::-1])) == expected
