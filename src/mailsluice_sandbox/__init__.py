"""A simulated Entra ID and Exchange Online POP3 on loopback, for the demo and for tests.

Owns what clients meet: `Sandbox` and its mailboxes (see `sandbox.py`), sample mail (`mail.py`), and the
faults it can be told to have (`faults.py`). Must never be used by the program it is a peer of: it imports
nothing of mailsluice but the clock, so that a mistake in one is not repeated in the other.
"""

from __future__ import annotations

from mailsluice_sandbox.dialogue import Dialect
from mailsluice_sandbox.faults import (
    Answer,
    ArmedFault,
    Close,
    Drip,
    Fault,
    Garbage,
    Hangup,
    Pretend,
    Refuse,
    Relist,
    Rewrite,
    Silence,
)
from mailsluice_sandbox.mailbox import SandboxMailbox, SessionRecord
from mailsluice_sandbox.sandbox import Sandbox

__all__ = [
    "Answer",
    "ArmedFault",
    "Close",
    "Dialect",
    "Drip",
    "Fault",
    "Garbage",
    "Hangup",
    "Pretend",
    "Refuse",
    "Relist",
    "Rewrite",
    "Sandbox",
    "SandboxMailbox",
    "SessionRecord",
    "Silence",
]
