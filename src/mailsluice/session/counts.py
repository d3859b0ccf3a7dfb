"""Counts: the counts of one session, from which its report is made.

Owns the arithmetic of the canonical line; must never touch mail, server or ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mailsluice.clock import Clock
from mailsluice.errors import ConnectionLost, MailsluiceError, ServerError
from mailsluice.failure import Failure, Held
from mailsluice.model import Listed, Listing, MailboxKey, SessionReport
from mailsluice.obs.clean import printable, redact
from mailsluice.outcome import Answer, Disposition, ExitCode, Outcome
from mailsluice.policy.plan import Plan
from mailsluice.policy.reason import Action, Reason
from mailsluice.session.triage import Verdict

MOST_IN_A_ROW = 10
"""So many messages refused one after the other are the server's affair: a quota, a throttle, a bad hour."""

LONG = 30.0
"""Seconds: a connection lost after so long without a message is silence that the server ended first.

Exchange ends a session that has not logged in after a minute (PreAuthenticatedConnectionTimeout)."""

_LEFT = frozenset({Action.LEAVE, Action.DELETE, Action.ASK})
"""Actions by which what could not be fetched is not tried."""


@dataclass(frozen=True, slots=True)
class Polled:
    """How a poll went: the report for log and ledger, and what schedule and exit code make of it.

    The rest follows from the report's outcome, and may be sharpened by what the server said. `served`: the
    server let the session do all it came for, be it that single messages were refused. `of_credential`: what
    went wrong concerns the credential as a whole. `answer`: whether the server answered.
    """

    report: SessionReport
    exit_code: ExitCode
    disposition: Disposition
    served: bool
    of_credential: bool = False
    answer: Answer = Answer.GIVEN


