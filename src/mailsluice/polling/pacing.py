"""Pacing: how long a mailbox is left alone after a failure, be it its own or its credential's.

Owns each mailbox's failures in a row, and which credentials slow down. Must never read a clock, do I/O or
log: it is told the monotonic time in seconds, and says what changed (docs/adr/0006-sharing-sessions.md).
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
"""However long a fault lasts, a mailbox is tried at least so often, if its own schedule is as dense."""

_STEP = timedelta(minutes=1)
"""What delays double from, or the mailbox's interval if that is shorter."""

_A_MOMENT = timedelta(seconds=2)
"""Less is not worth another appointment: the wall clock, which polls are due by, may stray as far."""


def interval_of(mailbox: Mailbox) -> timedelta:
    """The time between two polls of a mailbox; for a cron line, the shortest there can be."""
    return mailbox.every if mailbox.every is not None else timedelta(minutes=1)


def delay_after(disposition: Disposition, failures: int, interval: timedelta, jitter: float) -> timedelta:
    """How long to wait at least after the `failures`-th failure in a row.

    The interval, or a minute if that is shorter, is doubled as often as the disposition says, and once more
    for each further failure; up to LONGEST_DELAY, less up to a fifth, by `jitter` from 0 to 1, so that
    mailboxes that fail together part ways. A disposition without doublings asks for no delay.
    """
    if disposition.doublings is None:
        return timedelta()
    doublings = disposition.doublings + failures - 1
    return _doubled(interval, doublings, LONGEST_DELAY) * (1 - jitter / 5)


def _doubled(interval: timedelta, times: int, longest: timedelta) -> timedelta:
    return min(min(interval, _STEP) * (1 << min(times, 20)), longest)


@dataclass(frozen=True, slots=True)
class SlowDown:
    """A credential's mailboxes are left alone until `until`, then come spread over `spread` seconds.

    `level` counts how often it was prolonged, from 1; `began` is when the first of these began. Times in
    monotonic seconds.
    """

    level: int
    began: float
    until: float
    spread: float


@dataclass(slots=True)
class _Credential:
    suspect: str | None = None
    slow: SlowDown | None = None
    silent: bool = False  # it slowed down since nothing was answered, and not by a refusal
    served: float = -inf  # when the latest poll began that went well


@dataclass(slots=True)
class _Pace:
    credential: _Credential
    interval: timedelta
    began: float
    jitter: float
    failures: int = 0
    of_credential: bool = False
    not_before: float = field(default=-inf)


class Pacing:
    """The pace of all mailboxes. Safe to use from any thread.

    A credential slows down when two of its mailboxes in a row, with no success between, fail in a way that
    concerns it as a whole; a mailbox that failed so before is no news and does not count, nor does one while
    whose poll lasted another one was begun and went well. It slows down further only by the failure of a poll
    that began when the slow-down was over, so that a hundred mailboxes that fail in one minute are one step,
    and not by the silence of a mailbox that was silent before. A success of a poll begun since ends it.

    Whatever comes together, a mailbox is not asked to wait longer than LONGEST_DELAY after its last poll
    began, less up to a fifth. `jitter` draws from 0 to 1.
    """

    def __init__(self, mailboxes: Collection[Mailbox], now: float, jitter: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._jitter = jitter
        self._paces: dict[str, _Pace] = {}
        self.follow(mailboxes, now)

    def follow(self, mailboxes: Collection[Mailbox], now: float, anew: Collection[str] = ()) -> None:
        """Go on with these mailboxes alone. Those in `anew` begin anew, as do those that are not known yet.

        A credential does so when all its mailboxes do.
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
        """Begin a poll that is due: zero; or how long it is to be put off, and nothing was begun."""
        with self._lock:
            pace = self._paces[name]
            wait = _wait(pace, now)
            if wait > _A_MOMENT:
                return wait
            pace.began, pace.jitter = now, self._jitter()
            return timedelta()

    def wait(self, name: str, now: float) -> timedelta:
        """How long this mailbox is to be left alone from now on."""
        with self._lock:
            return _wait(self._paces[name], now)

    def forgive(self, names: Collection[str]) -> None:
        """Leave these alone no longer; how often they failed is remembered."""
        with self._lock:
            for name in names:
                self._paces[name].not_before = -inf

    def was_silent(self, name: str) -> bool:
        """Whether its credential slowed down last because its server answered nothing."""
        with self._lock:
            return self._paces[name].credential.silent

    def served(self, name: str) -> bool:
        """Note that the poll went well; whether its credential recovered by that."""
        with self._lock:
            pace = self._paces[name]
            pace.failures, pace.of_credential, pace.not_before = 0, False, -inf
            credential = pace.credential
            credential.suspect = None
            credential.served = max(credential.served, pace.began)
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
        """Note that the poll failed; how its credential slows down, if it begins to or does so further.

        `of_credential`: what failed concerns the credential as a whole. The first such failure of a mailbox
        is never taken for OPERATOR's: one refused login is not a bad credential.
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
            is_own = not news and answer is not Answer.GIVEN  # it hung before: that tells nothing of others
            level = _level(name, pace, news=news) if of_credential and not is_own else 0
            if not level:
                return None
            slow = pace.credential.slow
            pace.credential.silent = answer is not Answer.GIVEN
            pace.credential.slow = _slow_down(level, slow.began if slow else now, now, pace.interval)
            return pace.credential.slow


def _wait(pace: _Pace, now: float) -> timedelta:
    earliest = pace.not_before
    if (slow := pace.credential.slow) is not None:
        earliest = max(earliest, slow.until + slow.spread * pace.jitter)
    latest = pace.began + LONGEST_DELAY.total_seconds() * (1 - pace.jitter / 5)
    return timedelta(seconds=max(min(earliest, latest) - now, 0))


def _level(name: str, pace: _Pace, *, news: bool) -> int:
    """What level of slow-down this failure begins; 0: none that is not there already."""
    credential = pace.credential
    if credential.served > pace.began:
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
    delay = _doubled(interval, level, LONGEST_DELAY * 4 / 5).total_seconds()
    return SlowDown(level, began, now + delay, delay / 4)
