"""The cells of a row: each is of the expected type, or the row is damaged.

Owns `DamagedRow`, which is raised by the functions that turn cells into values. SQLite keeps any type in any
column. So a damaged file, or another program, may leave a cell that is no such value. Must never read a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class DamagedRow(Exception):
    """A row that no mailsluice writes. `Database` turns it into a LedgerError, when reading and writing."""

    def __init__(self) -> None:
        super().__init__("it has a row that no mailsluice writes")


def octets(cell: object) -> bytes:
    """The cell, which has to be octets. Raises DamagedRow."""
    if not isinstance(cell, bytes):
        raise DamagedRow
    return cell


def text(cell: object) -> str:
    """The cell, which has to be text. Raises DamagedRow."""
    if not isinstance(cell, str):
        raise DamagedRow
    return cell


def whole(cell: object) -> int:
    """The cell, which has to be a whole number. Raises DamagedRow."""
    if not isinstance(cell, int):
        raise DamagedRow
    return cell


def real(cell: object) -> float:
    """The cell, which has to be a number, whole or not. Raises DamagedRow."""
    if not isinstance(cell, (int, float)):
        raise DamagedRow
    return cell


def numbers(cell: object) -> dict[str, int]:
    """The cell, which has to be a JSON object of whole numbers. Raises DamagedRow."""
    try:
        found = json.loads(text(cell))
    except ValueError as exc:
        raise DamagedRow from exc
    if not isinstance(found, dict):
        raise DamagedRow
    return {word: whole(count) for word, count in found.items()}


def to_json(found: Mapping[str, int]) -> str:
    """The JSON text of these, which `numbers` reads back."""
    return json.dumps(dict(found))
