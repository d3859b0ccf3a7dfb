"""The events that the log speaks of: their names, which alarms and dashboards rely on.

Owns the names and the canonical line of a session. Must never decide what is done about an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from mailsluice.model import Listed, SessionReport, uidl_text
from mailsluice.obs.logger import FilteringBoundLogger
from mailsluice.outcome import Standing

STARTED = "service started"
"""Polling begins; `mailboxes` is how many, and `zone` the local time of `cron` lines, if there are any."""

STOPPING = "service stopping"
"""No new poll begins; those under way are ended."""

STOPPED = "service stopped"
"""The last line of an orderly end."""

RELOADED = "configuration reloaded"
"""A SIGHUP was obeyed: so many `mailboxes` there are now, of which some were `added` or are `changed`.

Sessions of these and of the `removed` ones are asked to end; all others go on as they were.
"""

LINES_DROPPED = "log lines dropped"
"""So many `lines` of the log are missing before this one: its reader did not read. Polling went on."""

CONFIGURATION_WARNING = "configuration warning"
"""What an administrator should know of the files that are obeyed (`warning`): at a start or reload."""

RELOAD_REFUSED = "configuration refused"
"""At a SIGHUP the configuration was wrong, as `mistakes` tells; the one in force stays."""

SESSION = "session"
"""The canonical line: one for each poll of a mailbox, with all its counts and its outcome."""

CREDENTIAL_SLOWED = "credential slowed down"
"""Mailboxes of `credential` fail as throttled ones do (`cause`): they are left alone until `until`.

After that they come spread over a quarter of the delay. The exception, before and after, is a mailbox whose
last poll is 15 minutes old: it comes at once. Said once, though it may be prolonged.
"""

CREDENTIAL_RECOVERED = "credential recovered"
"""A mailbox of `credential` was polled well: the others come at their usual times again."""

THREADS_SHORT = "threads short"
"""The system starts no more threads (`error`): the `at_work` sessions that run do what waits, one by one.

Said once, until threads are to be had again.
"""

POLL_LEFT_OUT = "poll left out"
"""No thread could be had for a poll of `mailbox` (`error`), and no other session ran: its next time holds."""

MESSAGE_OVERSIZE = "message oversize"
"""A message is larger than `max_message`; it stays on the server, and this is said once."""

MESSAGE_REFUSED = "message refused"
"""The server lists a message but does not hand it out; the next poll asks again."""

MESSAGE_QUARANTINED = "message quarantined"
"""A message could not be fetched in three sessions over a day; it stays on the server. Said once."""

NO_SECOND_SESSION = "no second session"
"""The server did not open the mailbox once more, as `connections` asks (`error`): one session does it alone.

For an hour, then it is tried again.
"""

DELETION_REFUSED = "deletion refused"
"""The server did not agree to delete so many messages that are stored; the next poll asks again."""

STILL_LISTED = "still listed"
"""So many messages are listed though an earlier session asked the server to delete them: it is asked anew."""

DELETING_OLD = "deleting kept messages"
"""By a changed policy so many stored messages that stayed are deleted now, and `later` as they age."""

MESSAGE_UNDELETABLE = "message undeletable"
"""The server ended several sessions when a stored message was to be deleted; that is tried once a day."""

MAILBOX_LARGE = "mailbox large"
"""The mailbox has so many `messages` that soon, or already, not all of them are looked at (`beyond`)."""

LISTING_UNUSABLE = "listing unusable"
"""So many lines of the server's UIDL listing name no message (`examples`): those messages stay there."""

MESSAGE_REMOVED = "message removed"
"""Another program removed a message's files from staging before it was published: it comes again."""

STAGING_REMOVED = "staging removed"
"""A sink's staging directory was moved away or removed under a poll: what was on its way comes again."""

MESSAGE_SUBSTITUTED = "message substituted"
"""The server handed out a notice in the place of a message that it cannot render: that is not stored.

The message stays on the server, and is asked for again a day later.
"""

HEADER_REFUSED = "header refused"
"""A message that was to be deleted, or is in doubt, could not be asked for its header.

It stays until it can be.
"""

MESSAGE_UNRECOGNISED = "message unrecognised"
"""It may be a stored message under another UIDL, that has nothing to be known again by."""

MESSAGES_RETURNED = "messages returned"
"""New messages turned out to be stored ones, which had vanished and came back under other UIDLs."""

APART_ENDED = "session apart ended"
"""A message that had ended a session ended the one that it was tried in alone; nothing else was lost."""

