"""The token cache: one token in memory, in front of one source.

Owns when the source is asked, by which thread, and until when its token and its failure are used. Must never
write a token down, and never ask twice at once.

msal has a cache of its own, but not one for a daemon: it lets each of several threads ask, remembers an error
for a minute, and raises at a 5xx though a good token is at hand. So no source uses it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mailsluice.auth.sources.source import LONGEST, TokenSource
from mailsluice.clock import Clock
from mailsluice.errors import SecretError, TokenError, TokenUnavailable

_RENEW_AT = 0.75
"""The share of its life after which a token is renewed: enough is left to sit out an outage."""
_LAST_USE = 120.0
"""Seconds before its end after which a token is not handed out: connecting and AUTH take their time."""
_OLD = 300.0
"""Seconds of age from which a token that a server refused may lack a permission granted since."""
_FAILURE_HOLDS = 5.0
"""Seconds for which a failure answers everybody: those who waited for it, and the next mailboxes."""
_PATIENCE = LONGEST + 5.0
"""Seconds to wait for a thread that asks: by then it has an outcome, or is stuck."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token, and the monotonic seconds of its life."""

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
        """The token held, good for two minutes at least; or a new one, when it is time for another.

        However many threads ask, one request is made; those who wait for it share its outcome. While
        the token held is still good, nobody waits but the thread that renews it, and if that fails the
        token held is used to its end. Raises SecretError, TokenRefused, TokenUnavailable.
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
        """A server refused this token: ask for another if it is old; a young one would come back the same."""
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
        """Ask once; but while a failure holds, it is the answer.

        A missing secret is not held: to look for it again costs nobody anything.
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
    """The same error without its traceback, whose frames know the secret, for many threads to raise."""
    return type(error)(str(error), remedy=error.remedy)
