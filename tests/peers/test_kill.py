"""Killed again and again at any moment, while a consumer takes mail away, it loses none and repeats none.

A failure prints the log, and the seed that repeats the draws; how they fall is up to the machine's load.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers.account import Account, with_lf
from peers.dovecot import Dovecot, PeerMailbox
from peers.killing import BEFORE_LOGIN, UNDISTURBED, Consumer, Death, Remains, Victim, digest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 100
"""So many messages are spent on measuring how long a poll takes."""
MEASURE_EVERY = 10
"""One poll of so many is left alone, so that the estimate follows the machine's load."""
PUBLISHING = 0.006
"""Seconds in which the rest of a batch is mostly done once its first message is published."""


def message(number: int) -> bytes:
    """No two alike; most are small, some take many reads from the network."""
    octets = random.choice([0, 300, 300, 3000, 3000, 3000, 30_000, 300_000 if number % 16 == 0 else 3000])
    line = random.randbytes(25).hex().encode() + b"\r\n"
    return b"Subject: %d\r\n\r\n.%d\r\n" % (number, number) + line * (octets // len(line))


@dataclass
class Pace:
    """How long a poll that is left alone is thought to take, in seconds, by the number of its messages."""

    base: float
    each: float

    def of(self, count: int) -> float:
        return self.base + count * self.each

    def learn(self, count: int, seconds: float) -> None:
        factor = 0.5 + 0.5 * seconds / self.of(count)
        self.base, self.each = self.base * factor, self.each * factor


class Campaign:
    """Polls that are killed at random moments, spread over the whole of a poll and over the whole backlog."""

    def __init__(self, account: Account, victim: Victim, *, sink: str, leave: bool) -> None:
        self.sent: list[bytes] = []
        self.phases: Counter[str] = Counter()
        self.polls = 0
        self._account = account
        self._victim = victim
        self._sink = sink
        self._leave = leave
        self._pace = Pace(0, 0)

    def run(self, kills: int, backlog: int) -> None:
        self._measure()
        self._arrive(backlog)
        while self.kills < kills:
            self._attack(kills - self.kills)

    @property
    def kills(self) -> int:
        """Those that count: what came before the login met little work."""
        return self.phases.total() - self.phases[BEFORE_LOGIN]

    def __str__(self) -> str:
        phases = "".join(f"\n{times:5} in row {phase}" for phase, times in sorted(self.phases.items()))
        return (
            f"{self.polls} polls, {self.phases.total()} killed, {self.kills} of them after the login:{phases}"
        )

    def configure(self, most: int) -> None:
        self._account.configure(sink=self._sink, leave_on_server=self._leave, max_per_poll=most)

    def _measure(self) -> None:
        """By a poll of one message and one of many; the very first, which makes the ledger, does not count."""
        seconds = []
        for count in (1, 1, MANY):
            self._arrive(count)
            seconds.append(self._poll(count).seconds)
        each = max(0.0, seconds[2] - seconds[1]) / (MANY - 1)
        self._pace = Pace(seconds[1] - each, each)

    def _attack(self, kills: int) -> None:
        """One poll, of many that are to bring so many kills.

        Half of the kills may come at any time. As the later rows of the crash table are passed in
        milliseconds, the other half comes in those after the first message is published.
        """
        before = Remains.of(self._account)
        most = self._most(len(self.sent) - before.rows, kills)
        if self.polls % MEASURE_EVERY == 0:
            self._pace.learn(most, self._poll(most).seconds)
            return
        if random.random() < 0.5:
            expected = self._pace.of(most)
            death = self._poll(most, random.triangular(0, 1.1 * expected, expected))
        else:
            death = self._poll(most, random.uniform(0, PUBLISHING), self._account.staging())
        if death.killed:
            self.phases[Remains.of(self._account).phase_since(before)] += 1

    def _most(self, left: int, kills: int) -> int:
        """How many messages a poll may fetch, so that some are left for every kill to come.

        Should they not last, more mail arrives.
        """
        if left < 2 * kills:
            self._arrive(2 * kills)
            left += 2 * kills
        return min(1 + int(random.expovariate(kills / left)), left - kills)

    def _arrive(self, count: int) -> None:
        arrived = [message(len(self.sent) + number) for number in range(count)]
        self._account.peer.deliver_many(arrived)
        self.sent += arrived

    def _poll(self, most: int, seconds: float = UNDISTURBED, watch: Path | None = None) -> Death:
        self.configure(most)
        self.polls += 1
        death = self._victim.poll(seconds, watch)
        assert death.killed or death.code == 0, f"a poll left alone ended with exit code {death.code}"
        return death


def flaws(sent: Iterable[bytes], found: Counter[str]) -> dict[str, int]:
    """How many messages are lost, there more than once, or not what was sent."""
    expected = {digest(octets) for octets in sent}
    return {
        "lost": len(expected - found.keys()),
        "twice": sum(found[name] - 1 for name in expected & found.keys()),
        "torn": sum(found[name] for name in found.keys() - expected),
    }


def survive(account: Account, kills: int, backlog: int, *, sink: str, leave: bool) -> list[bytes]:
    """Kill, poll once more in peace, and find every message once and whole. Returns what was sent."""
    with Consumer(account, random.getrandbits(32)) as consumer, Victim(account) as victim:
        campaign = Campaign(account, victim, sink=sink, leave=leave)
        campaign.run(kills, backlog)
        campaign.configure(len(campaign.sent))
        last = account.poll()
    print(campaign)
    assert last.code == 0
    found = consumer.taken + Counter(map(digest, account.stored()))
    expected = [with_lf(octets) for octets in campaign.sent] if sink == "maildir" else campaign.sent
    assert flaws(expected, found) == {"lost": 0, "twice": 0, "torn": 0}
    assert consumer.without_description == []
    assert list(account.staging().iterdir()) == []
    return campaign.sent


@pytest.fixture
def account(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path, pytestconfig: pytest.Config) -> Account:
    print(f"--randomly-seed={pytestconfig.getoption('randomly_seed', None)}")
    return Account(dovecot, peer, tmp_path)


def test_two_hundred_kills_over_two_thousand_messages_lose_none_and_repeat_none(account: Account) -> None:
    sent = survive(account, kills=200, backlog=2000, sink="spool", leave=False)
    assert account.peer.remaining() == []
    assert len(list(account.sink.glob("*.json"))) == len(sent)


def test_kills_of_polls_that_keep_mail_on_the_server_lose_none_and_repeat_none(account: Account) -> None:
    sent = survive(account, kills=40, backlog=400, sink="maildir", leave=True)
    assert account.peer.remaining() == sent
