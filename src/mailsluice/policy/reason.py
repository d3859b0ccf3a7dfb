"""The reasons: why a message is fetched, deleted or left, in words for people.

Owns which action follows from a reason, and which reasons hold a message. Must never decide which reason a
message has: `plan` does.
"""

from __future__ import annotations

from enum import Enum

from mailsluice.failure import Held


class Action(Enum):
    """What is to be done with a message."""

    FETCH = "fetch"
    DELETE = "delete"
    """It is deleted after its header has shown that it is the stored message."""
    ASK = "ask"
    """Its header is asked for, and shows whether it is the stored message."""
    APART = "apart"
    """It is fetched in a session of its own, because it may end that session."""
    DELETE_APART = "delete-apart"
    """It is deleted in a session of its own, for the same reason."""
    LEAVE = "leave"


class Reason(Enum):
    """Why, in words for an administrator, with the action and what the message is held as, if it is held."""

    NEW = Action.FETCH, "not seen before"
    AGAIN = Action.FETCH, "could not be fetched before, so it is tried after all others", Held.REFUSED
    APART = (
        Action.APART,
        "the session ended at this message when it was last tried, so it gets a session of its own",
        Held.REFUSED,
    )
    RESTING = (
        Action.LEAVE,
        "the session ended at this message several times, so it is tried once an hour",
        Held.REFUSED,
    )
    REUSED = Action.FETCH, "its UIDL belonged to another message that is gone"
    STORED = Action.DELETE, "stored, and not to be left on the server"
    AGED = Action.DELETE, "stored longer ago than leave_on_server says"
    STILL_LISTED = Action.DELETE, "stored, and still listed although the server was asked to delete it"
    UNDELETED = (
        Action.DELETE_APART,
        "stored; the session ended when it was to be deleted, so the deletion gets a session of its own",
        Held.UNDELETABLE,
    )
    UNDELETED_RESTING = (
        Action.LEAVE,
        "stored; the session ended when it was to be deleted, so the deletion is tried once an hour",
        Held.UNDELETABLE,
    )
    UNDELETABLE = (
        Action.LEAVE,
        "stored; several sessions ended when it was to be deleted, so the deletion is tried once a day",
        Held.UNDELETABLE,
    )
    KEPT = Action.LEAVE, "stored, and kept on the server"
    NOT_YET_AGED = Action.LEAVE, "stored, and kept on the server until it is old enough"
    TOO_LARGE = Action.LEAVE, "larger than max_message", Held.TOO_LARGE
    STILL_TOO_LARGE = Action.LEAVE, "larger than max_message, reported before", Held.TOO_LARGE
    NEXT_POLL = Action.LEAVE, "max_per_poll is reached"
    DOUBTFUL = (
        Action.ASK,
        "stored or marked as seen, but its UIDL was not listed for a time, or its size is different now",
    )
    UNSIZED = Action.ASK, "stored, but listed without a size, although it had one before"
    NOT_ASKED = (
        Action.LEAVE,
        "the session ended when its header was asked for; it is asked for again after a day or more",
        Held.UNCLEAR,
    )
    CHANGED = (
        Action.LEAVE,
        "marked as seen, but its size is different now: it may be another message under the same UIDL",
        Held.UNCLEAR,
    )
    SEEN = Action.LEAVE, "marked as seen by an administrator"
    QUARANTINED = (
        Action.LEAVE,
        "in quarantine, because it could not be fetched several times; it is tried once a day",
        Held.QUARANTINED,
    )
    SUBSTITUTED = (
        Action.LEAVE,
        "the server sends a notice in its place; the message is tried again after a day",
        Held.SUBSTITUTE,
    )
    UNRECOGNISED = (
        Action.LEAVE,
        "it may be a stored message under another UIDL, and nothing decides; it is tried again after a day",
        Held.UNRECOGNISED,
    )
    AMBIGUOUS = (
        Action.LEAVE,
        "its UIDL is listed twice, and the headers that tell the messages apart were not asked for or given",
        Held.AMBIGUOUS,
    )

    def __init__(self, action: Action, text: str, held: Held | None = None) -> None:
        self.action = action
        self.text = text
        self.held = held
