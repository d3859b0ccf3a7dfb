"""The reasons: why something is done with a message, or why it is left, in words for people.

Owns which action follows from a reason, and which reasons hold a message. Must never decide for which reason:
that is `plan`.
"""

from __future__ import annotations

from enum import Enum

from mailsluice.failure import Held


class Action(Enum):
    """What is to be done with a message."""

    FETCH = "fetch"
    DELETE = "delete"
    """Once its header has said that it is the stored message."""
    ASK = "ask"
    """Its header says whether it is the stored message."""
    APART = "apart"
    """Fetched in a session of its own: it may end that."""
    DELETE_APART = "delete-apart"
    """Deleted in a session of its own, for the same reason."""
    LEAVE = "leave"


class Reason(Enum):
    """Why, in words an administrator can read, what follows, and what the message is held as, if it is."""

    NEW = Action.FETCH, "not seen before"
    AGAIN = Action.FETCH, "could not be fetched before, and is tried after all others", Held.REFUSED
    APART = (
        Action.APART,
        "the session ended at it when last tried, so it is tried in a session of its own",
        Held.REFUSED,
    )
    RESTING = (
        Action.LEAVE,
        "the session ended at it several times, so it is tried once an hour",
        Held.REFUSED,
    )
    REUSED = Action.FETCH, "its UIDL belonged to another message that is gone"
    STORED = Action.DELETE, "stored, and not to be left on the server"
    AGED = Action.DELETE, "stored longer ago than the mailbox keeps mail"
    STILL_LISTED = Action.DELETE, "stored, and listed though the server was asked to delete it"
    UNDELETED = (
        Action.DELETE_APART,
        "stored; the session ended when it was to be deleted, so that is tried in a session of its own",
        Held.UNDELETABLE,
    )
    UNDELETED_RESTING = (
        Action.LEAVE,
        "stored; the session ended when it was to be deleted, and that is tried once an hour",
        Held.UNDELETABLE,
    )
    UNDELETABLE = (
        Action.LEAVE,
        "stored; the session ended several times when it was to be deleted, and that is tried once a day",
        Held.UNDELETABLE,
    )
    KEPT = Action.LEAVE, "stored, and kept on the server"
    NOT_YET_AGED = Action.LEAVE, "stored, and kept on the server a while longer"
    TOO_LARGE = Action.LEAVE, "larger than max_message", Held.TOO_LARGE
    STILL_TOO_LARGE = Action.LEAVE, "larger than max_message, reported before", Held.TOO_LARGE
    NEXT_POLL = Action.LEAVE, "max_per_poll is reached"
    DOUBTFUL = (
        Action.ASK,
        "stored, or marked as seen, but its UIDL was absent meanwhile, or it has another size now",
    )
    UNSIZED = Action.ASK, "stored, but listed without the size that its UIDL is known with"
    NOT_ASKED = (
        Action.LEAVE,
        "its header ended the session when it was asked for; a day later it is asked again",
        Held.UNCLEAR,
    )
    CHANGED = (
        Action.LEAVE,
        "marked as seen, but listed with another size now: it may be another message under the same UIDL",
        Held.UNCLEAR,
    )
    SEEN = Action.LEAVE, "marked as seen by an administrator"
    QUARANTINED = (
        Action.LEAVE,
        "in quarantine, since it could not be fetched several times; tried once a day",
        Held.QUARANTINED,
    )
    SUBSTITUTED = (
        Action.LEAVE,
        "the server hands out a notice in its place; a day later it is asked again",
        Held.SUBSTITUTE,
    )
    UNRECOGNISED = (
        Action.LEAVE,
        "it may be a stored one under another UIDL, and nothing tells; a day later it is looked at again",
        Held.UNRECOGNISED,
    )
    AMBIGUOUS = (
        Action.LEAVE,
        "its UIDL is listed twice, and a header that would tell them apart was not asked for, or is not told",
        Held.AMBIGUOUS,
    )

    def __init__(self, action: Action, text: str, held: Held | None = None) -> None:
        self.action = action
        self.text = text
        self.held = held
