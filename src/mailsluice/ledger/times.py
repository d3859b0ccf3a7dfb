"""Times as the ledger keeps them: whole microseconds since 1970, UTC, which compare as numbers.

Owns the conversion, exact both ways; must never read the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailsluice.ledger.rows import DamagedRow, whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(when: datetime) -> int:
    """An aware time as the ledger keeps it."""
    return (when - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time, in UTC, that the ledger kept. Raises DamagedRow for what is no time."""
    try:
        return _EPOCH + timedelta(microseconds=whole(micros))
    except OverflowError as exc:
        raise DamagedRow from exc
