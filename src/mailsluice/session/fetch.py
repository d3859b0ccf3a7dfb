"""Fetching: a plan's messages, batch by batch, by one session or by several of the same mailbox.

Owns how the work is shared among sessions. Must never decide what is fetched. Must never end the first
session because another one failed: what the first one marked is deleted only if it comes to QUIT.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from contextvars import copy_context
from dataclasses import replace
from itertools import chain
from typing import Self

from mailsluice.errors import Bug, CommandRefused, MailsluiceError, Phase, ServerError
from mailsluice.model import Listed
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.plan import window
from mailsluice.policy.sameness import listed_twice
from mailsluice.session import batch
from mailsluice.session.context import Session
from mailsluice.session.explaining import explained
from mailsluice.session.namesakes import told_apart
from mailsluice.session.quarantine import telling_undeleted
from mailsluice.session.triage import triage

WORTH_A_SESSION = 16
"""Messages. For fewer, one more login takes as long as fetching them."""

_log = get_logger(__name__)


def fetch(messages: Sequence[Listed], session: Session) -> MailsluiceError | None:
    """Fetch these. Returns the error that cut an extra session short, if there was one.

    Up to `connections` sessions share the work: as many as the messages are worth, as there are slots for,
    and as the server lets in. Raises what `deliver` raises.
    """
    if messages:
        session.context.progress.phase(session.mailbox, Phase.RETRIEVE)
        session.context.progress.planned(session.mailbox, len(messages))
    sessions = min(session.mailbox.connections, max(1, len(messages) // WORTH_A_SESSION))
    work = Work(messages)
    extra: list[_Extra] = []
    try:
        extra.extend(_Extra(messages, work, session) for _ in range(sessions - 1))
        fetch_here(work, session)
    finally:
        for helper in extra:
            helper.join()
    return next((helper.failure for helper in extra if helper.failure is not None), None)


def fetch_here(
    messages: Iterable[Listed], session: Session, gives_way: Callable[[], bool] = lambda: False
) -> None:
    """Fetch these in this session, until it should end or `gives_way` says so. Raises what `deliver` raises.

    The iterator of messages may be shared with other sessions: each takes the next one when it needs it.
    """
    most = batch.FIRST
    with closing(session.client.retrieve(messages, session.mailbox.max_message)) as arrivals:
        try:
            for arrival in arrivals:
                batch.deliver(chain((arrival,), arrivals), most, session)
                if session.ending or session.counts.gave_up or gives_way():
                    break
                most = min(2 * most, batch.MESSAGES)
        except BaseException:
            session.client.abandon()  # there will be no QUIT: do not wait for what was asked ahead
            raise


class Work:
    """Messages that several sessions share: each is handed out once, in order. Safe among threads."""

    def __init__(self, messages: Iterable[Listed]) -> None:
        self._left = deque(messages)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Listed:
        try:
            return self._left.popleft()  # atomic: no other thread can get the same message
        except IndexError:
            raise StopIteration from None

    def left(self) -> Sequence[Listed]:
        """The messages that are not handed out yet."""
        return self._left.copy()


class _Extra:
    """An extra session, in a thread of its own. It begins at once."""

    def __init__(self, messages: Sequence[Listed], work: Work, first: Session) -> None:
        self.failure: MailsluiceError | None = None
        self._sizes = {listed.uidl: listed.size for listed in messages}
        self._work = work
        self._first = first
        self._counts = first.counts.beside()
        self._thread: threading.Thread | None = None
        with suppress(RuntimeError, MemoryError):  # no more threads: the other sessions do all the work
            # The copied context has the mailbox's name for the log's lines.
            thread = threading.Thread(target=copy_context().run, args=(self._run,), name="session")
            thread.start()
            self._thread = thread

    def join(self) -> None:
        """Wait for its end, and add what it did to the first session's counts."""
        if self._thread is not None:
            self._thread.join()
            self._first.counts.add(self._counts)

    def _run(self) -> None:
        try:
            with self._first.context.slots.extra(self._first.mailbox.key) as is_free:
                if is_free:
                    self._help()
        except MailsluiceError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001  the thread's outermost door
            _log.exception(events.BUG)
            self.failure = Bug(f"{type(error).__name__} in an extra session")

    def _help(self) -> None:
        mailbox, context, slots = self._first.mailbox, self._first.context, self._first.context.slots
        login = context.credentials.login(mailbox)
        with ExitStack() as opened:
            try:
                with explained(login, mailbox, context, is_in=True):
                    client = opened.enter_context(context.connect(mailbox))
                    client.authenticate(mailbox.address, login)
                    session = replace(self._first, client=client, counts=self._counts)
                    here = self._here(told_apart(client.listing(window(mailbox)), session))
                    self._refuse_other_listing(here)
            except ServerError as error:  # the server does not want this session: the first one does it all
                if slots.leave_alone(mailbox.key):
                    _log.warning(events.NO_SECOND_SESSION, error=str(error), remedy=triage(error).remedy)
                return
            mine = (here[listed.uidl] for listed in self._work)
            with telling_undeleted(session):
                fetch_here(mine, session, gives_way=lambda: slots.crowded)
            batch.end(session)

    def _refuse_other_listing(self, here: Mapping[bytes, Listed]) -> None:
        """Refuse a listing that lacks a message still to fetch: other sessions may be able to fetch it.

        Messages that other sessions have taken may be missing here. Raises CommandRefused.
        """
        left = self._work.left()
        if missing := sum(listed.uidl not in here for listed in left):
            raise CommandRefused(
                f"an extra session does not list {missing} of {len(left)} messages, or lists them with other "
                "sizes than the first session",
                phase=Phase.LISTING,
            )

    def _here(self, listing: Sequence[Listed]) -> dict[bytes, Listed]:
        """The messages to fetch, with this session's numbers: these differ by session (RFC 1939 §5)."""
        twice = listed_twice(listing)
        return {
            listed.uidl: listed
            for listed in listing
            if self._sizes.get(listed.uidl, -1) == listed.size and listed.uidl not in twice
        }
