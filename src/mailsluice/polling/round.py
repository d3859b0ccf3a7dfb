"""The round: some mailboxes polled once each, without a timetable.

Owns that mailboxes which gave way are polled again after the others. Must never know what a poll is: it calls
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.net.connections import Connections
from mailsluice.outcome import Answer
from mailsluice.polling.accounting import Result
from mailsluice.polling.answers import Answers
from mailsluice.polling.giving_way import let_give_way
from mailsluice.polling.pool import Pool

_LOOK_AROUND = 1.0
"""Seconds between two calls of `look` while polls go on."""

R = TypeVar("R", bound=Result)


class Round(Generic[R]):
    """Polls mailboxes by `poll`, at most `max_sessions` at a time. Their credentials share these sessions.

    `look` is called every second meanwhile, and at the end.
    """

    def __init__(
        self,
        poll: Callable[[Mailbox], R],
        look: Callable[[], None],
        *,
        max_sessions: int,
        connections: Connections,
        clock: Clock,
    ) -> None:
        self._poll = poll
        self._look = look
        self._max_sessions = max_sessions
        self._connections = connections
        self._clock = clock

    def run(self, mailboxes: Sequence[Mailbox]) -> list[Future[R]]:
        """Poll these, and return how each went, in the same order. A future may raise NoThread."""
        answers = Answers(mailboxes)
        with Pool(self._max_sessions) as pool:
            lanes = [pool.lane(mailbox.credential) for mailbox in mailboxes]

            def submit(index: int) -> Future[R]:
                mailbox = mailboxes[index]
                return lanes[index].submit_as(mailbox.name, lambda: self._attempt(mailbox, answers))

            def let_some_give_way() -> None:
                let_give_way(self._connections, answers, pool.waiting(), self._max_sessions, self._clock)

            polls = [submit(index) for index in range(len(mailboxes))]
            self._wait(polls, let_some_give_way)
            for index, polled in enumerate(polls):
                if _gave_way(polled):
                    polls[index] = submit(index)
            self._wait(polls)  # none gives way now: no other mailbox waits for a session
            return polls

    def _attempt(self, mailbox: Mailbox, answers: Answers) -> R:
        answers.begin(mailbox.name, self._clock.monotonic())
        result = self._poll(mailbox)
        answers.end(mailbox.name, result.answer, served=result.served)
        return result

    def _wait(self, polls: Iterable[Future[R]], meanwhile: Callable[[], None] = lambda: None) -> None:
        while wait(polls, timeout=_LOOK_AROUND).not_done:
            meanwhile()
            self._look()
        self._look()


def _gave_way(polled: Future[R]) -> bool:
    return polled.exception() is None and polled.result().answer is Answer.NOT_AWAITED
