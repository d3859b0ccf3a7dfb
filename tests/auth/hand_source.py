"""A source of tokens that gives what a test says."""

from __future__ import annotations

from collections.abc import Callable

from mailsluice.auth.sources.source import Token
from mailsluice.errors import TokenBarred, TokenRefused, TokenUnavailable

HOUR = 3600.0


class HandSource:
    """Gives `canary-token-1`, `canary-token-2` and so on, or does what `answer` says."""

    def __init__(self) -> None:
        self.asked = 0
        self.lifetime = HOUR
        self.answer: Callable[[], Token] = self.token

    def ask(self) -> Token:
        self.asked += 1
        return self.answer()

    def unavailable(self, why: str) -> TokenUnavailable:
        return TokenUnavailable(f"no token by hand: {why}", remedy="give one")

    def token(self) -> Token:
        return Token(f"canary-token-{self.asked}", self.lifetime)


def outage() -> Token:
    raise TokenUnavailable("it is down")


def refusal() -> Token:
    raise TokenRefused("no", remedy="ask somebody")


def barred() -> Token:
    raise TokenBarred("the proxy wants another password")


def throttled() -> Token:
    raise TokenUnavailable("too often", retry_after=90)
