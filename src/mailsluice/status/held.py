"""Held mail in words: for each reason what it means, and what an administrator can do.

Owns the remedies. Must never count: each poll does.
"""

from __future__ import annotations

from mailsluice import invocation
from mailsluice.failure import Held
from mailsluice.policy.plan import MOST_MESSAGES


def remedy(why: str, mailbox: str) -> str:
    """What can be done about messages of this mailbox that are held for this reason, a word of `Held`."""
    try:
        return _REMEDIES[Held(why)].format(mailbox=mailbox, **_commands(mailbox))
    except ValueError:  # a newer mailsluice's
        return "see docs/operations.md"


def _commands(mailbox: str) -> dict[str, str]:
    return {
        "listing": invocation.command("quarantine", "list"),
        "retry": invocation.command("quarantine", "retry", mailbox),
        "fetch": invocation.command("seen", mailbox, "--fetch"),
        "seen": invocation.command("seen", mailbox),
    }


_REMEDIES = {
    Held.TOO_LARGE: "larger than max_message: raise it in the section {mailbox} to fetch them",
    Held.REFUSED: "the server did not hand them out when last asked; they are tried again by themselves",
    Held.QUARANTINED: "the server refused them for a day and longer; they are tried once a day. `{listing}` "
    "says which they are, and `{retry}` tries them at once",
    Held.SUBSTITUTE: "the server hands out a notice in their place; they are asked for once a day. "
    "`{listing}` says which they are; quarantine take, with a UIDL, stores the notice",
    Held.UNRECOGNISED: "nothing tells whether they are stored already. Look into the mailbox: `{fetch}` "
    "stores them, `{seen}` leaves them there",
    Held.UNCLEAR: "their headers are not told, so that nobody knows whether they are the stored ones; they "
    "are asked again by themselves. One that is moved out of the inbox and back is fetched",
    Held.AMBIGUOUS: "several have the same UIDL, and their headers are not told; they are asked again by "
    "themselves. Those that are moved out of the inbox and back are fetched",
    Held.UNUSABLE: "the server's listing gives them no UIDL that can be used: `listing unusable` in the log "
    "shows its lines. Move them out of the inbox and back",
    Held.UNDELETABLE: "they are stored, and the server does not delete them; that is tried again by itself. "
    "They can be deleted by hand",
    Held.BEYOND: f"the mailbox has more than {MOST_MESSAGES} messages, and not all are looked at: it drains "
    "by itself where the policy deletes; else move old mail out of the inbox",
}
