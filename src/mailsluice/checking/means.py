"""The means: what every step of a check works with.

Owns these values, and how long a step may wait. Must never use them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.proxies import Proxies
from mailsluice.checking.steps import Journal
from mailsluice.clock import Clock
from mailsluice.config.models import Config
from mailsluice.errors import DeadlineExceeded, LedgerError, Phase
from mailsluice.ledger import Ledger
from mailsluice.net.connections import Connections
from mailsluice.pop3.deadlines import Deadlines

WHOLE = 55.0
"""Seconds for one mailbox, with its token and its server: somebody waits. What the steps before have left is
for the mailbox itself. The time of the system's resolver, of a keyring and of a program comes on top."""
PROVIDER_WAIT = 12.0
"""Seconds of WHOLE in which there must be a TLS connection to the identity provider."""
TOKEN_WAIT = 15.0
"""Seconds of WHOLE in which the identity provider has to answer."""
SERVER_WAIT = 16.0
"""Seconds of WHOLE in which the mail server must have said what it can do."""
DEADLINES = Deadlines(connect=10, tls=8, greeting=10, auth=30, listing=10, quit=5, session=WHOLE)
"""Shorter than those of a poll. A step that is cut short is no verdict. In 10 seconds a SYN is sent four
times, so a packet that was lost is no firewall."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a check works with. `credentials` ask the provider anew: a kept token would prove nothing.

    `ledger` is open for reading; None if there is none yet, or if it cannot be read because of
    `ledger_error`.
    """

    config: Config
    journal: Journal
    credentials: Credentials
    proxies: Proxies
    clock: Clock
    connections: Connections
    ledger: Ledger | None
    deadlines: Deadlines = DEADLINES
    ledger_error: LedgerError | None = None

    def within(self, seconds: float) -> Self:
        """The same, for a session that has to be over in so many seconds.

        Raises DeadlineExceeded if these are too few to connect: that would look like a firewall.
        """
        if seconds < self.deadlines.connect:
            raise DeadlineExceeded(
                f"the steps before took {WHOLE - seconds:.0f} of the {WHOLE:.0f} s that a mailbox gets",
                phase=Phase.CONNECT,
                remedy="find out what took so long: each line has its seconds; or try again",
            )
        return replace(self, deadlines=replace(self.deadlines, session=seconds))
