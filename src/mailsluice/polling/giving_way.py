"""Giving way: sessions whose server is silent end early for mailboxes that wait for one.

Owns the phases in which this is allowed. Must never decide which sessions end: `answers` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.clock import Clock
from mailsluice.errors import Phase
from mailsluice.net.connections import Connections
from mailsluice.polling.answers import Answers, Silence

_NEVER = frozenset({Phase.DELETE, Phase.QUIT})
"""The server would have to do the same work again in the next session."""


def let_give_way(
    connections: Connections, answers: Answers, waiting: Sequence[str], max_sessions: int, clock: Clock
) -> None:
    """End silent sessions, if mailboxes wait and `answers` decides so. To be called about once a second."""
    silent = [(wire, since) for wire, phase, since in connections.waiting() if phase not in _NEVER]
    silences = [Silence(wire.owner, since) for wire, since in silent]
    kept = max(1, max_sessions // 4)  # as many as `pool` has for mailboxes aside
    for index in answers.give_way(silences, waiting, kept, clock.monotonic()):
        connection, since = silent[index]
        connection.give_way(since)
