"""The token cache: one token in memory, in front of one source.

Owns when the source is asked, by which thread, and how long its token and its failure are used. Must never
write a token to a disk, and never ask twice at once.

msal has a cache, too, but not one for a daemon: several threads may ask at once, an error is remembered for a
minute, and a 5xx answer raises even if there is a good token. So no source uses it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mailsluice.auth.sources.source import LONGEST, TokenSource
from mailsluice.clock import Clock
from mailsluice.errors import SecretError, TokenError, TokenUnavailable

_RENEW_AT = 0.75
"""The share of its life after which a token is renewed. The rest is enough for a short outage."""
_LAST_USE = 120.0
"""Seconds before its end from which a token is not used any more: connecting and AUTH take time."""
_OLD = 300.0
"""A refused token of this age in seconds is renewed: a permission may have been granted since."""
_FAILURE_HOLDS = 5.0
"""Seconds for which a failure is the answer for all: threads that waited for it, and later ones."""
_PATIENCE = LONGEST + 5.0
"""Seconds to wait for a thread that asks. After that it is stuck, because a source gives up in LONGEST."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token: when it was asked for, when to renew it, and until when to use it, in monotonic seconds."""

    value: str = field(repr=False)
    since: float
    renew: float
    end: float


class TokenCache:
    """The token of one source, for every thread that needs it. Safe among threads."""

    def __init__(self, source: TokenSource, clock: Clock, *, patience: float = _PATIENCE) -> None:
        self._source = source
        self._clock = clock
        self._patience = patience
        self._asking = threading.Lock()
        self._held: _Held | None = None
        self._failure: TokenError | None = None
        self._failure_ends = 0.0

    def token(self) -> str:
        """The present token, good for at least two minutes, or a new one if it is time to renew it.

        However many threads ask, only one request is made, and all who wait share its outcome. While the
        present token is still good, only the thread that renews it waits. If the renewal fails, the present
        token is used to its end. Raises SecretError, TokenRefused, TokenUnavailable.
        """
        held, now = self._held, self._clock.monotonic()
        if held and now < held.renew:
            return held.value
        usable = held is not None and now < held.end
        if not self._asking.acquire(timeout=0 if usable else self._patience):
            if held and usable:
                return held.value
            raise self._source.unavailable(
                f"another poll has been asking for more than {self._patience:.0f} seconds"
            )
        try:
            return self._renewed()
        finally:
            self._asking.release()

    def forget(self, token: str) -> None:
        """Note that a server refused this token. An old one is renewed; a young one would be the same."""
        held = self._held
        if held and held.value == token and self._clock.monotonic() - held.since >= _OLD:
            self._held = None

    def _renewed(self) -> str:
        held, now = self._held, self._clock.monotonic()
        if held and now < held.renew:  # another thread renewed it while this one waited
            return held.value
        try:
            self._held = held = self._asked()
        except (SecretError, TokenError):
            if held is None or now >= held.end:
                raise
        return held.value

    def _asked(self) -> _Held:
        """Ask once. While the last failure still counts, raise that and do not ask.

        A missing secret is not remembered, because it costs nothing to look for it again.
        """
        since = self._clock.monotonic()
        if self._failure and since < self._failure_ends:
            raise _copy(self._failure)
        try:
            token = self._source.ask()
        except TokenError as exc:
            self._failure = _copy(exc)
            wait = exc.retry_after if isinstance(exc, TokenUnavailable) else 0.0
            self._failure_ends = self._clock.monotonic() + max(wait, _FAILURE_HOLDS)
            raise
        life = token.lifetime
        return _Held(token.value, since, since + life * _RENEW_AT, since + life - _LAST_USE)


def _copy(error: TokenError) -> TokenError:
    """The same error for another thread, without its traceback: the frames in that contain the secret."""
    return type(error)(str(error), remedy=error.remedy)
