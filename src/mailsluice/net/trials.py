"""The trials: what a proxy said to a user and password, so that a wrong one locks no account.

Owns who may present one, and when. Must never keep a password: a digest knows it again. Must never write
anything down, and never know what is said to a proxy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import blake2b
from secrets import token_bytes
from typing import TypeVar

from mailsluice.clock import Clock, SystemClock
from mailsluice.net.dialing import ATTEMPT_DELAY

HELD_BACK = 15 * 60.0
"""Seconds in which what was refused is not presented again. Directories count wrong passwords, and lock."""
SILENCE = 5.0
"""Seconds of a trial after which the next one begins beside it.

A proxy answers a wrong password sooner. If it is silent, then often because of the server that was asked for:
that must not hold up the mailboxes of other servers.
"""

_T = TypeVar("_T")


class Refused(Exception):
    """The proxy does not know who asks: its status, and the names of the schemes that it wants."""

    def __init__(self, status: int, schemes: list[str]) -> None:
        super().__init__(status, schemes)
        self.status = status
        self.schemes = schemes


class Trials:
    """What is known of each login (user and password, as they are sent) at each proxy. Safe among threads.

    Time in which the machine sleeps does not count.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._key = token_bytes(32)  # a digest that leaks is of no use without it
        self._changed = threading.Condition()
        self._accepted: set[bytes] = set()
        self._refused: dict[bytes, tuple[float, Refused]] = {}
        self._begun: dict[bytes, float] = {}

    def present(self, address: str, login: bytes, left: Callable[[], float], ask: Callable[[], _T]) -> _T:
        """What `ask` returns, which presents this login to the proxy at this address.

        Nobody waits if the login was accepted once: if `ask` returned. Otherwise one asks at a time, and the
        others wait for the answer. `left` is as in `dial`. Raises what `left` and `ask` raise; and Refused
        without asking, for HELD_BACK after `ask` raised it.
        """
        digest = blake2b(b"%s %s" % (address.encode(), login), key=self._key).digest()
        begun = self._begin(digest, left)
        try:
            answer = ask()
        except Refused as refused:
            with self._changed:
                self._accepted.discard(digest)
                self._refused[digest] = self._clock.monotonic(), Refused(refused.status, refused.schemes)
            raise
        else:
            with self._changed:
                if digest not in self._refused:  # which is newer, or was at the same time
                    self._accepted.add(digest)
            return answer
        finally:
            with self._changed:
                if begun is not None and self._begun.get(digest) == begun:
                    del self._begun[digest]
                self._changed.notify_all()

    def _begin(self, digest: bytes, left: Callable[[], float]) -> float | None:
        """Wait until this login may be presented. Returns when its trial began; None if it needs none."""
        with self._changed:
            while True:
                now = self._clock.monotonic()
                self._look_back(digest, now)
                if digest in self._accepted:
                    return None
                if digest not in self._begun or now - self._begun[digest] >= SILENCE:
                    self._begun[digest] = now
                    return now
                self._changed.wait(min(ATTEMPT_DELAY, left()))  # often enough to hear of a stop

    def _look_back(self, digest: bytes, now: float) -> None:
        """Raise Refused if it was refused not long ago."""
        if digest in self._refused:
            since, refused = self._refused[digest]
            if now - since < HELD_BACK:
                raise Refused(refused.status, refused.schemes)
            del self._refused[digest]
