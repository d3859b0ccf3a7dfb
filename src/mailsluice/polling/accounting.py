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
from mailsluice.outcome import Answer, Disposition, Outcome, Standing
from mailsluice.polling.answers import Answers
from mailsluice.polling.pacing import Pacing, SlowDown
from mailsluice.polling.second_tries import SecondTries

if TYPE_CHECKING:
    from mailsluice.polling.schedule import Schedule

_log = get_logger(__name__)

_REFUSALS = {
    Outcome.SECRET_ERROR,
    Outcome.TOKEN_REFUSED,
    Outcome.LOGIN_REFUSED,
    Outcome.PROXY_REFUSED,
}
"""How a poll ends if another secret, or another sign-in, may be what it needs."""


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
        self._refused: set[str] = set()  # the mailboxes whose last poll failed because of secret or login
        self._second_tries = SecondTries()
        self._told: set[str] = set()  # of whom it was said that their renewed secret is tried later

    def follow(self, mailboxes: Mapping[str, Mailbox], anew: Collection[str]) -> None:
        """Continue with these mailboxes. Nothing is remembered of those in `anew`."""
        self._mailboxes = mailboxes
        self._pacing.follow(mailboxes.values(), self._clock.monotonic(), anew)
        self._answers.follow(mailboxes.values())
        self._refused = (self._refused & mailboxes.keys()) - set(anew)

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
        self._note_if_refused(mailbox, result)

    def refused(self) -> set[str]:
        """The credentials with a mailbox that is refused because of its secret or its login."""
        return {self._mailboxes[name].credential for name in self._refused}

    def renewed(self, credentials: Collection[str]) -> None:
        """Note that the secrets of these credentials were renewed."""
        self._second_tries.renewed(credentials, self._clock.monotonic())

    def try_renewed(self) -> None:
        """Poll the mailboxes at once that were refused, if their secret was renewed since."""
        for credential in self._second_tries.due(self.refused(), self._clock.monotonic()):
            names = [box.name for box in self._of(credential) if box.name in self._refused]
            _log.info(events.CREDENTIAL_RENEWED, credential=credential, mailboxes=len(names))
            self._told.discard(credential)
            self._try(credential, names)
        for credential, wait in self._second_tries.put_off(self._clock.monotonic()).items():
            if credential not in self._told:
                self._told.add(credential)
                until = self._clock.now() + timedelta(seconds=wait)
                _log.warning(
                    events.RENEWAL_PUT_OFF,
                    credential=credential,
                    until=until.isoformat(timespec="seconds"),
                )

    def _note_if_refused(self, mailbox: Mailbox, result: Result) -> None:
        outcome = result.report.outcome
        if outcome in _REFUSALS and result.disposition is Disposition.OPERATOR:
            self._refused.add(mailbox.name)
            if self._second_tries.refused(mailbox.credential, self._pacing.began(mailbox.name)):
                self._try(mailbox.credential, [mailbox.name])
        elif outcome.standing is not Standing.NEITHER:
            self._refused.discard(mailbox.name)

    def _try(self, credential: str, names: Collection[str]) -> None:
        if self._pacing.renew(names):
            others = [box for box in self._of(credential) if box.name not in names]
            for box in others:
                self._schedule.resume(box.name)
            self._leave_alone(others)
        for name in names:
            self._schedule.set_due(name, timedelta())
            self.note_due(self._mailboxes[name])

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
