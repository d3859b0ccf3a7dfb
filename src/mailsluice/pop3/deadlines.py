"""Deadlines of POP3: how long each phase of a session may wait for the server.

Owns the numbers and their reasons. Must never read a clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds of waiting a phase may cost; all of them together within `session`.

    Time that we ourselves take, in a disk's sync say, counts toward `session` and `expiring` alone.
    """

    connect: float = 30
    """All addresses of the name together; a SYN is sent again after 1, 3, 7 and 15 seconds."""
    tls: float = 30
    greeting: float = 60
    """Also for CAPA; a busy front end greets late."""
    auth: float = 120
    """Exchange Online finds the mailbox's server and logs in there meanwhile: 10 s and more were seen."""
    listing: float = 120
    """A mailbox of some 100,000 messages is listed by its server in a minute."""
    retrieve: float = 60
    """In this time must come `progress` octets or the message's end: a large message is not a slow one."""
    progress: int = 64 * 1024
    delete: float = 60
    quit: float = 60
    """The server deletes what is marked before it answers (RFC 1939 §6):"""
    deletion: float = 0.5
    """each message may take it so much longer. Who hangs up meanwhile may find that none was deleted."""
    session: float = 45 * 60
    """The hard end: an access token lives for 60 minutes at least."""
    expiring: float = 30 * 60
    """From when on a session should end after what it is doing, well before the hard end."""