@dataclass
class Counts:
    """Counts while a session runs.

    `refused` is how many messages the server would not hand out, or not tell the headers of. `vanished`
    is how many messages another program removed from staging, `removed` those of them that went alone.
    `errors` are those that could not be fetched, and why. `twins` is how many of those stored other
    mailboxes have, too. `still_listed` are those that an earlier session asked the server to delete,
    `confirmed` those that it was asked to delete now, and answered QUIT well; `undeleted` are those, by UIDL,
    at whose deletion a session ended. `unanswered` is how many sessions got no good answer to the QUIT that
    was to delete. `notices` are the UIDLs of notices stored as they came, `failed_before` those of
    what failed before and is tried. `held` is what the listing
    alone says is held, None before it is known, and `failing` what is tried, by UIDL: all sessions of a poll
    share it.
    """

    mailbox: str
    clock: Clock
    listed: int = 0
    wanted: int = 0
    fetched: int = 0
    stored: int = 0
    deleted: int = 0
    octets: int = 0
    refused: int = 0
    still_listed: int = 0
    confirmed: int = 0
    proven: set[Listed] = field(default_factory=set)
    gave_up: bool = False
    excused: set[Listed] = field(default_factory=set)
    vanished: int = 0
    removed: list[Listed] = field(default_factory=list)
    twins: Counter[MailboxKey] = field(default_factory=Counter)
    errors: dict[Listed, MailsluiceError] = field(default_factory=dict)
    unanswered: int = 0
    failed_before: frozenset[bytes] = frozenset()
    notices: set[bytes] = field(default_factory=set)
    undeleted: dict[bytes, ServerError] = field(default_factory=dict)
    held: Mapping[str, int] | None = None
    failing: dict[bytes, Held] = field(default_factory=dict)
    _in_a_row: list[Listed] = field(default_factory=list)
    _started: datetime = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.now()
        self._began = self.clock.monotonic()

    def came(self) -> None:
        """Count a message that came: what was refused before it is that message's own affair."""
        self.fetched += 1
        self._in_a_row.clear()

    def failed(self, listed: Listed, error: MailsluiceError, *, passes: bool) -> None:
        """Count a message that did not come.

        So many in a row, or words that are known to pass by themselves, speak of the server: nothing more is
        asked for, and no message of that row is blamed.
        """
        self.errors[listed] = error
        self._in_a_row.append(listed)
        if passes or len(self._in_a_row) >= MOST_IN_A_ROW:
            self.gave_up = True
            self.excused.update(self._in_a_row)

    @property
    def waiting(self) -> int:
        """How many messages are still to be fetched, by this session or a later one."""
        return self.wanted - self.stored

    def hold(self, plan: Plan, listing: Listing, failures: Mapping[bytes, Failure]) -> None:
        """Count what is held by a plan: some of it for good, and some that is tried in this poll."""
        left = Counter(
            reason.held.value
            for reason in plan.reasons
            if reason.held is not None and reason.action is Action.LEAVE
        )
        beside = {Held.BEYOND.value: listing.beyond, Held.UNUSABLE.value: listing.unusable}
        self.held = left + Counter(beside)
        tried = {
            listed.uidl
            for listed, reason in zip(plan.listing, plan.reasons, strict=True)
            if reason.action not in _LEFT or reason is Reason.NEXT_POLL
        }
        self.failed_before = frozenset(tried & failures.keys())
        for uidl, failure in failures.items():
            if uidl in tried and failure.held is not None:
                self.failing[uidl] = failure.held

    def keep(self, why: Held, messages: int) -> None:
        """Count so many as held, of which nothing else is known."""
        self.held = Counter(self.held or {}) + Counter({why.value: messages})

    def done(self, uidls: Iterable[bytes]) -> None:
        """Count no longer as held what came, or is known after all, or was deleted."""
        for uidl in uidls:
            self.failing.pop(uidl, None)

    @property
    def all_held(self) -> Mapping[str, int] | None:
        """How many messages stay on the server for another reason than policy, by the words of `Held`."""
        if self.held is None:
            return None
        return dict(
            sorted((Counter(self.held) + Counter(each.value for each in self.failing.values())).items())
        )

    def beside(self) -> Counts:
        """The counts of another session of the same poll."""
        return Counts(self.mailbox, self.clock, failing=self.failing)

    def add(self, other: Counts) -> None:
        """Count what an extra session of the same poll did."""
        self.fetched += other.fetched
        self.stored += other.stored
        self.deleted += other.deleted
        self.confirmed += other.confirmed
        self.unanswered += other.unanswered
        self.octets += other.octets
        self.refused += other.refused
        self.vanished += other.vanished
        self.removed += other.removed
        self.twins.update(other.twins)
        self.held = Counter(self.held or {}) + Counter(other.held or {}) if self.held is not None else None
        self.errors |= other.errors
        self.undeleted |= other.undeleted
        self.excused |= other.excused

    def polled(self, error: MailsluiceError | None = None, verdict: Verdict | None = None) -> Polled:
        """Close the books: after `error` with its `verdict`, or well."""
        if error is not None and verdict is not None:
            detail = printable(redact("; ".join(filter(None, (str(error), verdict.remedy)))))
            report = self._report(error.outcome, detail)
            lost = isinstance(error, ConnectionLost) and not self.fetched and report.seconds >= LONG
            return Polled(
                report,
                verdict.exit_code,
                verdict.disposition,
                served=False,
                of_credential=verdict.of_credential,
                answer=Answer.MISSED if lost else verdict.answer,
            )
        outcome, detail = self._went()
        served, disposition = outcome.is_complete, outcome.disposition
        if outcome is Outcome.MESSAGES_REFUSED and self.gave_up and not self.fetched:
            served, disposition = False, Disposition.BACK_OFF  # the server hands out nothing at all
        return Polled(self._report(outcome, detail), outcome.exit_code, disposition, served)

    def _went(self) -> tuple[Outcome, str]:
        """How a session went that no error ended, and what there is to say of it."""
        if self.vanished:
            detail = f"another program removed {self.vanished} messages from staging: they come again"
            return Outcome.MESSAGES_REMOVED, detail
        if self.refused:
            detail = f"the server refused {self.refused} of the messages that it lists, or their headers"
            if self.gave_up:
                detail += ", and was asked for no more of them in that session"
            return Outcome.MESSAGES_REFUSED, detail
        if self.still_listed:
            return Outcome.STILL_LISTED, (
                f"{self.still_listed} messages that the server was asked to delete before are listed all the "
                "same: it was asked once more"
            )
        return Outcome.OK, ""

    def _report(self, outcome: Outcome, detail: str) -> SessionReport:
        return SessionReport(
            mailbox=self.mailbox,
            started=self._started,
            listed=self.listed,
            fetched=self.fetched,
            stored=self.stored,
            deleted=self.deleted,
            bytes=self.octets,
            seconds=round(self.clock.monotonic() - self._began, 3),
            waiting=self.waiting,
            outcome=outcome,
            detail=detail,
            held=self.all_held,
        )
