"""The token cache: one token in memory, in front of one source, and beside it one file for the next process.

Owns when the source is asked, by which thread and process, and how long its token and its failure are used.
Must never ask twice at once, and never fail because of the file.

msal has a cache, too, but not one for a daemon: several threads may ask at once, an error is remembered for a
minute, and a 5xx answer raises even if there is a good token. So no source uses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import random

from mailsluice.auth.sources.source import LONGEST, TokenSource
from mailsluice.auth.tokens.file import TokenFile, Turn
from mailsluice.auth.tokens.held import OLD, Held
from mailsluice.auth.tokens.kept import AHEAD, LONGEST_LIFE, LONGEST_QUIET, Kept, Quiet
from mailsluice.auth.tokens.moment import Moment
from mailsluice.clock import Clock
from mailsluice.errors import SecretError, TokenError, TokenUnavailable
from mailsluice.obs.clean import printable

_RENEW_AT, _SPREAD = 0.70, 0.10
"""The share of its life after which a token is renewed: 70 to 80 %, drawn for each. So credentials that began
together do not ask together. The rest is enough for a short outage."""
_FAILURE_HOLDS = 5.0
"""Seconds for which a failure is the answer for all: threads that waited for it, and later ones."""
_PATIENCE = LONGEST + 5.0
"""Seconds to wait for another process that asks. After that it is stuck, because a source gives up in
LONGEST. A thread waits twice as long for another one, which may have to wait for a process before it asks."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure that is the answer for `seconds`. Without its traceback, whose frames contain the secret."""

    error: TokenError
    since: Moment
    seconds: float


