"""What every ledger promises of a mailbox under several names: `session.ports.Aliases`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contracts.ledgers import KEY, LATER, NOW, OTHER, SINK
from mailsluice.model import Listed, MailboxKey, Staged, Stored
from mailsluice.session.ports import Aliases, Ledger, Messages
from support.confirming import confirm

MOVED = MailboxKey("elsewhere.example", KEY.address)
"""The address of KEY at another host."""


@pytest.fixture
def aliases(ledger: Ledger) -> Aliases:
    return ledger.aliases


def store(messages: Messages, key: MailboxKey, identities: Sequence[bytes | None]) -> None:
    staged = [Staged(b"u%d" % n, f"n{n}", 1, 1, who) for n, who in enumerate(identities)]
    messages.record(key, staged, SINK, NOW)
    messages.commit(key, [Stored(each.uidl, each.name) for each in staged], NOW)


def test_a_mailbox_is_blank_until_a_message_of_it_is_known(aliases: Aliases, messages: Messages) -> None:
    assert aliases.is_blank(KEY)
    store(messages, OTHER, [None])
    assert aliases.is_blank(KEY)
    store(messages, KEY, [None])
    assert not aliases.is_blank(KEY)


def test_others_are_those_whose_messages_were_there_when_last_listed(
    aliases: Aliases, messages: Messages
) -> None:
    store(messages, KEY, [None])
    store(messages, OTHER, [None])
    assert aliases.others(KEY) == [OTHER]
    confirm(messages, OTHER, [], [], LATER)
    assert aliases.others(KEY) == []


def test_of_the_same_address_elsewhere_messages_that_are_gone_are_enough_and_it_comes_last(
    aliases: Aliases, messages: Messages
) -> None:
    store(messages, MOVED, [None])
    confirm(messages, MOVED, [], [], LATER)
    store(messages, OTHER, [None])
    assert aliases.others(KEY) == [OTHER, MOVED]


def test_identities_are_counted_that_other_mailboxes_have_too(aliases: Aliases, messages: Messages) -> None:
    store(messages, KEY, [b"one", b"two", b"three"])
    store(messages, OTHER, [b"two", b"three", b"four"])
    store(messages, MOVED, [b"three"])
    assert aliases.also_in(KEY, [b"one", b"two", b"three"]) == {OTHER: 2, MOVED: 1}


def test_a_renamed_mailbox_is_known_by_its_new_name_alone(aliases: Aliases, messages: Messages) -> None:
    store(messages, KEY, [b"one"])
    aliases.rename(KEY, MOVED, is_proven=True, now=LATER)
    assert messages.known(KEY) == {}
    assert len(messages.permits(MOVED, [b"u0"])) == 1


def test_what_is_renamed_without_proof_is_in_doubt(aliases: Aliases, messages: Messages) -> None:
    store(messages, KEY, [b"one"])
    messages.mark_seen(KEY, [Listed(2, b"nameless", 1)], NOW)
    aliases.rename(KEY, MOVED, is_proven=False, now=LATER)
    known = messages.known(MOVED)
    assert known[b"u0"].doubt
    assert b"nameless" not in known
    assert messages.permits(MOVED, [b"u0"]) == ()
