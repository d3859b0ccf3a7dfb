"""The times of the ledger: whole microseconds since 1970, UTC, which compare as numbers.

Owns the conversion, which is exact both ways. Must never read the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailsluice.ledger.rows import DamagedRow, whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(when: datetime) -> int:
    """The microseconds of an aware time."""
    return (when - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time, in UTC. Raises DamagedRow if the cell is no time."""
    try:
        return _EPOCH + timedelta(microseconds=whole(micros))
    except OverflowError as exc:
        raise DamagedRow from exc
