"""Polls of one mailbox that are killed at random moments, while the months pass.

Owns how the kills are spread, over the whole of a poll and over the whole backlog, and what must hold after
each of them. Must never look into the sink: what came of it all is for the consumer's friends to judge.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from peers.account import Account
from peers.killing import BEFORE_LOGIN, UNDISTURBED, Moment, Remains, Victim

MANY = 100
"""So many messages are spent on measuring how long a poll takes."""
MEASURE_EVERY = 10
"""One poll of so many is left alone, so that the estimate follows the machine's load."""
PUBLISHING = 0.002
"""Seconds after which half of a batch is done, about, once its first message is published."""
KEPT = 30
"""Days that `leave_on_server = "30d"` keeps a message, and the ledger what is gone."""
DAYS = 75
"""How long a campaign takes by the victims' clocks: mail becomes due in it, is gone, and is forgotten."""


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
    """So many kills of polls that fetch a backlog. `leave` is the mailbox's leave_on_server."""

    def __init__(self, account: Account, victim: Victim, *, sink: str, leave: bool | str) -> None:
        self.sent: list[bytes] = []
        self.stored_on: dict[bytes, int] = {}
        self._account = account
        self._victim = victim
        self._sink = sink
        self._leave = leave
        self._phases: Counter[str] = Counter()
        self._polls = 0
        self._day = 0
        self._pace = Pace(0, 0)
        self._remains = Remains()

    def run(self, kills: int, backlog: int) -> None:
        self._measure()
        self._arrive(backlog)
        while self.kills < kills:
            self._day = DAYS * self.kills // kills
            self._attack(kills - self.kills)
        self._day = DAYS

    def rest(self, *, days: int = 0) -> None:
        """One poll of everything, so many days later, that is left alone."""
        self._day += days
        self._poll(len(self.sent))

    @property
    def kills(self) -> int:
        """Those that count: what came before the login met little work."""
        return self._phases.total() - self._phases[BEFORE_LOGIN]

    def not_due(self) -> list[bytes]:
        """The UIDLs of what was stored less than 30 days ago, in order."""
        return sorted(uidl for uidl, day in self.stored_on.items() if self._day - day < KEPT)

    def __str__(self) -> str:
        phases = "".join(f"\n{times:5} in row {phase}" for phase, times in sorted(self._phases.items()))
        return (
            f"{self._sink}, leave_on_server = {self._leave}: {len(self.sent)} messages, {self._polls} polls, "
            f"{self._phases.total()} killed, {self.kills} of them after the login:{phases}"
        )

    def _measure(self) -> None:
        """By a poll of one message and one of many; the very first, which makes the ledger, does not count."""
        seconds = []
        for count in (1, 1, MANY):
            self._arrive(count)
            seconds.append(self._poll(count))
        each = max(0.0, seconds[2] - seconds[1]) / (MANY - 1)
        self._pace = Pace(seconds[1] - each, each)

    def _attack(self, kills: int) -> None:
        """One poll, of many that are to bring so many kills.

        A third of the kills may come at any time, a third while mail arrives and is recorded. As the later rows of
        the crash table are passed in milliseconds, a third comes in those after the first message is published.
        """
        most = self._most(kills)
        if self._polls % MEASURE_EVERY == 0:
            self._pace.learn(most, self._poll(most))
            return
        expected, staging = self._pace.of(most), self._account.staging()
        match random.choice(["anywhere", "comes", "leaves"]):
            case "anywhere":
                self._poll(most, random.triangular(0, 1.1 * expected, expected))
            case "comes":
                self._poll(most, random.uniform(0, expected - self._pace.of(0)), (staging, "comes"))
            case _:
                self._poll(most, random.expovariate(1 / PUBLISHING), (staging, "leaves"))

    def _most(self, kills: int) -> int:
        """How many messages a poll may fetch, so that some are left for every kill to come.

        Should they not last, more mail arrives.
        """
        left = self._left()
        if left < 2 * kills:
            self._arrive(2 * kills)
            left = self._left()
        return min(1 + int(random.expovariate(kills / left)), left - kills)

    def _left(self) -> int:
        return len(set(self._account.peer.uidls()) - self._remains.known)

    def _arrive(self, count: int) -> None:
        arrived = [message(len(self.sent) + number) for number in range(count)]
        self._account.peer.deliver_many(arrived)
        self.sent += arrived

    def _poll(
        self, most: int, seconds: float = UNDISTURBED, watch: tuple[Path, Moment] | None = None
    ) -> float:
        """The seconds it lived."""
        self._account.configure(sink=self._sink, leave_on_server=self._leave, max_per_poll=most)
        self._polls += 1
        on_server = frozenset(self._account.peer.uidls())
        death = self._victim.poll(seconds, watch, days=self._day)
        assert death.killed or death.code == 0, f"a poll left alone ended with exit code {death.code}"
        before, self._remains = self._remains, Remains.of(self._account)
        if death.killed:
            self._phases[self._remains.phase_since(before)] += 1
        self._judge_deletions(on_server - self._remains.on_server)
        return death.seconds

    def _judge_deletions(self, deleted: frozenset[bytes]) -> None:
        """Whatever is gone from the server is in the ledger as stored, and was so for as long as it had to be."""
        for uidl in self._remains.stored - self.stored_on.keys():
            self.stored_on[uidl] = self._day
        assert deleted <= self.stored_on.keys(), "deleted, though not recorded as stored"
        assert self._leave is not True or not deleted, "deleted, though it was to be kept"
        if self._leave == f"{KEPT}d":
            assert deleted.isdisjoint(self.not_due()), "deleted before it was due"
