"""Questions: which messages may be stored already, and what follows when their headers are known.

Owns the answers of one poll. Must never ask the server: `late` does, by TOP or RETR.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailsluice.config.models import Mailbox
from mailsluice.message.header import Header
from mailsluice.message.identity import identity
from mailsluice.message.recognition import Evidence, Verdict, recognise
from mailsluice.model import Known, Listed, Staged, State, is_derived
from mailsluice.policy.plan import after
from mailsluice.policy.reason import Action, Reason
from mailsluice.policy.sameness import is_familiar

_ENOUGH = 64
"""Headers. If none of so many shows that its UIDL stands for another message, the others will not."""


@dataclass(frozen=True, slots=True)
class Question:
    """A message that is asked about: its row, the evidence to recognise it by, and the reason to ask."""

    row: Known
    evidence: Evidence | None
    reason: Reason


@dataclass
class Answers:
    """What the headers showed. Whoever acts on the messages in a list empties it.

    `same` are stored messages that were in doubt. `delete` are stored messages that are due to be deleted.
    `unsure` are due, too, but only their UIDLs say that they are stored. `other` (with their identities) and
    `undecided` are to be fetched. `unclear` are left, because nothing decides.
    """

    same: list[Listed] = field(default_factory=list)
    delete: list[Listed] = field(default_factory=list)
    unsure: list[Listed] = field(default_factory=list)
    other: dict[Listed, bytes | None] = field(default_factory=dict)
    undecided: list[Listed] = field(default_factory=list)
    unclear: list[Listed] = field(default_factory=list)
    reused: bool = False
    """Whether a UIDL that was never absent stands for another message. Then no UIDL here is sure."""


class Questions:
    """Messages of one mailbox that may be stored already, by UIDL. Their ages are those at `now`.

    `undeletable` are the UIDLs of messages that are deleted in sessions apart only.
    """

    def __init__(
        self,
        open_: Mapping[bytes, Question],
        mailbox: Mailbox,
        now: datetime,
        undeletable: Collection[bytes] = (),
    ) -> None:
        self.answers = Answers()
        self._open = open_
        self._undeletable = undeletable
        self._asked: set[bytes] = set()
        self._reuse_told = False
        self._mailbox = mailbox
        self._now = now

    @property
    def enough_asked(self) -> bool:
        """Whether enough headers were asked for to notice a mailbox that was recreated."""
        return len(self._asked) >= min(len(self._open), _ENOUGH)

    def unanswered(self, listed: Listed) -> None:
        """Note that the header was asked for, and that the server did not give it."""
        self._asked.add(listed.uidl)

    def answer(self, listed: Listed, header: Header) -> Action:
        """What to do with a message, now that its header is known."""
        asked = self._open[listed.uidl]
        row, evidence, reason = asked.row, asked.evidence, asked.reason
        self._asked.add(listed.uidl)
        verdict = recognise(header, evidence)
        action = after(reason, verdict, row, self._mailbox, self._now)
        if action is Action.DELETE and not self._may_go(listed, verdict):
            action = Action.LEAVE
        answers = self.answers
        if action is Action.FETCH:
            if verdict is Verdict.OTHER:
                answers.other[listed] = identity(header)
            else:
                answers.undecided.append(listed)
            answers.reused |= verdict is Verdict.OTHER and row.gone_since is None
        elif verdict is Verdict.SAME and reason.action is Action.ASK:
            answers.same.append(listed)
        elif action is Action.LEAVE and verdict is Verdict.UNDECIDED:
            is_seen = row.state is State.SEEN and is_familiar(listed, row)
            (answers.same if is_seen else answers.unclear).append(listed)
        if action is Action.DELETE:
            (answers.unsure if verdict is Verdict.UNDECIDED else answers.delete).append(listed)
        return action

    def _may_go(self, listed: Listed, verdict: Verdict) -> bool:
        """Whether a message that is due is deleted now.

        A UIDL that we made (`is_derived`) never decides alone. When one of several messages with the same
        header is deleted, another one gets its UIDL.
        """
        is_told = verdict is not Verdict.UNDECIDED or not is_derived(listed.uidl)
        return is_told and listed.uidl not in self._undeletable

    def newly_reused(self) -> bool:
        """Whether a UIDL was found to stand for another message. True only once.

        The caller who gets it puts all rows of the mailbox in doubt.
        """
        was_told, self._reuse_told = self._reuse_told, self.answers.reused
        return self._reuse_told and not was_told

    def is_open(self, listed: Listed) -> bool:
        """Whether the ledger knows a message under this UIDL, and this one may be it."""
        return listed.uidl in self._open

    def is_stored(self, listed: Listed, header: Header) -> bool:
        """Whether a message that was fetched must not be stored, because it is stored or is to be left."""
        return self.is_open(listed) and self.answer(listed, header) is not Action.FETCH

    def about(self, staged: Sequence[Staged]) -> list[bytes]:
        """The UIDLs of these messages that were in question: other messages were stored under them."""
        return [new.uidl for new in staged if new.uidl in self._open]
