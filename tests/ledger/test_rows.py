"""What the cells of the ledger's rows must be, and what it is told as when one is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import DamagedRow, octets, real, text, whole

CELLS: tuple[object, ...] = (None, 1, 1.5, "text", b"octets")
TAKEN = [(octets, {bytes}), (text, {str}), (whole, {int}), (real, {int, float})]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("kind", "taken"), TAKEN)
def test_a_cell_of_its_kind_is_taken_as_it_is_and_any_other_is_a_damage(
    kind: Callable[[object], object], taken: set[type], cell: object
) -> None:
    if type(cell) in taken:
        assert kind(cell) == cell
    else:
        with pytest.raises(DamagedRow):
            kind(cell)


@pytest.mark.parametrize("block", [Database.reading, Database.writing])
def test_a_damaged_row_is_told_as_a_damaged_ledger_in_every_block(
    state_dir: Path, block: Callable[[Database], object]
) -> None:
    database = Database(state_dir)
    with pytest.raises(LedgerError, match="it has a row that no mailsluice writes") as error:
        _raise_within(block(database), DamagedRow())
    assert "restore a backup" in error.value.remedy
    database.close()


@pytest.mark.parametrize("bug", [TypeError, ValueError, KeyError, OverflowError])
@pytest.mark.parametrize("block", [Database.reading, Database.writing])
def test_a_bug_within_a_block_is_told_as_what_it_is(
    state_dir: Path, block: Callable[[Database], object], bug: type[Exception]
) -> None:
    database = Database(state_dir)
    with pytest.raises(bug, match="ours"):
        _raise_within(block(database), bug("ours"))
    database.close()


def _raise_within(block: object, error: Exception) -> None:
    with block:  # type: ignore[attr-defined]  # a context manager; the parametrization hides it
        raise error
