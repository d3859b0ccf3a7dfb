"""The history: which former polls tell something about a mailbox, and what.

Owns whose polls count. Must never read the ledger: its reports are given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import History
from mailsluice.model import MailboxKey
from mailsluice.outcome import Outcome, Standing
from mailsluice.report import MailboxReport


def history_of(
    mailbox: Mailbox,
    live: Iterable[Mailbox],
    reports: Mapping[MailboxKey, MailboxReport],
    now: datetime,
    *,
    let_in: Collection[MailboxKey] = (),
    refused: Collection[MailboxKey] = (),
) -> History:
    """What the reports of this mailbox and of its siblings among those that are `live` tell.

    Siblings are the other mailboxes with this credential on this server. One gets in if its latest session
    went well: what was well before that proves nothing today. `let_in` and `refused` were seen just now, and
    count more than a report.
    """
    gets_in: list[tuple[datetime, str]] = []
    shut_out = 0
    for sibling in live:
        if not _is_sibling(sibling, mailbox):
            continue
        report = reports.get(sibling.key)
        last = report.last.outcome if report and report.last else None
        if sibling.key in let_in:
            gets_in.append((now, sibling.name))
        elif sibling.key in refused:
            shut_out += 1
        elif report and report.last_success and last and last.standing is Standing.SUCCESS:
            gets_in.append((report.last_success, sibling.name))
        else:
            shut_out += last is Outcome.LOGIN_REFUSED
    when, name = max(gets_in, default=(None, ""))
    own = reports.get(mailbox.key)
    own_time = now if mailbox.key in let_in else own.last_success if own else None
    return History(now, own_time, name, when, shut_out)


def _is_sibling(other: Mailbox, mailbox: Mailbox) -> bool:
    same = (other.credential, other.key.host) == (mailbox.credential, mailbox.key.host)
    return same and other.key != mailbox.key
