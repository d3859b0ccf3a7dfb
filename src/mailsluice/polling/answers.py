"""Answers: which mailboxes get answers from their servers, and what that proves about the silent ones.

Owns which mailboxes are polled aside, and which silent sessions end early because other mailboxes wait. Must
never read a clock, do I/O or log: it is given the monotonic time in seconds
(docs/adr/0016-who-hangs-gives-way.md).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import inf

from mailsluice.config.models import Mailbox
from mailsluice.outcome import Answer

LULL = 5.0
"""Seconds without an octet after which a session may have to give way. Most logins take one or two."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A session of the mailbox `name`. It has waited for an octet since `since`, in monotonic seconds."""

    name: str
    since: float


@dataclass(slots=True)
class _Host:
    """The mailboxes of one credential on one server. `served` is when the latest successful poll began."""

    served: float = -inf


@dataclass(slots=True)
class _Standing:
    """What is known of one mailbox.

    `began` is when its latest poll began. `gave_way` is how many polls in a row gave way. `aside`: the latest
    poll got no answer. `with_host`: and no poll of the same host that began later was served meanwhile.
    `forgiven`: it was already brought back once since it was served itself.
    """

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
        self._waiting: dict[str, float] = {}  # since when a mailbox waits for a session
        self.follow(mailboxes)

    def follow(self, mailboxes: Iterable[Mailbox]) -> None:
        """Continue with these mailboxes. One with the same host and credential keeps what is known of it."""
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
        """Note how the poll ended. Returns the mailboxes whose host is back, to be left alone no longer.

        A mailbox is returned only once until it is served itself. Otherwise one that hangs, beside others
        that are polled seldom, would look like a host that comes and goes.
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
            return [name for name, other in self._standings.items() if _is_back(other, standing)]

    def is_aside(self, name: str) -> bool:
        """Whether its last poll got no answer, and its host is not known to be back since."""
        with self._lock:
            # A mailbox that waits for its turn may have been removed meanwhile.
            return name in self._standings and self._standings[name].aside

    def give_way(
        self, silent: Sequence[Silence], waiting: Sequence[str], kept: int, now: float
    ) -> Sequence[int]:
        """Which of these sessions must end because mailboxes wait: their indices in `silent`.

        To be called about once a second. A mailbox counts as waiting only after a LULL, because most find a
        session sooner. `kept` silent sessions may wait as long as their deadlines allow: first those of
        mailboxes that gave way before, then the longest waits. Any other must end after a LULL, if the
        waiting mailbox's host has begun and served a whole poll since the silence began. Without this proof
        the waiting mailbox's server may be just as slow.
        """
        with self._lock:
            self._waiting = {
                name: self._waiting.get(name, now) for name in waiting if name in self._standings
            }
            long = [name for name, since in self._waiting.items() if now - since >= LULL]
            indices = [
                index
                for index, session in enumerate(silent)
                if now - session.since >= LULL and session.name in self._standings
            ]
            indices.sort(
                key=lambda index: (-self._standings[silent[index].name].gave_way, silent[index].since)
            )
            served = sorted((self._standings[name].host.served for name in long), reverse=True)
            ending: list[int] = []
            # The youngest first. Each session that ends serves one waiting mailbox, so each needs a proof of
            # its own: the next one in `served`.
            for index in reversed(indices[kept:]):
                if len(ending) < len(served) and served[len(ending)] > silent[index].since:
                    ending.append(index)
            return ending


def _is_back(standing: _Standing, served: _Standing) -> bool:
    """Whether this mailbox failed together with its host, and the host served another one since.

    If so, this is noted.
    """
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
