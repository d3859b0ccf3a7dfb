"""The cells of a row: what the ledger's own rows have in them, or the error that says that a row is damaged.

Owns `DamagedRow`, which the functions that make values of rows raise. SQLite keeps any type in any column: a
damaged file, or another program, may leave a cell of which no value can be made. Must never read a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class DamagedRow(Exception):
    """A row that no mailsluice writes. `Database` makes a LedgerError of it, in every kind of block."""

    def __init__(self) -> None:
        super().__init__("it has a row that no mailsluice writes")


def octets(cell: object) -> bytes:
    """The cell, which is octets."""
    if not isinstance(cell, bytes):
        raise DamagedRow
    return cell


def text(cell: object) -> str:
    """The cell, which is text."""
    if not isinstance(cell, str):
        raise DamagedRow
    return cell


def whole(cell: object) -> int:
    """The cell, which is a whole number."""
    if not isinstance(cell, int):
        raise DamagedRow
    return cell


def real(cell: object) -> float:
    """The cell, which is a number, whole or not."""
    if not isinstance(cell, (int, float)):
        raise DamagedRow
    return cell


def numbers(cell: object) -> dict[str, int]:
    """The cell, which is a JSON object of whole numbers."""
    try:
        found = json.loads(text(cell))
    except ValueError as exc:
        raise DamagedRow from exc
    if not isinstance(found, dict):
        raise DamagedRow
    return {word: whole(count) for word, count in found.items()}


def to_json(found: Mapping[str, int]) -> str:
    """What `numbers` reads back."""
    return json.dumps(dict(found))
