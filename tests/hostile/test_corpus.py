from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hostile.case import Case, names
from hostile.corpus import CASES
from hostile.world import World

OWN_TIME = 2.0
"""Seconds that we ourselves may take in a poll, on a busy machine: no deadline counts them."""
MOST_ABOVE_IDLE = 32 * 1024
"""KiB."""


def test_every_case_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(names(CASES)).items() if times > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_hostile_server_costs_its_own_mailbox_alone_and_that_little(
    world: World, tmp_path: Path, case: Case
) -> None:
    played = world.play(case, tmp_path)

    hostile, after = played.hostile, played.after
    kept = case.mail if case.kept is None else case.kept
    import sys

    print(
        "MEAS",
        case.name,
        hostile.outcome,
        hostile.detail[:100],
        hostile.stored,
        round(hostile.seconds, 1),
        round(hostile.above_idle / 1024, 1),
        hostile.log_octets,
        hostile.events,
        after.outcome,
        file=sys.stderr,
    )
    assert hostile.outcome in case.outcomes, hostile.detail
    assert case.says in hostile.detail
    assert set(case.events) <= hostile.events
    assert hostile.stored == case.stored
    assert hostile.seconds <= case.limit + OWN_TIME
    assert hostile.above_idle <= MOST_ABOVE_IDLE
    assert (hostile.neighbour["outcome"], hostile.neighbour["stored"]) == ("ok", 2)
    assert after.outcome == "ok", after.detail
    assert not Counter(played.spool[0]) - Counter(kept)
    assert Counter(played.spool[1]) == Counter(kept)
    if not case.keep:
        assert played.remaining == case.remain
