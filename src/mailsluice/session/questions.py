"""The questions: which messages may be stored already, and what follows once their headers were seen.

Owns the answers of one poll. Must never ask by itself: `late` does, by TOP or RETR.
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
"""Headers: if none of so many tells itself from that of the stored message, no other will."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of a message that is asked about: its row, and what it is known again by, if anything.

    And for what reason it is asked about.
    """

    row: Known
    evidence: Evidence | None
    reason: Reason


@dataclass
class Answers:
    """What the headers said, in messages; emptied by whoever acts on it.

    `same` are those stored already and in doubt until now, `delete` those stored that are due. `unsure` are
    due, too, but it is their UIDLs alone that say so. `other` and `undecided` are to be fetched;
    `unclear` are left, since nothing tells.
    """

    same: list[Listed] = field(default_factory=list)
    delete: list[Listed] = field(default_factory=list)
    unsure: list[Listed] = field(default_factory=list)
    other: dict[Listed, bytes | None] = field(default_factory=dict)
    undecided: list[Listed] = field(default_factory=list)
    unclear: list[Listed] = field(default_factory=list)
    reused: bool = False
    """Whether a UIDL that was never absent means another message: no UIDL of the mailbox is sure then."""


class Questions:
    """Messages of one mailbox that may be stored already, by UIDL, as things stand at `now`.

    `undeletable` are UIDLs of what is deleted in sessions apart alone.
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
        """Whether so many headers were asked for that a mailbox made anew would have shown itself."""
        return len(self._asked) >= min(len(self._open), _ENOUGH)

    def untold(self, listed: Listed) -> None:
        """Note that the header was asked for, and not told."""
        self._asked.add(listed.uidl)

    def answer(self, listed: Listed, header: Header) -> Action:
        """What follows for a message, now that its header is known."""
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
        """Whether what is due is deleted now.

        Where several share a UIDL and a header, one may have the UIDL now that another had, which is deleted.
        """
        is_told = verdict is not Verdict.UNDECIDED or not is_derived(listed.uidl)
        return is_told and listed.uidl not in self._undeletable

    def newly_reused(self) -> bool:
        """Whether a UIDL was found to mean another message; true once, for who puts all of them in doubt."""
        told, self._reuse_told = self._reuse_told, self.answers.reused
        return self._reuse_told and not told

    def is_open(self, listed: Listed) -> bool:
        """Whether a message of this UIDL is stored, and this one may be it."""
        return listed.uidl in self._open

    def is_stored(self, listed: Listed, header: Header) -> bool:
        """Whether a message that was fetched turns out to be stored already, or not to be stored."""
        return self.is_open(listed) and self.answer(listed, header) is not Action.FETCH

    def about(self, staged: Sequence[Staged]) -> list[bytes]:
        """The UIDLs of these messages that were open: other messages were stored under them."""
        return [each.uidl for each in staged if each.uidl in self._open]
