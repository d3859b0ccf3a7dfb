"""The means: what sources of tokens are made with.

Owns these values. Must never use them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.source import LONGEST
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.proxy import FindRoute, no_proxy

NoteEnd = Callable[[str, EntraCredential, datetime], None]
"""Notes when the proof of the credential with this name ends."""


def unnoted(_name: str, _credential: EntraCredential, _ends: datetime) -> None:
    """Note nothing: for whoever warns nobody."""


@dataclass(frozen=True, slots=True)
class Means:
    """What sources are made with. `find_route` is asked for each request.

    `note_end` is told when a certificate or a sign-in ends, whenever it is used. No request to Entra ID lasts
    more than `longest` seconds.
    """

    secrets: Secrets
    clock: Clock
    find_route: FindRoute = no_proxy
    note_end: NoteEnd = unnoted
    longest: float = LONGEST
