"""Killed again and again at any moment, while a consumer takes mail away, it loses none and repeats none.

A failure prints the log, and the seed that repeats the draws; how they fall is up to the machine's load.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from peers.account import Account, with_lf
from peers.campaign import KEPT, Campaign
from peers.dovecot import Dovecot, PeerMailbox
from peers.killing import Consumer, Victim, digest
from support.extent import FULL
from support.staging import staged_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS, BACKLOG = (168, 840) if FULL else (25, 200)
"""For each of six campaigns: more than 1,000 kills over more than 5,000 messages, or a small form of that."""


def problems(sent: Iterable[bytes], found: Counter[str]) -> dict[str, int]:
    """How many messages are lost, there more than once, or not what was sent."""
    expected = {digest(octets) for octets in sent}
    return {
        "lost": len(expected - found.keys()),
        "twice": sum(found[name] - 1 for name in expected & found.keys()),
        "torn": sum(found[name] for name in found.keys() - expected),
    }


@pytest.fixture
def account(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path, pytestconfig: pytest.Config) -> Account:
    print(f"--randomly-seed={pytestconfig.getoption('randomly_seed', None)}")
    return Account(dovecot, peer, tmp_path)


def assert_all_are_deleted(account: Account, campaign: Campaign) -> None:
    assert account.peer.uidls() == []


def assert_all_are_there(account: Account, campaign: Campaign) -> None:
    assert account.peer.remaining() == campaign.sent


def assert_those_not_due_are_there(account: Account, campaign: Campaign) -> None:
    assert account.peer.uidls() == campaign.not_due()
    assert 0 < len(account.peer.uidls()) < len(campaign.sent)


FORMS = {
    "delete": (False, assert_all_are_deleted),
    "keep": (True, assert_all_are_there),
    "keep-30-days": (f"{KEPT}d", assert_those_not_due_are_there),
}


@pytest.mark.parametrize("sink", ["spool", "maildir"])
@pytest.mark.parametrize(("leave", "assert_left_as_configured"), FORMS.values(), ids=FORMS)
def test_kills_at_any_moment_lose_none_repeat_none_tear_none_and_delete_as_configured(
    account: Account,
    sink: str,
    leave: bool | str,
    assert_left_as_configured: Callable[[Account, Campaign], None],
) -> None:
    with Consumer(account, random.getrandbits(32)) as consumer, Victim(account) as victim:
        campaign = Campaign(account, victim, sink=sink, leave=leave)
        campaign.run(KILLS, BACKLOG)
        campaign.rest()
        assert_left_as_configured(account, campaign)
        campaign.rest(days=KEPT)
    found = consumer.taken + Counter(map(digest, account.stored()))
    expected = [with_lf(octets) for octets in campaign.sent] if sink == "maildir" else campaign.sent
    outcome = problems(expected, found)
    print(campaign, outcome, f"{consumer.taken.total()} taken by the consumer", sep="\n")
    assert outcome == {"lost": 0, "twice": 0, "torn": 0}
    assert consumer.without_description == []
    assert staged_in(account.sink) == []
    assert account.peer.remaining() == (campaign.sent if leave is True else [])