MESSAGE_UNDECIDED = "message undecided"
"""Nothing tells whether a message is the stored one: it is stored once more, and so may come twice.

Its UIDL was absent meanwhile or its size is another, and its header has nothing to tell by. Of these, and of
the kinds below, a poll names the first 20, and counts the rest in `more`.
"""

SINK_MADE_ANEW = "sink made anew"
"""The sink's directory is another one than before, in the same place: mail goes there from now on."""

SINK_SHARED = "sink shared"
"""Another ledger (`detail`) feeds the same sink."""

LEDGER_MOVED = "ledger moved"
"""The ledger that feeds a sink was kept elsewhere before (`detail`): a moved volume, or a copied machine."""

LEDGER_OLDER = "ledger older"
"""The ledger lacks `missing` writes that the sink knows of: a backup was put back.

It doubts all that it knows as stored, so that headers are asked before anything is deleted. What was stored
since the backup and is still on the server is stored once more.
"""

MAILBOX_RENAMED = "mailbox renamed"
"""A mailbox goes on with what is known of it under its former host or address, as its headers prove."""

MAILBOX_TWICE = "mailbox twice"
"""So many messages stored now are known of another section's mailbox, too: it may be the same one."""

STAGING_LEFT = "staging left"
"""The staging directory of a removed mailbox, or in a former sink, was finished and removed."""

DESCRIPTIONS_SWEPT = "descriptions swept"
"""So many descriptions were removed whose messages consumers took long ago."""

NOT_TIDIED = "not tidied"
"""A sink could not be tidied up (`error`); it is tried again an hour later. The mail is not affected."""

TAKEN_BACK = "taken back"
"""What an interrupted poll had recorded was never published: it is fetched again."""

UIDL_AMBIGUOUS = "uidl ambiguous"
"""Two messages of one listing have the same UIDL, against RFC 1939 §7: their headers tell them apart."""

UIDL_REUSED = "uidl reused"
"""A UIDL that was stored before names another message now, as its header says: that is fetched."""

UIDL_CHANGED = "uidl changed"
"""A message marked as seen is listed with another size: it may be another one under the same UIDL.

To have it fetched, move it out of the Inbox and back: that gives it a new UIDL.
"""

QUIT_UNCONFIRMED = "quit unconfirmed"
"""QUIT was not answered well: the next listing decides what is deleted (crash table, step 6)."""

ROLLED_FORWARD = "rolled forward"
"""Messages that an interrupted poll had recorded were published now (crash table, steps 3 and 4)."""

SWEPT = "staging swept"
"""What an interrupted poll had not recorded was removed, to be fetched again (crash table, steps 1, 2)."""

LEDGER_BEGUN = "ledger begun"
"""A new ledger was made in `directory`: nothing is known of what was stored before. A first start says so.

A warning, for it is all that is seen of a state directory that was lost as a whole.
"""

LEDGER_REPLACED = "ledger replaced"
"""A file of the open ledger was removed, or another lies in its place (`error`): all is built anew."""

LEDGER_NOT_REOPENED = "ledger not reopened"
"""After that it cannot be opened (`error`), and nothing is polled. Said at each try, every 15 seconds."""

STATUS_NOT_NOTED = "status not noted"
"""What `status` shows could not be written (`error`); the mail is not affected.

Said once; it is tried again every second until it is written.
"""

STATUS_NOTED = "status noted again"
"""What `status` shows is written once more, that of the time in between included."""

BUG = "bug"
"""mailsluice is wrong; please report it with this line."""

MOST_NAMED = 20
"""Messages that one event of one poll names.

A listing may be wrong in tens of thousands, and to log as many lines takes a minute.
"""


def name_messages(log: FilteringBoundLogger, event: str, messages: Sequence[Listed], **of_all: str) -> None:
    """Name the first of these messages, each in a warning; of the others, say how many they are.

    `of_all` is what is said with each.
    """
    for listed in messages[:MOST_NAMED]:
        uidl, number, size = uidl_text(listed.uidl), listed.number, listed.size
        log.warning(event, uidl=uidl, number=number, octets=size, **of_all)
    if len(messages) > MOST_NAMED:
        log.warning(event, more=len(messages) - MOST_NAMED, **of_all)


def session(log: FilteringBoundLogger, report: SessionReport) -> None:
    """Leave the canonical line of a session, as a warning if it counts as a failure."""
    say = log.warning if report.outcome.standing is Standing.FAILURE else log.info
    say(SESSION, **(asdict(report) | {"started": report.started.isoformat()}))
