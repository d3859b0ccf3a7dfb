"""What is to fail: which kinds of call, the how many-th of them, and how.

Owns the words that `failing.c` understands, and the way to say them to it. The bits and numbers are the same
in both.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from crash.victim import Fate
from mailsluice.app import Service
from mailsluice.config.models import Mailbox
from mailsluice.session.counts import Polled
from mailsluice.system.signals import Signals

SHIM = "MAILSLUICE_TEST_SHIM"
"""The variable that tells the nursery where the compiled library is."""

SHORT, END, SILENCE = -1, -2, -3
"""One octet is moved instead of all; the other side has closed; a wait ends without an event."""
_WORDS = {SHORT: "one octet alone", END: "end", SILENCE: "silence"}


class Calls(IntFlag):
    """Kinds of calls to the C library."""

    OPEN = 1 << 0
    CREATE = 1 << 1
    READ = 1 << 2
    WRITE = 1 << 3
    SYNC = 1 << 4
    NAME = 1 << 5
    CHANGE = 1 << 6
    LOOK = 1 << 7
    LOCK = 1 << 8
    MAP = 1 << 9
    CLOSE = 1 << 10
    DUPLICATE = 1 << 11
    OUTPUT = 1 << 12
    SOCKET = 1 << 13
    RESOLVE = 1 << 14
    CONNECT = 1 << 15
    RECEIVE = 1 << 16
    SEND = 1 << 17
    WAIT = 1 << 18


class Span(IntEnum):
    """Which calls are struck: the n-th, each n-th, or all from the n-th on."""

    ONCE = 0
    EACH = 1
    ON = 2


@dataclass(frozen=True)
class Fault(Fate):
    """The `nth` of these calls fails with `how`, an errno or one of the three above.

    Of files those `below` count. `after` is whether the call does its work all the same. `again` is whether
    the same process polls once more, untroubled, as the daemon does. What was struck first is written into
    the file `report`.
    """

    calls: int = 0
    nth: int = 1
    how: int = errno.EIO
    span: Span = Span.ONCE
    after: bool = False
    again: bool = False
    below: str = ""
    report: str = ""

    def __str__(self) -> str:
        how = _WORDS.get(self.how) or errno.errorcode[self.how]
        which = {Span.ONCE: "call", Span.EACH: "each call of", Span.ON: "all calls from"}[self.span]
        return f"{how} at {which} {self.nth}" + (", though it was done" if self.after else "")


def seal(fields: dict[str, Any]) -> None:
    """Arm this process, if the fields are a fault's."""
    if fields.get("calls"):
        shim = ctypes.CDLL(os.environ[SHIM])
        if fields["again"]:
            _go_on_untroubled(shim)
        shim.failing_arm(
            ctypes.c_uint(fields["calls"]),
            ctypes.c_long(fields["nth"]),
            ctypes.c_int(fields["how"]),
            ctypes.c_int(fields["span"]),
            ctypes.c_int(fields["after"]),
            os.fsencode(fields["below"]),
            os.fsencode(fields["report"]),
        )


def _go_on_untroubled(shim: ctypes.CDLL) -> None:
    """Let the round that is let down be followed by another in the same process, and report both."""
    once = Service.round

    def twice(service: Service, mailboxes: Iterable[Mailbox], signals: Signals) -> list[Polled]:
        chosen = list(mailboxes)
        polls = once(service, chosen, signals)
        shim.failing_disarm()
        return polls + once(service, chosen, signals)

    Service.round = twice  # type: ignore[method-assign,assignment]
