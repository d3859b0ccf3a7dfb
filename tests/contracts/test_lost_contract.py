"""What every ledger promises of what vanished, and may come back under another UIDL: `session.ports.Lost`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.failure import Failure
from mailsluice.model import Listed, MailboxKey, SessionReport, Staged, State, Stored
from mailsluice.outcome import Outcome
from mailsluice.session.ports import Ledger
from support.confirming import confirm

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY, OTHER = MailboxKey("host", "a@b.example"), MailboxKey("host", "c@b.example")
ONE, TWO = b"one", b"two"


def store(ledger: Ledger, *identities: bytes | None, key: MailboxKey = KEY, leaving: bool = False) -> None:
    staged = [Staged(b"u%d" % n, f"n{n}", 1, 1, who) for n, who in enumerate(identities)]
    ledger.messages.record(key, staged, "spool:/x", NOW)
    ledger.messages.commit(key, [Stored(each.uidl, each.name) for each in staged], NOW, leaving=leaving)


def vanish(ledger: Ledger, *but: bytes, key: MailboxKey = KEY) -> None:
    confirm(ledger.messages, key, but, [], NOW)


def test_what_vanished_is_found_by_its_identity(ledger: Ledger) -> None:
    store(ledger, ONE, TWO)
    assert not ledger.lost.any(KEY)
    vanish(ledger, b"u1")
    assert ledger.lost.any(KEY)
    assert ledger.lost.find(KEY, ONE) == b"u0"
    assert ledger.lost.find(KEY, TWO) is None
    assert ledger.lost.find(OTHER, ONE) is None


@pytest.mark.parametrize("late", [False, True])
def test_what_we_deleted_is_not_lost(ledger: Ledger, late: bool) -> None:
    store(ledger, ONE, leaving=not late)
    if late:
        ledger.lost.leave(KEY, [b"u0"])
    ledger.lost.left(KEY, answered=True)
    vanish(ledger)
    assert not ledger.lost.any(KEY)
    assert ledger.lost.find(KEY, ONE) is None


@pytest.mark.parametrize("said", [False, True])
def test_what_we_asked_to_delete_is_lost_where_quit_was_not_answered_well(ledger: Ledger, said: bool) -> None:
    store(ledger, ONE, leaving=True)
    if said:
        ledger.lost.left(KEY, answered=False)
    vanish(ledger)
    assert ledger.lost.find(KEY, ONE) == b"u0"


def test_what_is_marked_after_a_good_quit_needs_another(ledger: Ledger) -> None:
    ledger.lost.left(KEY, answered=True)
    store(ledger, ONE, leaving=True)
    vanish(ledger)
    assert ledger.lost.find(KEY, ONE) == b"u0"


def test_what_comes_back_leaves_the_quarantine(ledger: Ledger) -> None:
    store(ledger, ONE)
    vanish(ledger)
    back = Listed(1, b"new", 7)
    ledger.failures.note(KEY, {back: Failure(1, NOW, "no")})
    ledger.lost.come_back(KEY, {b"u0": back}, NOW)
    assert ledger.failures.read(KEY) == {}


def test_an_identity_that_two_messages_have_finds_neither(ledger: Ledger) -> None:
    store(ledger, ONE, ONE)
    vanish(ledger, b"u1")
    assert ledger.lost.find(KEY, ONE) is None


def test_what_comes_back_is_stored_under_its_new_uidl(ledger: Ledger) -> None:
    store(ledger, ONE, TWO)
    vanish(ledger)
    ledger.lost.come_back(KEY, {b"u0": Listed(1, b"new", 7)}, NOW)
    assert ledger.messages.known(KEY)[b"new"].state is State.STORED
    assert ledger.messages.known(KEY)[b"new"].since == NOW
    assert b"u0" not in ledger.messages.known(KEY)
    assert ledger.lost.find(KEY, ONE) is None


def test_two_may_come_back_under_each_others_uidls(ledger: Ledger) -> None:
    store(ledger, ONE, TWO)
    vanish(ledger)
    ledger.lost.come_back(KEY, {b"u0": Listed(1, b"u1", 7), b"u1": Listed(2, b"u0", 7)}, NOW)
    assert {uidl: each.identity for uidl, each in ledger.messages.evidence(KEY, [b"u0", b"u1"]).items()} == {
        b"u0": TWO,
        b"u1": ONE,
    }


@pytest.mark.parametrize(
    ("identities", "there", "expected"),
    [
        ((None, None, ONE), (), True),
        ((None, ONE, TWO), (), False),
        ((None, None, ONE), (b"u0", b"u1"), False),
        ((b"", b"", ONE), (), True),
        ((None, ONE), (), False),
    ],
)
def test_most_may_have_nothing_to_be_known_again_by(
    ledger: Ledger, identities: tuple[bytes | None, ...], there: tuple[bytes, ...], expected: bool
) -> None:
    store(ledger, *identities)
    vanish(ledger, *there)
    assert ledger.lost.mostly_nameless(KEY) is expected


def test_the_last_poll_that_went_well_is_known(ledger: Ledger) -> None:
    assert ledger.lost.there_until(KEY) is None
    ledger.reports.note_session(KEY, SessionReport("a", NOW, 1, 1, 1, 0, 9, 2.0, 0, Outcome.OK, ""))
    ledger.reports.flush()
    last = ledger.lost.there_until(KEY)
    assert last is not None
    assert timedelta() <= last - NOW <= timedelta(seconds=2)
