"""Giving way: sessions whose server is silent end early for mailboxes that wait for one.

Owns in which phases that may be. Must never decide which sessions: that is `answers`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.clock import Clock
from mailsluice.errors import Phase
from mailsluice.net.connection import Connections
from mailsluice.polling.answers import Answers, Silence

_NEVER = frozenset({Phase.DELETE, Phase.QUIT})
"""What the server does then it would do again in the next session."""


def let_give_way(
    connections: Connections, answers: Answers, waiting: Sequence[str], max_sessions: int, clock: Clock
) -> None:
    """End the sessions that are worth less than what waits; to be called every second or so."""
    silent = [(each, since) for each, phase, since in connections.waiting() if phase not in _NEVER]
    silences = [Silence(each.owner, since) for each, since in silent]
    kept = max(1, max_sessions // 4)
    for place in answers.give_way(silences, waiting, kept, clock.monotonic()):
        connection, since = silent[place]
        connection.give_way(since)
