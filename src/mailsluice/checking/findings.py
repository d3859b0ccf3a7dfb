"""The findings: what was tried of each mailbox, judged when everything has been tried.

Owns which error is the first, and what a check ends with because of it. Must never judge itself
(`diagnosis.judgement`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from mailsluice.checking.explanations import Explanations
from mailsluice.checking.history import history_of
from mailsluice.checking.knocking.doors import beside
from mailsluice.checking.means import Means
from mailsluice.checking.steps import State, Step, state_of
from mailsluice.checking.tried import Tried
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.judgement import NOTHING, Judgement, judge
from mailsluice.diagnosis.symptoms import reply_of
from mailsluice.errors import LedgerError, MailsluiceError, ServerError
from mailsluice.model import MailboxKey
from mailsluice.outcome import ExitCode
from mailsluice.report import MailboxReport


@dataclass(frozen=True, slots=True)
class Finding:
    """How it is with one mailbox: its first error, at which step, and what that probably means.

    `error` is None if nothing failed. `server` is the name of the one that the error is about: the mail
    server's, that of another door, or the identity provider's. `is_polled`: its session was left out, because
    a poll goes on. `last` is what the ledger knows of its polls.
    """

    mailbox: Mailbox
    error: MailsluiceError | None
    step: Step | None
    facts: Facts
    judgement: Judgement
    server: str = ""
    is_polled: bool = False
    last: MailboxReport | None = None

    @property
    def is_cut_short(self) -> bool:
        """Whether the error is only that no answer came in time."""
        return self.error is not None and state_of(self.error) is State.NO_ANSWER

    @property
    def exit_code(self) -> ExitCode:
        """What `check` ends with, if this is the worst."""
        if self.error is None:
            return ExitCode.WELL
        if self.is_cut_short:
            return ExitCode.LATER
        reply = reply_of(self.error)
        return reply.disposition.exit_code if reply else self.error.exit_code


def findings(tried: Sequence[Tried], means: Means) -> list[Finding]:
    """The finding for each of these, in their order."""
    reports = _reports(means)
    explained = Explanations(means)
    every = {one.mailbox.name: one for one in tried}
    return [_finding(one, every, reports, explained, means) for one in tried]


def _finding(
    one: Tried,
    every: Mapping[str, Tried],
    reports: dict[MailboxKey, MailboxReport],
    explained: Explanations,
    means: Means,
) -> Finding:
    mailbox = one.mailbox
    step, error = next(_errors(one, means), (None, None))
    facts = replace(
        one.way_in.facts,
        mailbox=mailbox.address,
        section=mailbox.name,
        host=mailbox.host,
        port=mailbox.port,
        history=history_of(one, every, reports, means),
        doors={
            door: failed is None for door, failed in one.doors.items() if failed is None or reply_of(failed)
        },
    )
    if error is not None:
        facts = explained.add(error, _about(error, facts, one), one)
    is_polled = one.opened is not None and one.opened.is_polled
    judgement = judge(error, facts) if error is not None else NOTHING
    return Finding(
        mailbox,
        error,
        step,
        facts,
        judgement,
        f"{facts.host}:{facts.port}",
        is_polled,
        reports.get(mailbox.key),
    )


def _about(error: MailsluiceError, facts: Facts, one: Tried) -> Facts:
    """The facts, without those that tell nothing about this error."""
    door = next((door for door, failed in one.doors.items() if failed is error), Door.POP)
    if door is not Door.POP:  # how POP went before is no history of this door
        there = beside(door, one.mailbox)
        is_in = one.opened is not None and one.opened.error is None and not one.opened.is_polled
        doors = {**({Door.POP: True} if is_in else {}), **facts.doors}
        facts = replace(facts, host=there.host, port=there.port, door=door, doors=doors, history=None)
    unasked = isinstance(error, ServerError) and error.obstacle is not None
    if unasked or error is one.way_in.error:  # nobody was asked for the mailbox
        facts = replace(facts, claims=None, history=None)
    return facts


def _errors(one: Tried, means: Means) -> Iterator[tuple[Step | None, MailsluiceError]]:
    """What failed of this mailbox, in the order of the steps; what fails every poll of all mailboxes last."""
    if one.way_in.error:
        yield one.way_in.step, one.way_in.error
    if one.sink:
        yield Step.SINK, one.sink
    if one.server.error:
        yield one.server.step, one.server.error
    if one.opened and one.opened.error:
        yield one.opened.step, one.opened.error
    for door, error in one.doors.items():
        if error is not None:
            yield Step[door.name], error
    if means.ledger_error:
        yield Step.LEDGER, means.ledger_error


def _reports(means: Means) -> dict[MailboxKey, MailboxReport]:
    if means.ledger is None:
        return {}
    with suppress(LedgerError):  # then less is known
        return dict(means.ledger.reports.read())
    return {}
