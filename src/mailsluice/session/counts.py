"""Counts: what one session counts, and the report that is made from it.

Owns the arithmetic of the canonical line. Must never touch mail, server or ledger.
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
"""If this many messages in a row are refused, the cause is the server: a quota, a throttle or a bad hour."""

LONG = 30.0
"""Seconds. A connection that is lost after this time without a message counts as silence.

The server only ended it before our deadline did: Exchange ends a session that has not logged in after a
minute (PreAuthenticatedConnectionTimeout)."""

_LEFT = frozenset({Action.LEAVE, Action.DELETE, Action.ASK})
"""With these actions a message is not fetched in this poll."""


@dataclass(frozen=True, slots=True)
class Polled:
    """How a poll went: the report for log and ledger, and what the schedule and the exit code need.

    All but `report` follows from the report's outcome, and may be changed by what the server said. `served`:
    the session did everything that it was to do, though single messages may have been refused.
    `of_credential`: the error concerns the whole credential. `answer`: whether the server answered.
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

    - `wanted` is how many messages are to be fetched, `fetched` how many came.
    - `refused` is how many messages the server refused, or the headers of how many.
    - `errors` has the messages that could not be fetched, and why.
    - `gave_up`: the server refused so much that nothing more is asked for. `excused` are the messages of that
      row of refusals.
    - `proven` are messages whose failure counts against them, because the server served others well.
    - `failed_before` are the UIDLs of messages that failed before and are tried now.
    - `vanished` is how many messages another program removed from staging. `removed` are those of them that
      were not removed with the whole directory.
    - `shared` is how many of the stored messages other mailboxes have, too.
    - `notices` are the UIDLs of notices that an administrator wanted stored as they came.
    - `still_listed` is how many messages an earlier session asked the server to delete. `confirmed` is how
      many deletions the server agreed to and then answered QUIT well. `unanswered` is how many sessions got
      no good answer to a QUIT that was to delete. `undeleted` are the messages, by UIDL, at whose deletion a
      session ended.
    - `held` is how many messages are held by the listing alone; None before it is known. `failing` are the
      held messages that are tried, by UIDL. All sessions of a poll share it.
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
    shared: Counter[MailboxKey] = field(default_factory=Counter)
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
        """Count a message that came. It ends a row of refusals: the server is well."""
        self.fetched += 1
        self._in_a_row.clear()

    def failed(self, listed: Listed, error: MailsluiceError, *, passes: bool) -> None:
        """Count a message that did not come. `passes`: the server's words are known to pass by themselves.

        After such words, or after MOST_IN_A_ROW messages in a row, the cause is the server. Then nothing more
        is asked for, and no message of that row is blamed.
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
        """Count what a plan holds: messages that are left alone, and messages that are tried in this poll."""
        left = Counter(
            reason.held.value
            for reason in plan.reasons
            if reason.held is not None and reason.action is Action.LEAVE
        )
        not_planned = {Held.BEYOND.value: listing.beyond, Held.UNUSABLE.value: listing.unusable}
        self.held = left + Counter(not_planned)
        self.failed_before = frozenset(
            listed.uidl
            for listed, reason in zip(plan.listing, plan.reasons, strict=True)
            if listed.uidl in failures and (reason.action not in _LEFT or reason is Reason.NEXT_POLL)
        )
        for uidl in self.failed_before:
            if (why := failures[uidl].held) is not None:
                self.failing[uidl] = why

    def keep(self, why: Held, messages: int) -> None:
        """Count this many messages as held for the reason `why`. Which ones they are is not known."""
        self.held = Counter(self.held or {}) + Counter({why.value: messages})

    def done(self, uidls: Iterable[bytes]) -> None:
        """Count these messages no longer as held: they came, were recognised, or were deleted."""
        for uidl in uidls:
            self.failing.pop(uidl, None)

    @property
    def all_held(self) -> Mapping[str, int] | None:
        """How many messages stay on the server for another reason than policy, by the words of `Held`."""
        if self.held is None:
            return None
        return dict(
            sorted((Counter(self.held) + Counter(held.value for held in self.failing.values())).items())
        )

    def beside(self) -> Counts:
        """Empty counts for another session of the same poll."""
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
        self.shared.update(other.shared)
        self.held = Counter(self.held or {}) + Counter(other.held or {}) if self.held is not None else None
        self.errors |= other.errors
        self.undeleted |= other.undeleted
        self.excused |= other.excused

    def polled(self, error: MailsluiceError | None = None, verdict: Verdict | None = None) -> Polled:
        """The result of the poll: it ended with `error` and its `verdict`, or with neither."""
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
        outcome, detail = self._outcome()
        served, disposition = outcome.is_complete, outcome.disposition
        if outcome is Outcome.MESSAGES_REFUSED and self.gave_up and not self.fetched:
            served, disposition = False, Disposition.BACK_OFF  # the server hands out nothing at all
        return Polled(self._report(outcome, detail), outcome.exit_code, disposition, served)

    def _outcome(self) -> tuple[Outcome, str]:
        """The outcome of a session that no error ended, and its details in words."""
        if self.vanished:
            detail = f"another program removed {self.vanished} messages from staging; they come again"
            return Outcome.MESSAGES_REMOVED, detail
        if self.refused:
            detail = f"the server refused {self.refused} of the messages that it lists, or their headers"
            if self.gave_up:
                detail += "; it was asked for no more of them in that session"
            return Outcome.MESSAGES_REFUSED, detail
        if self.still_listed:
            return Outcome.STILL_LISTED, (
                f"the server still lists {self.still_listed} messages that it was asked to delete before; it "
                "was asked again"
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
