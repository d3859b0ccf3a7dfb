"""The assertion of another identity provider, by which an application proves who it is (RFC 7521 §4.2).

Owns where it comes from, and what is told of one that Entra ID could only refuse. Must never decide by an
assertion whom to trust: it is decoded without any proof, for the error's sake. Must never keep one, nor
repeat one in an error.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.program import Program
from mailsluice.auth.sources.source import problem
from mailsluice.clock import Clock
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError, TokenRefused
from mailsluice.files.trust import problem_of_assertion

_TOLERANCE = timedelta(minutes=1)
"""Our clock may be ahead by as much."""


def kept_assertion(ref: SecretRef, secrets: Secrets, clock: Clock) -> Callable[[], str]:
    """A function that reads the assertion each time it is called, and raises SecretError."""
    octets = secrets.octets(ref, problem_of_assertion)

    def read() -> str:
        try:
            assertion = octets().decode("ascii", errors="replace").strip()
        except SecretError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                raise SecretError(str(exc), remedy=_look_at_the_writer(ref)) from exc
            raise
        if wrong := problem_of(assertion, clock.now()):
            raise SecretError(f"{ref}: the assertion {wrong}", remedy=_look_at_the_writer(ref))
        return assertion

    return read


def printed_assertion(program: Program, clock: Clock) -> Callable[[], str]:
    """A function that runs this program each time it is called. Raises TokenRefused, TokenUnavailable."""

    def run() -> str:
        assertion = program.printed()
        if wrong := problem_of(assertion, clock.now()):
            raise TokenRefused(
                f"{program.name} printed no good assertion: it {wrong}",
                remedy=f"{program.by_hand}; it must print a new JWT each time, and nothing else",
            )
        return assertion

    return run


def problem_of(assertion: str, now: datetime) -> str:
    """Why this cannot be an assertion that is valid now, as the end of a sentence about it; empty if it can.

    It never contains a part of the assertion but the time of its end.
    """
    if not assertion:
        return "is empty"
    parts = assertion.split(".")
    if problem(assertion) or len(parts) != 3 or not all(parts):
        return "is not a JWT, which has three parts with dots between them"
    end = _end(parts[1])
    if end is not None and now > end + _TOLERANCE:
        return f"ended at {_moment(end)}, and this machine's clock says {_moment(now)}"
    return ""


def _end(payload: str) -> datetime | None:
    """The time of `exp` (RFC 7519 §4.1.4). None if there is none to be read: then Entra ID has to judge."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, TypeError, LookupError, OverflowError, OSError, RecursionError, binascii.Error):
        return None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _look_at_the_writer(ref: SecretRef) -> str:
    match ref.scheme:
        case "file":
            return f"see whether whatever writes {ref.name} still runs, and whether the clock is right"
        case "keyring":
            return (
                "the keyring keeps an assertion only until it ends; for one that is renewed, "
                "use `assertion` with file:PATH, or `assertion_command`"
            )
        case "env" | "credential":
            return (
                f"{ref} stays the same while the program runs; for an assertion that is renewed, "
                "use `assertion` with file:PATH, or `assertion_command`"
            )
