"""What every ledger promises as a whole: `session.ports.Ledger`, on each implementation."""

from __future__ import annotations

from collections.abc import Callable

from contracts.ledgers import KEY, LATER, NOW, OTHER, SINK, STAGED, STORED, states
from mailsluice.model import MailboxKey, State
from mailsluice.session.ports import Ledger


def test_it_is_new_to_who_made_it_alone(opened: Callable[[], Ledger]) -> None:
    with opened() as ledger:
        assert ledger.is_new
    with opened() as again:
        assert not again.is_new


def test_it_keeps_its_id(opened: Callable[[], Ledger]) -> None:
    with opened() as ledger:
        known = ledger.id
    with opened() as again:
        assert again.id == known != ""


def test_what_is_committed_is_known_to_who_opens_it_next(opened: Callable[[], Ledger]) -> None:
    with opened() as ledger:
        ledger.messages.record(KEY, STAGED, SINK, NOW)
        ledger.messages.commit(KEY, STORED[:1], LATER)
    with opened() as again:
        assert states(again.messages) == {b"u1": State.STORED, b"u2": State.STAGED}


def test_what_one_process_commits_another_one_knows_at_once(
    ledger: Ledger, opened: Callable[[], Ledger]
) -> None:
    with opened() as other:
        ledger.messages.record(KEY, STAGED, SINK, NOW)
        assert states(other.messages) == {b"u1": State.STAGED, b"u2": State.STAGED}


def test_its_time_never_goes_back(ledger: Ledger, opened: Callable[[], Ledger]) -> None:
    before = ledger.now()
    assert ledger.now() >= before
    with opened() as other:
        assert other.now() >= before


def test_it_is_the_one_that_was_opened_as_long_as_nobody_replaced_it(ledger: Ledger) -> None:
    ledger.check()


def test_staging_owners_differ_by_mailbox_and_outlast_the_process(
    ledger: Ledger, opened: Callable[[], Ledger]
) -> None:
    owner = ledger.staging_owner(KEY)
    assert ledger.staging_owner(OTHER) != owner
    with opened() as again:
        assert again.staging_owner(KEY) == owner


def test_a_staging_owner_is_a_plain_file_name(ledger: Ledger) -> None:
    assert ledger.staging_owner(MailboxKey("../..", "/etc/x\0")).replace("-", "").isalnum()


def test_hosts_and_addresses_cannot_be_shifted_into_each_other(ledger: Ledger) -> None:
    assert ledger.staging_owner(MailboxKey("ab", "c")) != ledger.staging_owner(MailboxKey("a", "bc"))
