from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.case import Case, names
from hostile.corpus import CASES, PLAYED
from hostile.table import MEASURED, PLACE, row
from hostile.world import World
from support.extent import FULL

NEIGHBOURLY = 5.0
"""Seconds that a poll of a good server may take beside a hostile one, on a busy machine."""
MOST_ABOVE_IDLE = 32 * 1024
"""KiB."""
MOST_LOGGED = 512 * 1024
"""Octets: a line for each message that a poll may ask for in vain."""
LONGEST_DETAIL = 2000
_OURS = re.compile(r"\d{8}T[0-9.]+Z-hostile-[0-9a-f]+\.(eml|json)")


def test_every_case_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(names(CASES)).items() if times > 1] == []


def test_the_corpus_has_sixty_servers_at_least() -> None:
    assert len(CASES) >= 60


def test_a_case_that_may_end_by_a_deadline_says_by_which() -> None:
    assert [case.name for case in CASES if "deadline-exceeded" in case.outcomes and not case.within] == []


def test_no_case_may_take_as_long_as_four_times_its_deadline() -> None:
    assert [case.name for case in CASES if case.within and case.limit >= 4 * case.within] == []


if not FULL:  # which writes the page anew

    def test_the_page_has_a_row_for_each_case_in_their_order() -> None:
        rows = [line for line in PLACE.read_text().splitlines() if line.startswith("| ")]
        named = [row.removeprefix("| ").partition(" | ")[0] for row in rows]

        assert [name for name in named if name != "the server"] == names(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("case", PLAYED, ids=names(PLAYED))
def test_a_hostile_server_costs_its_own_mailbox_alone_and_that_little(
    world: World, tmp_path: Path, case: Case, record_property: Callable[[str, object], None]
) -> None:
    played = world.play(case, tmp_path)

    hostile, after = played.hostile, played.after
    record_property(MEASURED, row(case, hostile))
    kept = Counter(case.mail if case.kept is None else case.kept)
    assert hostile.outcome in case.outcomes, hostile.detail
    assert case.says in hostile.detail
    assert hostile.detail.isprintable()
    assert len(hostile.detail) <= LONGEST_DETAIL
    assert set(case.events) <= hostile.events
    assert "bug" not in hostile.events
    assert hostile.log_octets <= MOST_LOGGED
    assert hostile.stored == case.stored
    assert played.gone == case.gone
    assert hostile.seconds <= case.limit
    assert hostile.above_idle <= MOST_ABOVE_IDLE
    assert (hostile.neighbour["outcome"], hostile.neighbour["stored"]) == ("ok", 2)
    assert hostile.neighbour["seconds"] <= NEIGHBOURLY
    assert after.outcome == "ok", after.detail
    assert Counter(played.spool[0]) <= kept
    assert Counter(played.spool[1]) == kept
    assert all(_OURS.fullmatch(path.name) for path in (tmp_path / "hostile").iterdir() if path.is_file())
    if not case.keep:
        assert played.remaining == case.remain