class TokenCache:
    """The token of one source, for every thread and process that needs it. Safe among threads.

    `file` is what other processes share; None: nothing is shared. `draw` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        source: TokenSource,
        clock: Clock,
        *,
        file: TokenFile | None = None,
        patience: float = _PATIENCE,
        draw: Callable[[], float] = random,
    ) -> None:
        self._source = source
        self._clock = clock
        self._file = file
        self._patience = patience
        self._draw = draw
        self._asking = threading.Lock()
        self._changing = threading.Lock()  # of _held, and never for long
        self._held: Held | None = None
        self._dropped = ""
        self._failure: _Failure | None = None
        self._secret = 0  # counts the secrets

    def token(self) -> str:
        """The present token, good for at least two minutes, or a new one if it is time to renew it.

        However many threads and processes ask, only one request is made, and all who wait share its outcome.
        While the present token is still good, only the thread that renews it waits. If the renewal fails, the
        present token is used to its end. Raises SecretError, TokenError.
        """
        held, begun = self._held, self._now()
        if held and held.is_fresh(begun):
            return held.value
        usable = held is not None and held.is_usable(begun)
        patience = self._patience * (2 if self._file else 1)
        if not self._asking.acquire(timeout=0 if usable else patience):
            if held and usable:
                return held.value
            raise self._source.unavailable(
                f"another poll has been asking for more than {patience:.0f} seconds"
            )
        try:
            return self._renewed(begun)
        finally:
            self._asking.release()

    def is_at_hand(self) -> bool:
        """Whether there is a token that need not be renewed, here or in the file. Nobody is asked."""
        with self._asking:
            return bool(self._fresh())

    def accepted(self, token: str) -> None:
        """Note that a server let a mailbox in with this token."""
        now = self._now()
        with self._changing:
            held = self._held
            if held is None or held.value != token:
                return
            due = held.is_note_due(now) or held.is_doubt_noted
            self._held = held = held.let_in_at(now)
        if due:
            self._note(held)

    def refused(self, token: str) -> None:
        """Note that a server refused this token, in words that are not about a passing state.

        An old one that nobody was let in with is dropped; a young one would be given again. One that let a
        mailbox in is good: then it is this mailbox that is refused. But if it only is refused for a quarter
        of an hour, it is dropped, too: perhaps it has ended, and our clocks do not know.
        """
        now = self._now()
        with self._changing:
            held = self._held
            if held is None or held.value != token or now.since(held.asked) < OLD:
                return
            drop = held.is_lost(now)
            due = not drop and held.is_note_due(now) and not held.is_doubt_noted
            held = held.refused_at(now)
            if drop:
                self._dropped = held.value
            self._held = None if drop else held
        if drop:
            self._change(token, lambda kept: Kept(quiet=kept.quiet))
        elif due:
            self._note(held)

    def forget_refusal(self) -> None:
        """Note that a secret was renewed: a refusal of the former one says nothing about it.

        It may be the provider's secret or the proxy's. A refusal on its way is not remembered either. When an
        unavailable provider may be asked again stays.
        """
        self._secret += 1
        if self._failure and not isinstance(self._failure.error, TokenUnavailable):
            self._failure = None

    def forget_token(self) -> None:
        """Drop the token, here and in the file: somebody else may have signed in."""
        with self._changing:
            held, self._held = self._held, None
            if held:
                self._dropped = held.value
        if held:
            self._change(held.value, lambda kept: Kept(quiet=kept.quiet))

    def _now(self) -> Moment:
        return Moment.now(self._clock)

    def _renewed(self, begun: Moment) -> str:
        """A token; the caller is the only thread that asks."""
        if token := self._fresh():  # another thread renewed it while this one waited, or there is a new file
            return token
        usable = self._usable()
        if self._file is None or self._is_failing():
            return self._asked_or(usable)
        wait = max(0.0, self._patience - self._now().since(begun))
        with self._file.turn(0 if usable else wait) as turn:
            if turn is Turn.OTHERS:
                if usable:
                    return usable
                # Nobody may stop all others for ever, so it is asked all the same.
                self._file.tell_of_wait(self._patience)
            return self._fresh() or self._asked_or(usable)

    def _fresh(self) -> str:
        """The value of a token that need not be renewed, in memory or in the file; or nothing."""
        now = self._now()
        if not (self._held and self._held.is_fresh(now)):
            self._look(now)
        held = self._held
        return held.value if held and held.is_fresh(now) else ""

    def _usable(self) -> str:
        held = self._held
        return held.value if held and held.is_usable(self._now()) else ""

    def _look(self, now: Moment) -> None:
        """Take over what another process has left in the file."""
        kept = self._file.read() if self._file else None
        if kept is None:
            return
        held = self._held
        # Our own token is not taken from the file: the clock may have been set back since it was asked for.
        if kept.token not in {"", self._dropped, held.value if held else ""}:
            found = Held.of(kept, now)
            if found and found.is_usable(now):
                with self._changing:
                    self._held = found
        quiet = kept.quiet
        if quiet and not self._is_failing() and -AHEAD <= now.wall - quiet.since < quiet.seconds:
            error = TokenUnavailable(quiet.said, remedy=quiet.remedy)
            self._failure = _Failure(error, now.at(quiet.since), quiet.seconds)

    def _is_failing(self) -> bool:
        return self._failure is not None and self._now().since(self._failure.since) < self._failure.seconds

    def _asked_or(self, usable: str) -> str:
        """A new token; or the one that is still usable, if there is one and no other is to be had."""
        try:
            return self._asked()
        except (SecretError, TokenError):
            if not usable:
                raise
        return usable

    def _asked(self) -> str:
        """Ask once. While the last failure still counts, raise that and do not ask.

        A missing secret is not remembered, because it costs nothing to look for it again.
        """
        if self._failure and self._is_failing():
            raise self._failure.error.worded(str(self._failure.error))
        asked, secret = self._now(), self._secret
        try:
            token = self._source.ask()
        except TokenError as exc:
            if isinstance(exc, TokenUnavailable) or secret == self._secret:
                self._note_failure(exc)
            raise
        life = min(token.lifetime, LONGEST_LIFE)
        held = Held(token.value, asked, life, life * (_RENEW_AT + _SPREAD * self._draw()))
        with self._changing:
            self._held = held
        self._failure = None
        if self._file and held.is_usable(self._now()):
            self._file.write(held.kept())
            self._file.sweep()
        return held.value

    def _note_failure(self, error: TokenError) -> None:
        now = self._now()
        wanted = error.retry_after if isinstance(error, TokenUnavailable) else 0.0
        self._failure = _Failure(
            error.worded(str(error)), now, max(min(wanted, LONGEST_QUIET), _FAILURE_HOLDS)
        )
        if wanted and self._file:
            quiet = Quiet(now.wall, self._failure.seconds, printable(str(error)), printable(error.remedy))
            held = self._held
            kept = held.kept() if held and held.is_usable(now) else Kept()
            self._file.write(replace(kept, quiet=quiet))

    def _note(self, held: Held) -> None:
        """Let the file say of its token what we know. If it has another one, that is of no consequence."""
        if self._change(held.value, lambda kept: replace(held.kept(), quiet=kept.quiet)):
            now = self._now()
            with self._changing:
                if self._held and self._held.value == held.value:
                    self._held = replace(self._held, noted=now, is_doubt_noted=held.doubted is not None)

    def _change(self, token: str, change: Callable[[Kept], Kept]) -> bool:
        """Change the file if it has this token. Returns whether it could be looked at: nobody asks now."""
        if self._file is None:
            return False
        with self._file.turn(0) as turn:
            if turn is Turn.OTHERS:
                return False
            kept = self._file.read()
            if kept and kept.token == token:
                self._file.write(change(kept))
            return True
