"""Whether the soak would notice a daemon that grows."""

from __future__ import annotations

import pytest

from benchmarks.soak import Seen, row, slope


def seen(grows: float) -> list[Seen]:
    """A daemon that has 60 MiB once it has begun, and so many more for each 10,000 polls."""
    begun = [Seen(polls, polls / 50) for polls in range(0, 3_000, 100)]
    return begun + [Seen(polls, 60 + grows * polls / 10_000) for polls in range(3_000, 50_000, 100)]


@pytest.mark.parametrize("grows", [-1.0, 0.0, 12.0])
def test_the_slope_is_that_of_the_polls_after_the_beginning(grows: float) -> None:
    assert slope(seen(grows)) == pytest.approx(grows)


def test_a_row_has_the_memory_on_the_way_and_the_slope_beside_its_aim() -> None:
    assert row(1_000, seen(10.0)) == ("1,000", "49,900", "70.0", "85.0", "109.9", "+10.00 (≤ 1.0)")
