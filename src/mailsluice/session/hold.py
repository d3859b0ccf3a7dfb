"""The hold: one poll holds a mailbox's staging directory, and nothing of earlier polls is left in it.

Owns what is settled before anything new is fetched, and what an administrator is told about the sink. Must
never fetch or delete on the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mailsluice.config.models import Mailbox
from mailsluice.model import Noticed, Where
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.context import Context
from mailsluice.session.ports import Staging
from mailsluice.session.recovery import catch_up, missing_writes, recover

_EVENTS = {
    Noticed.MADE_ANEW: events.SINK_MADE_ANEW,
    Noticed.MOVED: events.LEDGER_MOVED,
    Noticed.SHARED: events.SINK_SHARED,
}

_log = get_logger(__name__)


@contextmanager
def held(mailbox: Mailbox, context: Context) -> Iterator[Staging]:
    """Hold the staging directory for a poll. Raises SinkError, LedgerError, MailboxLocked.

    First everything that an interrupted poll recorded is finished, in whichever sink it was staged. After
    that nothing in this staging directory is useful, and all of it is swept.
    """
    recover(mailbox.key, mailbox.name, context)
    sink = context.open_sink(mailbox)
    known = context.ledger.stagings.known(mailbox.key, sink.spec)
    with sink.hold(known) as staging:
        catch_up(staging, missing_writes(staging, mailbox.key, context), mailbox.key, context)
        # The token is left out: `note_where` notes it before rows are recorded, so that an idle poll need
        # not write to the ledger.
        if known is None or replace(known, token=staging.where.token) != staging.where:
            context.ledger.stagings.note(mailbox.key, staging.where)
        for notice in staging.notices:
            _log.warning(_EVENTS[notice.kind], sink=sink.spec, detail=notice.detail)
        if swept := staging.sweep():
            _log.warning(events.SWEPT, sink=sink.spec, messages=swept)
        yield staging


def note_where(where: Where, mailbox: Mailbox, context: Context) -> None:
    """Have the ledger note where messages are staged, with the claim's token, before any is recorded.

    Only under that token recovery may take a missing file as proof (docs/crash-safety.md).
    """
    known = context.ledger.stagings.known(mailbox.key, where.sink)
    if known != where:
        context.ledger.stagings.note(mailbox.key, where)
