"""Accounting: what the end of a poll means for the next ones, of its own mailbox and of others.

Owns that pacing, answers and the timetable agree, and that `status` is told when a mailbox is polled next.
Must never know what a poll does, nor decide which mailboxes are polled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.outcome import Answer, Disposition
from mailsluice.polling.answers import Answers
from mailsluice.polling.pacing import Pacing, SlowDown

if TYPE_CHECKING:
    from mailsluice.polling.schedule import Schedule

_log = get_logger(__name__)


class Result(Protocol):
    """How a poll went, as far as it matters for the next one: see `session.counts.Polled`."""

    @property
    def report(self) -> SessionReport:
        """The report for log and ledger."""
        ...

    @property
    def disposition(self) -> Disposition:
        """When the mailbox is polled again."""
        ...

    @property
    def served(self) -> bool:
        """Whether the server let the session do everything that it was to do."""
        ...

    @property
    def of_credential(self) -> bool:
        """Whether the failure concerns the credential as a whole."""
        ...

    @property
    def answer(self) -> Answer:
        """Whether the server answered."""
        ...


class Accounting:
    """The records of all mailboxes. Not safe among threads: its owner has a lock.

    `note_next_poll` is called with a mailbox and the time of its next poll; None if it is not on the
    timetable.
    """

    def __init__(
        self,
        mailboxes: Mapping[str, Mailbox],
        *,
        answers: Answers,
        pacing: Pacing,
        schedule: Schedule,
        note_next_poll: Callable[[MailboxKey, str, datetime | None], None],
        clock: Clock,
    ) -> None:
        self._mailboxes = mailboxes
        self._answers = answers
        self._pacing = pacing
        self._schedule = schedule
        self._note_next_poll = note_next_poll
        self._clock = clock

    def follow(self, mailboxes: Mapping[str, Mailbox], anew: Collection[str]) -> None:
        """Continue with these mailboxes. Nothing is remembered of those in `anew`."""
        self._mailboxes = mailboxes
        self._pacing.follow(mailboxes.values(), self._clock.monotonic(), anew)
        self._answers.follow(mailboxes.values())

    def begin(self, mailbox: Mailbox) -> bool:
        """Note that a poll which is due begins. Returns False if it is too early and was put off."""
        if wait := self._pacing.begin(mailbox.name, self._clock.monotonic()):
            self._schedule.set_due(mailbox.name, wait)
            self.note_due(mailbox)
            return False
        self._answers.begin(mailbox.name, self._clock.monotonic())
        return True

    def end(self, mailbox: Mailbox, result: Result) -> None:
        """Note how a poll ended. Put off or bring forward the mailboxes that this concerns."""
        back = self._answers.end(mailbox.name, result.answer, served=result.served)
        self._pacing.forgive(back)  # otherwise `_leave_alone` below would put them off again
        if result.served:
            if self._pacing.served(mailbox.name):
                _log.info(events.CREDENTIAL_RECOVERED, credential=mailbox.credential)
                # After a refusal they come back one by one, or they would be throttled again.
                if self._pacing.was_silent(mailbox.name):
                    back = [*back, *(other.name for other in self._of(mailbox.credential))]
        else:
            slow = self._pacing.failed(
                mailbox.name,
                result.disposition,
                self._clock.monotonic(),
                of_credential=result.of_credential,
                answer=result.answer,
            )
            if slow is not None:
                self._slow_down(mailbox.credential, slow, result.report.detail)
        for name in back:
            self._schedule.resume(name)
        self._leave_alone([mailbox, *(self._mailboxes[name] for name in back)])

    def leave_all_alone(self) -> None:
        """Put mailboxes off again after the timetable was rebuilt, because that forgot the delays."""
        self._leave_alone(self._mailboxes.values())

    def note_due(self, mailbox: Mailbox) -> None:
        """Note when the timetable has this mailbox's next poll, or that it has none."""
        self._note_next_poll(mailbox.key, mailbox.name, self._schedule.next_poll(mailbox.name))

    def _of(self, credential: str) -> list[Mailbox]:
        return [mailbox for mailbox in self._mailboxes.values() if mailbox.credential == credential]

    def _slow_down(self, credential: str, slow: SlowDown, cause: str) -> None:
        """Put off the mailboxes of a credential that seems to be throttled."""
        if slow.level == 1:  # a slow-down that goes on is no news
            until = self._clock.now() + timedelta(seconds=slow.until - self._clock.monotonic())
            _log.warning(
                events.CREDENTIAL_SLOWED,
                credential=credential,
                cause=cause,
                until=until.isoformat(timespec="seconds"),
            )
        self._leave_alone(self._of(credential))

    def _leave_alone(self, mailboxes: Collection[Mailbox]) -> None:
        now = self._clock.monotonic()
        for mailbox in mailboxes:
            self._schedule.postpone(mailbox.name, self._pacing.wait(mailbox.name, now))
            self.note_due(mailbox)
