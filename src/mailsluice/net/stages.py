"""The stages: what happens one after the other while a connection opens, for somebody who watches.

Owns their names and order, and how they are told. Must never connect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from mailsluice.net.certificate import Tls


class Stage(Enum):
    """The stages in their order. PROXY is only on a route that has one; NAME and TCP are then the proxy's."""

    NAME = "name"
    TCP = "tcp"
    PROXY = "proxy"
    TLS = "tls"


Found = Sequence[str] | str | Tls
"""What a stage ended with.

NAME: the addresses. TCP: the address that answered. PROXY: the proxy, and what it said. TLS: a `Tls`.
"""

Observe = Callable[[Stage, Found | None], None]
"""Is told that a stage begins (None), and what it ended with.

If opening fails, it failed at the stage that began last; the error says why. Stages begin again if the
authorities on the disk have changed meanwhile. What observes must return at once, and must not raise.
"""


def unobserved(_stage: Stage, _found: Found | None) -> None:
    """Observe nothing."""
