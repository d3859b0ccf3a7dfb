"""What every ledger promises of staging directories: `session.ports.Stagings`, on each implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.ledgers import KEY, LATER, NOW, OTHER, SINK
from mailsluice.model import Where
from mailsluice.session.ports import Ledger, Stagings

WHERE = Where(SINK, "sink", ("/mnt",), "place", "token")


@pytest.fixture
def stagings(ledger: Ledger) -> Stagings:
    return ledger.stagings


def test_where_messages_are_staged_is_remembered_by_mailbox_and_sink(stagings: Stagings) -> None:
    stagings.note(KEY, WHERE)
    assert stagings.known(KEY, SINK) == WHERE
    assert stagings.known(KEY, "spool:/y") == Where("spool:/y", "", ("/mnt",), "")
    stagings.note(KEY, replace(WHERE, place="another"))
    assert stagings.every() == [(KEY, replace(WHERE, place="another"))]


def test_a_sink_that_another_mailbox_uses_is_known_though_not_its_place_for_this_one(
    stagings: Stagings,
) -> None:
    assert stagings.known(KEY, SINK) is None
    stagings.note(OTHER, WHERE)
    assert stagings.known(KEY, SINK) == replace(WHERE, place="", token="")
    stagings.note(KEY, replace(WHERE, sink_id="of its own"))
    assert stagings.known(KEY, SINK) == replace(WHERE, sink_id="of its own")


def test_a_staging_directory_that_is_gone_is_forgotten(stagings: Stagings) -> None:
    stagings.note(KEY, WHERE)
    stagings.forget(KEY, SINK)
    assert stagings.every() == []


def test_what_was_left_behind_in_a_sink_is_known_since_it_was_first_seen_until_it_is_over(
    stagings: Stagings,
) -> None:
    stagings.note_orphans(SINK, {"one", "two"}, (), NOW)
    stagings.note_orphans(SINK, {"two", "three"}, {"one"}, LATER)
    assert stagings.orphans(SINK) == {"two": NOW, "three": LATER}
    assert stagings.orphans("spool:/y") == {}


def test_when_it_was_last_tidied_up_is_known(stagings: Stagings) -> None:
    assert stagings.tidied() is None
    stagings.note_tidied(LATER)
    assert stagings.tidied() == LATER
