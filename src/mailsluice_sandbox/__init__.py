"""A simulated Entra ID and Exchange Online POP3 on loopback, for the demo and for tests.

Owns what a client talks to: `Sandbox` and its mailboxes (see `sandbox.py`), sample mail (`mail.py`), and the
faults that can be ordered (`faults.py`). Must never share code with mailsluice, so that no mistake is in
both. The exceptions are the clock, and `invocation` for the demo.
"""

from __future__ import annotations

from mailsluice_sandbox.certificates import Tls
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
from mailsluice_sandbox.machine import Machine
from mailsluice_sandbox.mailbox import NotConnected, SandboxMailbox, SessionRecord
from mailsluice_sandbox.registration import AppRegistration, ClientSecret
from mailsluice_sandbox.sandbox import Sandbox

__all__ = [
    "Answer",
    "AppRegistration",
    "ArmedFault",
    "ClientSecret",
    "Close",
    "Dialect",
    "Drip",
    "Fault",
    "Garbage",
    "Hangup",
    "Machine",
    "NotConnected",
    "Pretend",
    "Refuse",
    "Relist",
    "Rewrite",
    "Sandbox",
    "SandboxMailbox",
    "SessionRecord",
    "Silence",
    "Tls",
]
