"""Recovery: every half-done batch is rolled forward or taken back before anything new is fetched.

Owns the last column of the table in docs/crash-safety.md, and what is done about a ledger that is older than
its sink. Must never fetch or delete on the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum

from mailsluice import invocation
from mailsluice.config.models import Mailbox
from mailsluice.errors import SinkRefused
from mailsluice.model import MailboxKey, Staged
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.context import Context
from mailsluice.session.ports import Staging

_log = get_logger(__name__)


def recover(key: MailboxKey, name: str, context: Context) -> None:
    """Finish what a crash left. Each message is finished in the sink where it was staged.

    This is so even if another sink is configured now. What was recorded is published and committed. What was
    never published is taken back, and comes again. `name` is the mailbox's name in commands, empty if it is
    not configured any more. Raises SinkRefused if a staging directory is gone: then nobody can know which
    messages were published.
    """
    half_done = context.ledger.messages.half_done(key)
    with ExitStack() as held:
        found = {
            spec: held.enter_context(_found(spec, staged, key, name, context))
            for spec, staged in half_done.items()
        }
        # If any sink shows that the ledger is an older copy, none of its rows proves anything, in any sink.
        missing = {spec: missing_writes(staging, key, context) for spec, staging in found.items()}
        is_older = any(missing.values())
        for spec, staging in found.items():
            undisturbed = staging.is_as_left and not is_older
            _finish(staging, half_done[spec], key, context, undisturbed=undisturbed)
        # Last: if the process is killed before this, the next one must still find that the ledger is older.
        for spec, staging in found.items():
            catch_up(staging, missing[spec], key, context)


def forget(mailbox: Mailbox, context: Context) -> int:
    """Give up the mailbox's staging directories that are gone, or whose sinks are not mounted.

    Staging directories of mailboxes that are not configured any more are given up, too, if their sink is not
    mounted: no other command does it. Messages that consumers can see in such a sink are committed. Returns
    how many other messages were half done there: they are still on the server, and come again. Raises
    SinkRefused if no directory is gone, and SinkError.
    """
    ledger, key = context.ledger, mailbox.key
    counts = [
        _given_up(spec, key, mailbox.name, context)
        for spec in _specs(key, context)
        if _found_at(spec, key, mailbox.name, context) is not _Found.THERE
    ]
    for former in {known_as for known_as, _ in ledger.stagings.every()} - {key, *context.live}:
        with ledger.leases.hold(former):
            counts += [
                _given_up(spec, former, "", context)
                for spec in _specs(former, context)
                if _found_at(spec, former, "", context) is _Found.REFUSED
            ]
    if not counts:
        raise SinkRefused(
            f"no staging directory of {mailbox.name} is missing, so there is nothing to give up",
            remedy=f"`{invocation.command('poll', mailbox.name)}` finishes what is half done",
        )
    return sum(counts)


class _Found(Enum):
    """What is found in the place of a staging directory."""

    THERE = "the same directory"
    MISSING = "no directory, or another one"
    REFUSED = "a sink that must not be touched now, for example because its file system is not mounted"


def _specs(key: MailboxKey, context: Context) -> set[str]:
    """The sinks in which something of this mailbox is staged, or was."""
    staged_in = {where.sink for known_as, where in context.ledger.stagings.every() if known_as == key}
    return staged_in | set(context.ledger.messages.half_done(key))


def _found_at(spec: str, key: MailboxKey, name: str, context: Context) -> _Found:
    known = context.ledger.stagings.known(key, spec)
    if known is None:
        return _Found.MISSING
    try:
        with context.sink_at(spec, key, name).find(known) as staging:
            return _Found.MISSING if staging is None else _Found.THERE
    except SinkRefused:
        return _Found.REFUSED


def _given_up(spec: str, key: MailboxKey, name: str, context: Context) -> int:
    ledger = context.ledger
    staged = ledger.messages.half_done(key).get(spec, ())
    stored = context.sink_at(spec, key, name).published(staged)
    ledger.messages.commit(key, stored, ledger.now())
    ledger.messages.take_back(key, staged)
    ledger.stagings.forget(key, spec)
    return len(staged) - len(stored)


def missing_writes(staging: Staging, key: MailboxKey, context: Context) -> int:
    """How many writes the sink knows of that the ledger lacks. If there are any, it is an older copy."""
    return max(0, staging.commits - context.ledger.messages.commits(key))


def catch_up(staging: Staging, missing: int, key: MailboxKey, context: Context) -> None:
    """Go on with a ledger that lacks this many writes. From now on it doubts every message that it knows."""
    if not missing:
        return
    context.ledger.messages.catch_up(key, max(staging.commits, context.ledger.messages.commits(key)))
    _log.warning(
        events.LEDGER_OLDER,
        sink=staging.where.sink,
        missing=missing,
        remedy="if a backup was restored, nothing has to be done: messages that were stored since the backup "
        "and are still on the server are stored once more",
    )


@contextmanager
def _found(
    spec: str, staged: Sequence[Staged], key: MailboxKey, name: str, context: Context
) -> Iterator[Staging]:
    known = context.ledger.stagings.known(key, spec)
    with ExitStack() as held:
        staging = None
        if known is not None:
            staging = held.enter_context(context.sink_at(spec, key, name).find(known))
        if staging is None:
            forget_it = invocation.about(name, key.address, "sink", "forget")
            raise SinkRefused(
                f"{len(staged)} messages are half done in the staging directory of {spec}, but the directory "
                "or its claim file is gone: the messages may be published or not",
                remedy="mount its file system, or move the directory back to its place; a new, empty one "
                f"does not help. If it is gone for good: {forget_it}; then messages that are not visible in "
                "the sink come again, also those that a consumer took just before",
            )
        yield staging


def _finish(
    staging: Staging, staged: Sequence[Staged], key: MailboxKey, context: Context, *, undisturbed: bool
) -> None:
    ledger, spec = context.ledger, staging.where.sink
    stored = staging.finish(staged, undisturbed=undisturbed)
    ledger.messages.commit(key, stored, ledger.now())
    names = {done.name for done in stored}
    back = [message for message in staged if message.name not in names]
    ledger.messages.take_back(key, back)
    staging.forget(stored)
    staging.sweep()
    if stored:
        _log.warning(events.ROLLED_FORWARD, sink=spec, names=sorted(names))
    if back:
        _log.warning(events.TAKEN_BACK, sink=spec, names=[message.name for message in back])
