from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mailsluice.ledger.times import from_micros, to_micros

MICROS = st.integers(min_value=-(2**55), max_value=2**57)


@given(MICROS)
def test_a_time_comes_back_as_it_went(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@given(MICROS, st.integers(min_value=-23, max_value=23))
def test_the_zone_it_was_written_in_does_not_matter(micros: int, hours: int) -> None:
    there = from_micros(micros).astimezone(timezone(timedelta(hours=hours)))
    assert to_micros(there) == micros


def test_a_time_comes_back_in_utc() -> None:
    assert from_micros(1_000_001) == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
