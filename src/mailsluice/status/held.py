"""Held mail in words: what each reason means, and what an administrator can do.

Owns the remedies. Must never count messages: each poll does that.
"""

from __future__ import annotations

from mailsluice import invocation
from mailsluice.failure import Held
from mailsluice.policy.plan import MOST_MESSAGES


def remedy(why: str, mailbox: str) -> str:
    """What to do about messages of this mailbox that are held for the reason `why`, a value of `Held`."""
    try:
        return _REMEDIES[Held(why)].format(mailbox=mailbox, **_commands(mailbox))
    except ValueError:  # a newer version wrote this reason to the ledger
        return "see docs/operations.md"


def _commands(mailbox: str) -> dict[str, str]:
    return {
        "listing": invocation.command("quarantine", "list"),
        "retry": invocation.command("quarantine", "retry", mailbox),
        "fetch": invocation.command("seen", mailbox, "--fetch"),
        "seen": invocation.command("seen", mailbox),
    }


_REMEDIES = {
    Held.TOO_LARGE: "they are larger than max_message; to fetch them, raise it in the section {mailbox}",
    Held.REFUSED: "the server refused them at the last try; they are tried again automatically",
    Held.QUARANTINED: "the server has refused them for a day or longer; they are tried once a day. "
    "`{listing}` lists them, and `{retry}` lets the next poll try them",
    Held.SUBSTITUTE: "the server hands out a notice in their place; they are tried once a day. "
    "`{listing}` lists them; quarantine take, with a UIDL, stores the notice",
    Held.UNRECOGNISED: "they may be stored already, and nothing can decide it. Look into the mailbox: "
    "`{fetch}` stores them, `{seen}` leaves them there",
    Held.UNCLEAR: "they may be stored already, and the server does not give their headers; they are tried "
    "again automatically. To fetch a message, move it out of the inbox and back",
    Held.AMBIGUOUS: "several have the same UIDL, and the server does not give their headers; they are tried "
    "again automatically. To fetch them, move them out of the inbox and back",
    Held.UNUSABLE: "the server's listing has no usable UIDL for them: `listing unusable` in the log shows "
    "its lines. Move them out of the inbox and back",
    Held.UNDELETABLE: "they are stored, but the server does not delete them; this is tried again "
    "automatically. You can delete them by hand",
    Held.BEYOND: f"the mailbox has more than {MOST_MESSAGES} messages, and a poll does not look at all of "
    "them. If the policy deletes, it drains by itself; else move old mail out of the inbox",
}
