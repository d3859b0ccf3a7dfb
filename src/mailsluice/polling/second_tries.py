"""The second tries: a credential that was refused is tried at once after its secret was renewed.

Owns how often. Must never read a clock or do I/O: it is given the monotonic time in seconds.

Accounts are locked after a few failed logins, often five within half an hour. A script that renews a secret
each second must not cause that. So there are few such tries, and what is renewed meanwhile is tried later.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection
from math import inf

MOST = 3
"""Tries of one credential within the time below: a person who mistypes a secret twice need not wait."""
WITHIN = 900.0
"""Seconds. As long as the longest delay of a mailbox that fails."""


class SecondTries:
    """Which credentials may be tried again now. Not safe among threads: its owner has a lock.

    Each try is for every refused poll of the credential that began before it, and for no other.
    """

    def __init__(self) -> None:
        self._renewed: dict[str, float] = {}
        self._pending: set[str] = set()
        self._tries: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST))

    def renewed(self, credentials: Collection[str], now: float) -> None:
        """Note that the secrets of these credentials were renewed."""
        self._renewed |= dict.fromkeys(credentials, now)
        self._pending |= set(credentials)

    def refused(self, credential: str, began: float) -> bool:
        """Note that a poll which began then was refused. Returns whether to poll its mailbox again at once.

        That is so if it had read the former secret, perhaps, and the try for the new one began meanwhile.
        """
        tries = self._tries[credential]
        if tries and began < tries[-1]:
            return True
        if began < self._renewed.get(credential, -inf):
            self._pending.add(credential)
        return False

    def due(self, refused: Collection[str], now: float) -> list[str]:
        """Those of `refused` that are to be tried now. Others that were renewed need no second try."""
        self._pending &= set(refused)
        due = [name for name in sorted(self._pending) if self._may_try(name, now)]
        for name in due:
            self._tries[name].append(now)
        self._pending -= set(due)
        return due

    def put_off(self, now: float) -> dict[str, float]:
        """Those that were renewed and must not be tried yet, and in how many seconds they may be."""
        return {
            name: self._tries[name][0] + WITHIN - now
            for name in sorted(self._pending)
            if not self._may_try(name, now)
        }

    def _may_try(self, credential: str, now: float) -> bool:
        tries = self._tries[credential]
        return len(tries) < MOST or now - tries[0] >= WITHIN
