"""Pacing: how long a mailbox is left alone after a failure of its own or of its credential.

Owns each mailbox's failures in a row, and which credentials slow down. Must never read a clock, do I/O or
log: it is given the monotonic time in seconds, and returns what changed (docs/adr/0006-sharing-sessions.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from mailsluice.config.models import Mailbox
from mailsluice.outcome import Answer, Disposition

LONGEST_DELAY = timedelta(minutes=15)
"""A mailbox is tried at least this often, however long a fault lasts. A slower schedule stays slower."""

_STEP = timedelta(minutes=1)
"""The delay that is doubled; the mailbox's interval if that is shorter."""

_A_MOMENT = timedelta(seconds=2)
"""A poll is not put off for less. It is due by the wall clock, which may differ by as much."""


def interval_of(mailbox: Mailbox) -> timedelta:
    """The time between two polls of a mailbox. For a cron line it is the shortest possible one, a minute."""
    return mailbox.every if mailbox.every is not None else timedelta(minutes=1)


def delay_after(disposition: Disposition, failures: int, interval: timedelta, jitter: float) -> timedelta:
    """How long to wait at least after the `failures`-th failure in a row.

    The interval, or a minute if that is shorter, is doubled as often as the disposition says, and once more
    for each further failure, up to LONGEST_DELAY. `jitter`, from 0 to 1, makes it up to a fifth shorter, so
    that mailboxes which fail together are not all tried again together. A disposition without doublings gives
    no delay.
    """
    if disposition.doublings is None:
        return timedelta()
    doublings = disposition.doublings + failures - 1
    return _doubled(interval, doublings, LONGEST_DELAY) * (1 - jitter / 5)


def _doubled(interval: timedelta, times: int, longest: timedelta) -> timedelta:
    return min(min(interval, _STEP) * (1 << min(times, 20)), longest)


@dataclass(frozen=True, slots=True)
class SlowDown:
    """A credential's mailboxes are left alone until `until`. Then their polls come within `spread` seconds.

    `level` is 1 at first, and 1 more after each time that the slow-down is prolonged. `began` is when level 1
    began. Times are in monotonic seconds.
    """

    level: int
    began: float
    until: float
    spread: float


@dataclass(slots=True)
class _Credential:
    suspect: str | None = None  # failed as a throttled mailbox does; a second one begins a slow-down
    slow: SlowDown | None = None
    silent: bool = False  # it slowed down because nothing was answered, and not because of a refusal
    refused: bool = False  # it slowed down because of a refusal that somebody must do something about
    served: float = -inf  # when the latest successful poll began


@dataclass(slots=True)
class _Pace:
    credential: _Credential
    interval: timedelta
    began: float
    jitter: float
    failures: int = 0
    of_credential: bool = False  # whether the last failure concerned the credential as a whole
    not_before: float = field(default=-inf)


