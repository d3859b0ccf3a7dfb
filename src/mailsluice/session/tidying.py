"""Tidying: removes what removed mailboxes, former sinks and consumers left behind.

Owns what is removed once an hour, and to whom it belongs. Must never touch what another ledger staged or
published, nor what may still be in progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.errors import MailboxLocked, SinkError
from mailsluice.model import MailboxKey, Where
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.context import Context
from mailsluice.session.recovery import recover

EVERY = timedelta(hours=1)
"""Not more often than this, because listing a spool of many messages takes a while."""

_log = get_logger(__name__)


def is_due(context: Context) -> bool:
    """Whether the last time is long enough ago. Raises LedgerError."""
    last = context.ledger.stagings.tidied()
    return last is None or context.ledger.now() - last >= EVERY


def tidy(mailboxes: Iterable[Mailbox], context: Context) -> None:
    """Remove what was left behind; `mailboxes` are all that are configured. Raises LedgerError.

    A sink that cannot be read now is left for the next time, and this is logged.
    """
    # Noted first: an error on the way must not have it tried again at once.
    context.ledger.stagings.note_tidied(context.ledger.now())
    live = {mailbox.key: mailbox for mailbox in mailboxes}
    for key, where in context.ledger.stagings.every():
        if key not in live or context.open_sink(live[key]).spec != where.sink:
            leave(key, where, live[key].name if key in live else "", context)
    for mailbox, grace in _spools(live.values()).items():
        _remove_descriptions(mailbox, grace, context)


def leave(key: MailboxKey, where: Where, name: str, context: Context) -> None:
    """Finish what is half done in a staging directory that is not used any more, and remove the directory.

    `name` is the mailbox's name, empty if it is not configured any more. Raises LedgerError.
    """
    try:
        with context.ledger.leases.hold(key):
            recover(key, name, context)
            with context.sink_at(where.sink, key, name).find(where) as staging:
                if staging is None:
                    return  # it may be on a file system that is not mounted now
                staging.remove()
            context.ledger.stagings.forget(key, where.sink)
    except MailboxLocked:  # somebody works there; the next time will do
        return
    except SinkError as error:
        _log.warning(events.NOT_TIDIED, sink=where.sink, error=str(error), remedy=error.remedy)
    else:
        _log.info(events.STAGING_LEFT, sink=where.sink, address=key.address)


def _spools(mailboxes: Iterable[Mailbox]) -> Mapping[Mailbox, timedelta]:
    """One mailbox for each spool, and the longest `json_grace` of those that share the spool."""
    found: dict[str, tuple[Mailbox, timedelta]] = {}
    for mailbox in mailboxes:
        if isinstance(mailbox.sink, SpoolSink):
            path, grace = str(mailbox.sink.path), mailbox.sink.json_grace
            _, longest = found.get(path, (mailbox, grace))
            found[path] = (mailbox, max(grace, longest))
    return dict(found.values())


def _remove_descriptions(mailbox: Mailbox, grace: timedelta, context: Context) -> None:
    sink, stagings, now = context.open_sink(mailbox), context.ledger.stagings, context.ledger.now()
    before = stagings.orphans(sink.spec)
    try:
        there = set(sink.left_behind())
        old = {name for name in there if name in before and now - before[name] >= grace}
        sink.remove_left_behind(old)
    except SinkError as error:
        _log.warning(events.NOT_TIDIED, sink=sink.spec, error=str(error), remedy=error.remedy)
        return
    new, no_more = there - before.keys(), old | (before.keys() - there)
    if new or no_more:
        stagings.note_orphans(sink.spec, new, no_more, now)
    if old:
        _log.info(events.DESCRIPTIONS_SWEPT, sink=sink.spec, descriptions=len(old))
