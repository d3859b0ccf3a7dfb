"""What every ledger promises of messages: `session.ports.Messages`, on each implementation."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from contracts.ledgers import KEY, LATER, NOW, OTHER, SINK, STAGED, STORED, states
from mailsluice.errors import Bug
from mailsluice.message.recognition import Evidence
from mailsluice.model import DeletePermit, Known, Listed, Staged, State, Stored
from mailsluice.session.ports import Failures, Messages
from support.confirming import confirm
from support.failing import fail

IDENTIFIED = [(b"u1", b"one"), (b"u2", b"two"), (b"u3", b"two"), (b"u4", None)]

row = partial(Known, identified=False)
"""What is known of a message without an identity."""


def test_a_new_ledger_knows_nothing(messages: Messages) -> None:
    assert messages.known(KEY) == {}
    assert messages.half_done(KEY) == {}
    assert messages.permits(KEY, [b"u1"]) == ()


def test_recorded_messages_are_half_done(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    assert messages.half_done(KEY) == {SINK: STAGED}
    assert messages.known(KEY) == {b"u1": row(State.STAGED, NOW, 9), b"u2": row(State.STAGED, NOW, None)}


def test_half_done_messages_are_told_apart_by_sink(messages: Messages) -> None:
    messages.record(KEY, STAGED[:1], SINK, NOW)
    messages.record(KEY, STAGED[1:], "maildir:/y", NOW)
    assert messages.half_done(KEY) == {SINK: STAGED[:1], "maildir:/y": STAGED[1:]}


def test_half_done_messages_may_not_be_deleted(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    assert messages.permits(KEY, [b"u1", b"u2"]) == ()


def test_commit_makes_them_stored_and_permits_their_deletion(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    assert messages.commit(KEY, STORED, LATER) == (DeletePermit(b"u1"), DeletePermit(b"u2"))
    assert messages.half_done(KEY) == {}
    assert messages.known(KEY)[b"u1"] == row(State.STORED, LATER, 9)


def test_commit_again_permits_again_and_keeps_the_time(stored: Messages) -> None:
    assert len(stored.commit(KEY, STORED, LATER + timedelta(days=1))) == 2
    assert stored.known(KEY)[b"u1"].since == LATER


def test_commit_of_what_was_never_recorded_permits_nothing(messages: Messages) -> None:
    messages.record(KEY, STAGED[:1], SINK, NOW)
    assert messages.commit(KEY, STORED, LATER) == (DeletePermit(b"u1"),)
    assert states(messages) == {b"u1": State.STORED}


def test_commit_under_another_name_than_recorded_permits_nothing(messages: Messages) -> None:
    messages.record(KEY, STAGED[:1], SINK, NOW)
    assert messages.commit(KEY, [Stored(b"u1", "another")], LATER) == ()
    assert states(messages) == {b"u1": State.STAGED}


def test_permits_come_for_stored_messages_only_in_the_order_asked(stored: Messages) -> None:
    assert stored.permits(KEY, [b"u2", b"unknown", b"u1"]) == (DeletePermit(b"u2"), DeletePermit(b"u1"))


@pytest.mark.parametrize("times", [1, 2], ids=["staged", "stored"])
def test_recording_what_is_there_already_is_a_bug_and_writes_nothing(messages: Messages, times: int) -> None:
    messages.record(KEY, STAGED[:1], SINK, NOW)
    if times == 2:
        messages.commit(KEY, STORED[:1], NOW)
    before = messages.known(KEY)
    with pytest.raises(Bug):
        messages.record(KEY, [STAGED[1], STAGED[0]], SINK, LATER)
    assert messages.known(KEY) == before


def test_mailboxes_do_not_see_each_other(stored: Messages) -> None:
    assert stored.known(OTHER) == {}
    assert stored.permits(OTHER, [b"u1"]) == ()
    confirm(stored, OTHER, [], [], LATER)
    assert states(stored) == {b"u1": State.STORED, b"u2": State.STORED}


def test_uidls_are_octets(messages: Messages) -> None:
    uidls = [b"\x00", b"\xff", b"A", b"a", b"", b"1", b"01"]
    messages.record(KEY, [Staged(uidl, f"n{n}", 1) for n, uidl in enumerate(uidls)], SINK, NOW)
    assert set(messages.known(KEY)) == set(uidls)


def test_a_stored_message_absent_from_a_listing_is_gone(stored: Messages) -> None:
    confirm(stored, KEY, [b"u1"], [], LATER)
    assert states(stored) == {b"u1": State.STORED, b"u2": State.GONE}
    assert stored.permits(KEY, [b"u2"]) == ()


def test_a_gone_message_that_is_listed_again_is_in_doubt_until_it_is_recognised(stored: Messages) -> None:
    confirm(stored, KEY, [], [], LATER + timedelta(days=1))
    confirm(stored, KEY, [b"u1", b"u2"], [], LATER + timedelta(days=2))
    assert stored.known(KEY)[b"u1"] == row(State.STORED, LATER, 9, doubt=True)
    assert stored.permits(KEY, [b"u1", b"u2"]) == ()
    stored.recognised(KEY, [Listed(1, b"u1", 12)])
    assert stored.known(KEY)[b"u1"] == row(State.STORED, LATER, 12)
    assert stored.permits(KEY, [b"u1", b"u2"]) == (DeletePermit(b"u1"),)


def test_what_a_mailbox_doubts_may_not_be_deleted(stored: Messages) -> None:
    stored.doubt(KEY)
    assert stored.permits(KEY, [b"u1", b"u2"]) == ()
    assert all(row.doubt for row in stored.known(KEY).values())


def test_a_recognised_message_listed_without_a_size_keeps_the_one_it_is_known_with(stored: Messages) -> None:
    stored.recognised(KEY, [Listed(1, b"u1")])
    assert stored.known(KEY)[b"u1"].listed_size == 9


def test_a_message_that_another_one_replaced_is_gone_and_gives_way(stored: Messages) -> None:
    stored.replaced(KEY, [b"u1"], LATER)
    assert states(stored) == {b"u1": State.GONE, b"u2": State.STORED}
    stored.record(KEY, [Staged(b"u1", "new", 7, 6)], SINK, LATER)
    assert stored.commit(KEY, [Stored(b"u1", "new")], LATER) == (DeletePermit(b"u1"),)


def test_what_is_taken_back_was_never_known(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    messages.take_back(KEY, STAGED[:1])
    assert states(messages) == {b"u2": State.STAGED}


def test_what_is_stored_or_staged_under_another_name_is_not_taken_back(stored: Messages) -> None:
    stored.record(KEY, [Staged(b"u3", "n3", 1)], SINK, NOW)
    stored.take_back(KEY, [*STAGED, Staged(b"u3", "another", 1)])
    assert states(stored) == {b"u1": State.STORED, b"u2": State.STORED, b"u3": State.STAGED}


def test_an_identity_is_evidence_and_says_whether_it_is_one_messages_alone(messages: Messages) -> None:
    staged = [Staged(uidl, uidl.decode(), 1, 1, who) for uidl, who in IDENTIFIED]
    messages.record(KEY, staged, SINK, NOW)
    messages.record(OTHER, staged, SINK, NOW)
    assert messages.evidence(KEY, [uidl for uidl, _ in IDENTIFIED]) == {
        uidl: Evidence(who, alone=who == b"one") for uidl, who in IDENTIFIED if who is not None
    }


def test_a_stored_message_that_stays_is_never_deleted(stored: Messages) -> None:
    stored.stays(KEY, [b"u1"])
    assert states(stored) == {b"u1": State.SEEN, b"u2": State.STORED}
    assert stored.permits(KEY, [b"u1", b"u2"]) == (DeletePermit(b"u2"),)


def test_every_write_of_a_mailbox_counts_and_a_count_goes_on_from_where_the_sink_saw_it(
    stored: Messages,
) -> None:
    before = stored.commits(KEY)
    stored.recognised(KEY, [Listed(1, b"u1", 9)])
    assert stored.commits(KEY) == before + 1
    stored.catch_up(KEY, 99)
    assert stored.commits(KEY) == 99
    assert all(row.doubt for row in stored.known(KEY).values())
    assert stored.commits(OTHER) == 0


def test_gone_rows_are_pruned_30_days_after_they_went(stored: Messages) -> None:
    confirm(stored, KEY, [b"u2"], [], LATER)
    confirm(stored, KEY, [b"u2"], [], LATER + timedelta(days=30))
    assert states(stored) == {b"u1": State.GONE, b"u2": State.STORED}
    confirm(stored, KEY, [b"u2"], [], LATER + timedelta(days=30, seconds=1))
    assert states(stored) == {b"u2": State.STORED}


def test_half_done_messages_are_not_gone_though_absent_from_a_listing(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    confirm(messages, KEY, [], [], LATER + timedelta(days=99))
    assert messages.half_done(KEY) == {SINK: STAGED}


def test_another_message_under_the_uidl_of_one_that_is_gone_is_recorded_anew(stored: Messages) -> None:
    confirm(stored, KEY, [b"u2"], [], LATER)
    stored.record(KEY, [Staged(b"u1", "new", 7, 6)], SINK, LATER)
    assert stored.half_done(KEY) == {SINK: (Staged(b"u1", "new", 7, 6),)}
    assert stored.commit(KEY, [Stored(b"u1", "new")], LATER) == (DeletePermit(b"u1"),)


def test_an_oversize_message_is_remembered_since_it_was_first_seen(messages: Messages) -> None:
    messages.note_oversize(KEY, {Listed(1, b"big", 1000): 1000}, NOW)
    messages.note_oversize(KEY, {Listed(1, b"big", 2000): 2000}, LATER)
    assert messages.known(KEY) == {b"big": row(State.OVERSIZE, NOW, 2000, None, 2000)}
    assert messages.permits(KEY, [b"big"]) == ()


def test_an_oversize_message_is_forgotten_once_it_is_not_listed(messages: Messages) -> None:
    messages.note_oversize(KEY, {Listed(1, b"big", 1000): 1000}, NOW)
    confirm(messages, KEY, [b"big"], [], LATER)
    assert states(messages) == {b"big": State.OVERSIZE}
    confirm(messages, KEY, [], [], LATER)
    assert states(messages) == {}


def test_an_oversize_message_can_be_recorded_after_all(messages: Messages) -> None:
    messages.note_oversize(KEY, {Listed(1, b"u1", 1000): 1000}, NOW)
    messages.record(KEY, STAGED[:1], SINK, LATER)
    assert messages.known(KEY) == {b"u1": row(State.STAGED, LATER, 9)}


def test_an_oversize_message_takes_the_place_of_its_namesake_that_was_stored(stored: Messages) -> None:
    stored.note_oversize(KEY, {Listed(1, b"u1", 1000): 1000}, LATER)
    assert stored.permits(KEY, [b"u1"]) == ()
    assert stored.known(KEY)[b"u1"] == row(State.OVERSIZE, LATER, 1000, None, 1000)


def test_a_half_done_message_is_not_taken_for_oversize(messages: Messages) -> None:
    messages.record(KEY, STAGED, SINK, NOW)
    messages.note_oversize(KEY, {Listed(1, b"u1", 1000): 1000}, LATER)
    assert messages.half_done(KEY) == {SINK: STAGED}


def test_what_another_message_has_the_uidl_of_is_gone_though_the_uidl_is_listed(stored: Messages) -> None:
    confirm(stored, KEY, [b"u1", b"u2"], [b"u1"], LATER)
    assert states(stored) == {b"u1": State.GONE, b"u2": State.STORED}


def test_failures_of_another_message_under_a_known_uidl_are_kept(
    stored: Messages, failures: Failures
) -> None:
    fail(failures, KEY, {Listed(1, b"u1", 5): "no"}, 1, NOW)
    confirm(stored, KEY, [b"u1", b"u2"], [b"u1"], LATER)
    assert failures.read(KEY)[b"u1"].times == 1


def test_a_new_uidl_that_was_that_of_a_message_too_large_takes_its_place(stored: Messages) -> None:
    stored.note_oversize(KEY, {Listed(3, b"big", 1000): 1000}, NOW)
    stored.settle(KEY, {b"u1": Listed(3, b"big", 9)}, [], NOW)
    assert states(stored) == {b"big": State.STORED, b"u2": State.STORED}


def test_what_headers_are_known_again_by_is_kept_with_what_is_half_done_and_stored(
    messages: Messages,
) -> None:
    staged = (Staged(b"u1", "n1", 10, 9, b"identity"), Staged(b"u2", "n2", 20))
    messages.record(KEY, staged, SINK, NOW)
    assert messages.half_done(KEY) == {SINK: staged}
    assert messages.identities(KEY) == {b"u1": b"identity"}


def test_a_message_that_is_settled_under_a_new_uidl_keeps_its_age_and_may_be_deleted(
    stored: Messages,
) -> None:
    stored.settle(KEY, {b"u1": Listed(1, b"new", 12)}, [], NOW)
    assert stored.known(KEY)[b"new"] == row(State.STORED, LATER, 12)
    assert stored.permits(KEY, [b"u1", b"new"]) == (DeletePermit(b"new"),)


def test_uidls_can_be_exchanged(stored: Messages) -> None:
    stored.settle(KEY, {b"u1": Listed(1, b"u2", 9), b"u2": Listed(2, b"u1", 7)}, [], NOW)
    assert {uidl: known.listed_size for uidl, known in stored.known(KEY).items()} == {b"u1": 7, b"u2": 9}


def test_a_new_uidl_that_was_that_of_a_message_now_gone_takes_its_place(stored: Messages) -> None:
    stored.settle(KEY, {b"u1": Listed(1, b"u2", 9)}, [b"u2"], NOW)
    known = dict(stored.known(KEY))
    assert known.pop(b"u2") == row(State.STORED, LATER, 9)
    assert [each.state for each in known.values()] == [State.GONE]


def test_what_is_settled_as_gone_is_gone_since_then(stored: Messages) -> None:
    stored.settle(KEY, {}, [b"u1"], NOW)
    assert stored.known(KEY)[b"u1"] == row(State.GONE, LATER, 9, NOW, leaving=True)


def test_what_is_marked_as_seen_is_known_and_may_not_be_deleted(messages: Messages) -> None:
    messages.mark_seen(KEY, [Listed(1, b"old", 5)], NOW)
    assert messages.known(KEY) == {b"old": row(State.SEEN, NOW, 5)}
    assert messages.permits(KEY, [b"old"]) == ()


def test_what_is_stored_or_half_done_is_not_marked_as_seen(stored: Messages) -> None:
    stored.record(KEY, [Staged(b"u3", "n3", 1)], SINK, NOW)
    stored.mark_seen(KEY, [Listed(1, b"u1", 9), Listed(3, b"u3", 1)], NOW)
    assert states(stored) == {b"u1": State.STORED, b"u2": State.STORED, b"u3": State.STAGED}


def test_what_was_seen_and_is_missing_comes_back_as_seen(messages: Messages) -> None:
    messages.mark_seen(KEY, [Listed(1, b"old", 5)], NOW)
    confirm(messages, KEY, [], [], LATER)
    assert messages.known(KEY) == {b"old": row(State.SEEN, NOW, 5, LATER)}
    confirm(messages, KEY, [b"old"], [], LATER)
    assert messages.known(KEY) == {b"old": row(State.SEEN, NOW, 5, doubt=True)}
    assert messages.permits(KEY, [b"old"]) == ()


def test_another_message_under_the_uidl_of_one_that_was_seen_and_is_missing_is_recorded(
    messages: Messages,
) -> None:
    messages.mark_seen(KEY, [Listed(1, b"u1", 5)], NOW)
    confirm(messages, KEY, [], [], LATER)
    messages.record(KEY, STAGED[:1], SINK, LATER)
    assert states(messages) == {b"u1": State.STAGED}
