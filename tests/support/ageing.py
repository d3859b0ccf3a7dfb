"""A ledger whose failures are made older than they are, for a test that cannot wait a day."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from mailsluice.ledger.database import FILE


def age_failures(state_dir: Path, by: timedelta) -> None:
    """Say that the first failure of each message was so much earlier."""
    with closing(sqlite3.connect(state_dir / FILE)) as connection:
        connection.execute("UPDATE failure SET first = first - ?", (by // timedelta(microseconds=1),))
        connection.commit()
