"""Answers: which mailboxes their servers answer, and what that proves of those that wait in vain.

Owns who is polled aside of the others, and whose session is worth less than what waits for it. Must never
read a clock, do I/O or log: it is told the monotonic time in seconds (docs/adr/0016-who-hangs-gives-way.md).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import inf

from mailsluice.config.models import Mailbox
from mailsluice.outcome import Answer

LULL = 5.0
"""Seconds without an octet after which a session may have to give way; most logins take one or two."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A session of the mailbox `name` that has waited for an octet since then, in monotonic seconds."""

    name: str
    since: float


@dataclass(slots=True)
class _Host:
    """The mailboxes of one credential on one server. `served`: when the latest poll began that went well."""

    served: float = -inf


@dataclass(slots=True)
class _Standing:
    """`gave_way`: its last so many polls had to. `with_host`: nobody else there was served meanwhile."""

    host: _Host
    began: float = -inf
    gave_way: int = 0
    aside: bool = False
    with_host: bool = False
    forgiven: bool = False


class Answers:
    """The standing of all mailboxes. Safe to use from any thread."""

    def __init__(self, mailboxes: Iterable[Mailbox]) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, str, int], _Host] = {}
        self._standings: dict[str, _Standing] = {}
        self._waiting: dict[str, float] = {}  # who waits for a session, and since when
        self.follow(mailboxes)

    def follow(self, mailboxes: Iterable[Mailbox]) -> None:
        """Go on with these mailboxes; what is known of those that are where they were is kept."""
        with self._lock:
            hosts, standings = self._hosts, self._standings
            self._hosts, self._standings = {}, {}
            for mailbox in mailboxes:
                place = mailbox.credential, mailbox.host, mailbox.port
                host = self._hosts.setdefault(place, hosts.get(place, _Host()))
                former = standings.get(mailbox.name)
                is_there = former is not None and former.host is host
                self._standings[mailbox.name] = former if former and is_there else _Standing(host)

    def begin(self, name: str, now: float) -> None:
        """Note that a poll begins."""
        with self._lock:
            self._standings[name].began = now

    def end(self, name: str, answer: Answer, *, served: bool) -> Collection[str]:
        """Note how the poll ended; the mailboxes that need not be left alone any longer: their host is back.

        Each of these once until it is served itself: a mailbox that hangs beside others that are polled
        seldom looks like a host that comes and goes.
        """
        with self._lock:
            standing = self._standings[name]
            standing.gave_way = standing.gave_way + 1 if answer is Answer.NOT_AWAITED else 0
            standing.aside = answer is not Answer.GIVEN
            standing.with_host = standing.aside and standing.host.served <= standing.began
            if not served:
                return ()
            standing.forgiven = False
            standing.host.served = max(standing.host.served, standing.began)
            return [other for other, its in self._standings.items() if _is_back(its, standing)]

    def is_aside(self, name: str) -> bool:
        """Whether its last poll had no answer, and its host is not known to be back since."""
        with self._lock:
            return name in self._standings and self._standings[name].aside  # it may wait, and be removed

    def give_way(
        self, silent: Sequence[Silence], waiting: Sequence[str], kept: int, now: float
    ) -> Sequence[int]:
        """Which of these sessions are to end for the sake of mailboxes that wait: their places in `silent`.

        To be asked every second or so: a mailbox that has not waited for a LULL finds a session by itself.
        `kept` sessions wait for as long as their deadlines allow: first those of mailboxes that had to give
        way before, then who waits longest. Any other is worth less, after a LULL, than one whose server
        has served a whole poll since: where it has not, it may be as slow.
        """
        with self._lock:
            self._waiting = {
                name: self._waiting.get(name, now) for name in waiting if name in self._standings
            }
            long = [name for name, since in self._waiting.items() if now - since >= LULL]
            places = [
                place
                for place, each in enumerate(silent)
                if now - each.since >= LULL and each.name in self._standings
            ]
            places.sort(
                key=lambda place: (-self._standings[silent[place].name].gave_way, silent[place].since)
            )
            served = sorted((self._standings[name].host.served for name in long), reverse=True)
            ending: list[int] = []
            for place in reversed(places[kept:]):  # the youngest first
                if len(ending) < len(served) and served[len(ending)] > silent[place].since:
                    ending.append(place)
            return ending


def _is_back(standing: _Standing, served: _Standing) -> bool:
    """Whether this mailbox failed with its host, which has served another since; noted, if so."""
    is_back = (
        standing.host is served.host
        and standing.with_host
        and not standing.forgiven
        and served.began > standing.began
    )
    if is_back:
        standing.aside = standing.with_host = False
        standing.forgiven = True
    return is_back
