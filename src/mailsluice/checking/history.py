"""The history of a checked mailbox: what this check has seen counts more than former polls.

Owns what of a check counts. Must never decide what a poll tells: `diagnosis.history` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailsluice.checking.means import Means
from mailsluice.checking.steps import Step
from mailsluice.checking.tried import Tried
from mailsluice.diagnosis import history
from mailsluice.diagnosis.facts import History
from mailsluice.errors import LoginRefused
from mailsluice.model import MailboxKey
from mailsluice.report import MailboxReport


def history_of(
    one: Tried, every: Mapping[str, Tried], reports: Mapping[MailboxKey, MailboxReport], means: Means
) -> History:
    """What former polls, and this check, tell of the mailbox and of those with the same credential.

    `every` is by the mailboxes' names.
    """
    let_in, refused = set(), set()
    for other in every.values():
        opened = other.opened
        if opened is None or opened.is_polled:
            continue
        if opened.error is None or opened.step is Step.LEDGER:
            let_in.add(other.mailbox.key)
        elif isinstance(opened.error, LoginRefused):  # no answer in time is no refusal
            refused.add(other.mailbox.key)
    live = means.config.mailboxes.values()
    now = means.clock.now()
    return history.history_of(one.mailbox, live, reports, now, let_in=let_in, refused=refused)
