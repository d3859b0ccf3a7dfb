"""The events of the log: their names, which alarms and dashboards rely on.

Owns the names, and the line that sums up a session. Must never decide what is done about an event. The names
in backquotes are the keys of an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mailsluice.model import Listed, SessionReport, uidl_text
from mailsluice.obs.logger import FilteringBoundLogger
from mailsluice.outcome import Standing

STARTED = "service started"
"""Polling begins. `mailboxes` is their number. `zone` is the local time of the `cron` lines, if any."""

STOPPING = "service stopping"
"""No new poll begins. Running polls are asked to end."""

STOPPED = "service stopped"
"""The last line of an orderly end."""

RELOADED = "configuration reloaded"
"""A SIGHUP was obeyed. `mailboxes` is their number now; `added`, `changed` and `removed` are numbers, too.

Running sessions of changed and removed mailboxes are asked to end. All others go on.
"""

LINES_DROPPED = "log lines dropped"
"""Before this line, `lines` lines of the log are missing: its reader did not read. Polling went on."""

CONFIGURATION_WARNING = "configuration warning"
"""`warning` is what an administrator should know about the configuration in force. At a start or reload."""

RELOAD_REFUSED = "configuration refused"
"""A SIGHUP was not obeyed, because the configuration has `mistakes`. The one in force stays."""

SESSION = "session"
"""The line that sums up a session: one for each poll of a mailbox, with all counts and the outcome."""

CREDENTIAL_SLOWED = "credential slowed down"
"""Mailboxes of `credential` fail like throttled ones (`cause`). They are not polled before `until`.

After that, their polls are spread over a quarter of the delay. But a mailbox is polled at once if its last
poll began 15 minutes ago. Logged once, even if the delay is prolonged.
"""

CREDENTIAL_RECOVERED = "credential recovered"
"""A poll of a mailbox of `credential` succeeded. The others are polled at their usual times again."""

CREDENTIAL_RENEWED = "credential renewed"
"""The secret of `credential` was replaced, or somebody signed in.

The mailboxes that were refused before, `mailboxes` of them, are polled at once."""

RENEWAL_PUT_OFF = "renewal put off"
"""The secret of `credential` was replaced so often that it is tried only at `until`, or at its usual time.

Accounts are locked after a few failed logins. Logged once, until it is tried.
"""

KEYRING_UNUSABLE = "keyring unusable"
"""The keyring that the configuration names failed its self-test. Each poll that needs it tries it again."""

CREDENTIAL_ENDS = "credential ends"
"""What `credential` proves itself with ends soon, or has ended (`warning`, `ends`). `remedy` says what to do.

Logged 30, 14 and 7 days before the end and when it has come, and at each start of the daemon meanwhile.
"""

EXPIRIES_NOT_NOTED = "expiries not noted"
"""`file`, from which `status` knows when credentials end, cannot be written (`error`). Polling goes on."""

THREADS_SHORT = "threads short"
"""The system refuses to start a thread (`error`). The `at_work` running ones do the waiting polls in turn.

Logged once, until a thread can be started again.
"""

POLL_LEFT_OUT = "poll left out"
"""No thread could be started for a poll of `mailbox` (`error`), and none was running. It is polled at its
next time."""

MESSAGE_OVERSIZE = "message oversize"
"""A message is larger than `max_message`. It stays on the server. Logged once."""

MESSAGE_REFUSED = "message refused"
"""The server lists a message but refuses to hand it out. The next poll asks again."""

MESSAGE_QUARANTINED = "message quarantined"
"""A message could not be fetched in three sessions over a day. It stays on the server. Logged once."""

NO_SECOND_SESSION = "no second session"
"""The server refused an extra session of the mailbox, as `connections` asks (`error`). One session works
alone for an hour. Then it is tried again."""

DELETION_REFUSED = "deletion refused"
"""The server refused to delete `messages` stored messages. The next poll asks again."""

STILL_LISTED = "still listed"
"""`messages` messages are still listed, although an earlier session asked to delete them. They are deleted
again."""

DELETING_OLD = "deleting kept messages"
"""The policy was changed. `messages` stored messages that stayed before are deleted now, and `later` more as
they age."""

MESSAGE_UNDELETABLE = "message undeletable"
"""The server ended several sessions at the deletion of a stored message. It is now tried once a day."""

MAILBOX_LARGE = "mailbox large"
"""The mailbox has many `messages`. Soon a poll will not look at all of them. `beyond` is how many it does not
look at already."""

LISTING_UNUSABLE = "listing unusable"
"""`messages` lines of the server's UIDL listing cannot be used (`examples`). Those messages stay there."""

MESSAGE_REMOVED = "message removed"
"""Another program removed a message's files from staging before it was published. It is fetched again."""

STAGING_REMOVED = "staging removed"
"""A sink's staging directory was moved or removed during a poll. What was not published is fetched again."""

MESSAGE_SUBSTITUTED = "message substituted"
"""The server handed out a notice in place of a message that it cannot render. The notice is not stored.

The message stays on the server, and is asked for again a day later.
"""

HEADER_REFUSED = "header refused"
"""The server refused the header of a message that should be deleted, or that is in doubt.

The message stays until the server gives its header.
"""