class Pacing:
    """The pace of all mailboxes. Safe to use from any thread.

    A credential slows down when two different mailboxes fail in a row, with no success between, in a way that
    concerns it as a whole. Two failures do not count: of a mailbox that failed in this way before, and of a
    poll while which another poll of the credential was begun and served.

    Only a poll that began when the delay was over can prolong the slow-down, so that a hundred mailboxes that
    fail in one minute are one step. A mailbox that was silent before, and is silent again, does not prolong
    it. A success of a poll begun since the slow-down ends it.

    No mailbox waits longer than LONGEST_DELAY, less up to a fifth, from the beginning of its last poll.
    `jitter` draws a number from 0 to 1.
    """

    def __init__(self, mailboxes: Collection[Mailbox], now: float, jitter: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._jitter = jitter
        self._paces: dict[str, _Pace] = {}
        self.follow(mailboxes, now)

    def follow(self, mailboxes: Collection[Mailbox], now: float, anew: Collection[str] = ()) -> None:
        """Continue with these mailboxes only. Nothing is remembered of those in `anew`.

        Nothing is remembered of a credential if that is so for all its mailboxes.
        """
        with self._lock:
            before, self._paces = self._paces, {}
            known = [
                (box, before[box.name]) for box in mailboxes if box.name in before and box.name not in anew
            ]
            credentials = {box.credential: pace.credential for box, pace in known}
            for box in mailboxes:
                credential = credentials.setdefault(box.credential, _Credential())
                self._paces[box.name] = _Pace(credential, interval_of(box), now, self._jitter())
            self._paces |= {box.name: pace for box, pace in known}

    def begin(self, name: str, now: float) -> timedelta:
        """Begin a poll that is due, and return zero. If it is too early, return how long to put it off."""
        with self._lock:
            pace = self._paces[name]
            wait = _wait(pace, now)
            if wait > _A_MOMENT:
                return wait
            pace.began, pace.jitter = now, self._jitter()
            return timedelta()

    def wait(self, name: str, now: float) -> timedelta:
        """How long this mailbox must be left alone from now on."""
        with self._lock:
            return _wait(self._paces[name], now)

    def forgive(self, names: Collection[str]) -> None:
        """End the delays of these mailboxes. How often they failed is remembered."""
        with self._lock:
            for name in names:
                self._paces[name].not_before = -inf

    def renew(self, names: Collection[str]) -> bool:
        """End the delays of these mailboxes of one credential: its secret was renewed.

        Its slow-down ends, too, if such a refusal was the cause. Returns whether it has ended.
        """
        with self._lock:
            ended = False
            for name in names:
                pace = self._paces[name]
                pace.not_before = -inf
                if pace.credential.slow is not None and pace.credential.refused:
                    pace.credential.slow, ended = None, True
                pace.credential.suspect = None
            return ended

    def began(self, name: str) -> float:
        """When the last poll of this mailbox began."""
        with self._lock:
            return self._paces[name].began

    def was_silent(self, name: str) -> bool:
        """Whether the last slow-down of its credential was because a server did not answer."""
        with self._lock:
            return self._paces[name].credential.silent

    def served(self, name: str) -> bool:
        """Note that the poll succeeded. Returns whether this ended a slow-down of its credential."""
        with self._lock:
            pace = self._paces[name]
            pace.failures, pace.of_credential, pace.not_before = 0, False, -inf
            credential = pace.credential
            credential.suspect = None
            credential.served = max(credential.served, pace.began)
            # A poll that began before the slow-down proves nothing about the server since then.
            if credential.slow is None or pace.began <= credential.slow.began:
                return False
            credential.slow = None
            return True

    def failed(
        self,
        name: str,
        disposition: Disposition,
        now: float,
        *,
        of_credential: bool,
        answer: Answer = Answer.GIVEN,
    ) -> SlowDown | None:
        """Note that the poll failed. Returns the slow-down of its credential, if one begins or is prolonged.

        `of_credential`: the failure concerns the credential as a whole. The first such failure of a mailbox
        counts as BACK_OFF at most: one refused login does not prove that somebody must change something.
        """
        if disposition is Disposition.RETRY:
            return None
        with self._lock:
            pace = self._paces[name]
            news = of_credential and not pace.of_credential
            pace.failures, pace.of_credential = pace.failures + 1, of_credential
            meant = Disposition.BACK_OFF if news else disposition
            delay = delay_after(meant, pace.failures, pace.interval, pace.jitter)
            pace.not_before = now + delay.total_seconds()
            # A mailbox that is silent again after such a failure proves nothing about the others.
            is_own = not news and answer is not Answer.GIVEN
            level = _level(name, pace, news=news) if of_credential and not is_own else 0
            if not level:
                return None
            slow = pace.credential.slow
            pace.credential.silent = answer is not Answer.GIVEN
            pace.credential.refused = disposition is Disposition.OPERATOR
            pace.credential.slow = _slow_down(level, slow.began if slow else now, now, pace.interval)
            return pace.credential.slow


def _wait(pace: _Pace, now: float) -> timedelta:
    earliest = pace.not_before
    if (slow := pace.credential.slow) is not None:
        earliest = max(earliest, slow.until + slow.spread * pace.jitter)
    # The jitter also applies to the limit, or mailboxes that reach it would all come together.
    latest = pace.began + LONGEST_DELAY.total_seconds() * (1 - pace.jitter / 5)
    return timedelta(seconds=max(min(earliest, latest) - now, 0))


def _level(name: str, pace: _Pace, *, news: bool) -> int:
    """The level of slow-down that this failure begins. 0: it changes nothing."""
    credential = pace.credential
    if credential.served > pace.began:  # it served another mailbox meanwhile, so it is not throttled
        return 0
    if credential.slow is not None:
        return 0 if pace.began < credential.slow.until else credential.slow.level + 1
    if not news:
        return 0
    if credential.suspect in {None, name}:
        credential.suspect = name
        return 0
    return 1


def _slow_down(level: int, began: float, now: float, interval: timedelta) -> SlowDown:
    # Twelve minutes at most: with the spread, a quarter of the delay, that makes LONGEST_DELAY.
    delay = _doubled(interval, level, LONGEST_DELAY * 4 / 5).total_seconds()
    return SlowDown(level, began, now + delay, delay / 4)