MESSAGE_UNRECOGNISED = "message unrecognised"
"""A new message may be a stored one under another UIDL, and nothing is recorded to recognise it by."""

MESSAGES_RETURNED = "messages returned"
"""New messages are stored ones that had left the listing and came back under other UIDLs."""

APART_ENDED = "session apart ended"
"""A message that had ended a session was tried in a session of its own, and ended that, too."""

MESSAGE_UNDECIDED = "message undecided"
"""Nobody can say whether a message is the stored one. It is stored again, and so may be there twice.

Its UIDL was absent for a time, or its size has changed, and its header does not identify it.
"""

SINK_MADE_ANEW = "sink made anew"
"""The sink's path leads to another directory than before. Mail is stored there from now on."""

SINK_SHARED = "sink shared"
"""Another ledger (`detail`) stores mail in the same sink."""

LEDGER_MOVED = "ledger moved"
"""The sink's ledger was somewhere else before (`detail`): a volume was moved, or a machine was copied."""

LEDGER_OLDER = "ledger older"
"""The ledger lacks `missing` writes that the sink knows of: a backup was restored.

All stored messages are in doubt now: their headers are asked before one is deleted. What was stored since the
backup and is still on the server is stored again.
"""

MAILBOX_RENAMED = "mailbox renamed"
"""A mailbox has a new host or address. Headers prove that it is the former one. Its history is used."""

MAILBOX_TWICE = "mailbox twice"
"""`messages` messages that were stored now are also known from another section's mailbox (`other`). Both
sections may poll the same mailbox."""

STAGING_LEFT = "staging left"
"""A removed mailbox, or a former sink, had a staging directory left. It was finished and removed."""

DESCRIPTIONS_SWEPT = "descriptions swept"
"""`descriptions` descriptions were removed. Consumers took their messages long ago."""

NOT_TIDIED = "not tidied"
"""Old files could not be removed (`error`). This is tried again an hour later. The mail is not affected."""

TAKEN_BACK = "taken back"
"""Messages that an interrupted poll had recorded were never published. They are fetched again."""

UIDL_AMBIGUOUS = "uidl ambiguous"
"""Two messages of one listing have the same UIDL, against RFC 1939 §7. Their headers distinguish them."""

UIDL_REUSED = "uidl reused"
"""The UIDL of a stored message names another message now, as its header proves. That is fetched."""

UIDL_CHANGED = "uidl changed"
"""A message marked as seen has another size now. It may be another message under the same UIDL.

To have it fetched, move it out of the Inbox and back: that gives it a new UIDL.
"""

QUIT_UNCONFIRMED = "quit unconfirmed"
"""The server did not confirm QUIT. The next listing shows what was deleted (crash table, step 6)."""

ROLLED_FORWARD = "rolled forward"
"""Messages that an interrupted poll had recorded were published now (crash table, steps 3 and 4)."""

SWEPT = "staging swept"
"""Files that an interrupted poll had not recorded were removed. Their messages are fetched again (crash
table, steps 1 and 2)."""

LEDGER_BEGUN = "ledger begun"
"""A new ledger was made in `directory`. It knows nothing about mail that was stored before.

This is usual at a first start. It is a warning, because nothing else shows that a state directory was lost.
"""

LEDGER_REPLACED = "ledger replaced"
"""A file of the open ledger was removed or replaced (`error`). The ledger is closed and opened again."""

LEDGER_NOT_REOPENED = "ledger not reopened"
"""After that, the ledger cannot be opened (`error`), and nothing is polled. Logged at each try (15 s)."""

STATUS_NOT_NOTED = "status not noted"
"""The reports that `status` shows could not be written (`error`). The mail is not affected.

Logged once. The write is tried again every second.
"""

STATUS_NOTED = "status noted again"
"""The reports that `status` shows are written again, also those of the time in between."""

TOKEN_NOT_KEPT = "token not kept"  # noqa: S105  an event's name
"""A token cannot be read from its file, or kept in it (`error`). Another one is asked for.

The mail is not affected. Logged once a day for each cause, also by a `poll` that cron starts.
"""

BUG = "bug"
"""mailsluice has a bug. Please report it with this line."""

MOST_NAMED = 20
"""The most messages that a poll names in events of one kind. It counts the others in `more`.

A listing may have tens of thousands of such messages, and to log so many lines takes a minute.
"""


def name_messages(log: FilteringBoundLogger, event: str, messages: Sequence[Listed], **of_all: str) -> None:
    """Name the first of these messages, each in its own warning. One more warning counts the others.

    `of_all` are keys that each warning has.
    """
    for listed in messages[:MOST_NAMED]:
        uidl, number, size = uidl_text(listed.uidl), listed.number, listed.size
        log.warning(event, uidl=uidl, number=number, octets=size, **of_all)
    if len(messages) > MOST_NAMED:
        log.warning(event, more=len(messages) - MOST_NAMED, **of_all)


def session(log: FilteringBoundLogger, report: SessionReport) -> None:
    """Log the line that sums up a session, as a warning if it counts as a failure."""
    say = log.warning if report.outcome.standing is Standing.FAILURE else log.info
    say(SESSION, **(asdict(report) | {"started": report.started.isoformat()}))
