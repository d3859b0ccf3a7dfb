"""The held token: how old it is, how long it is used, and whether it still lets anybody in.

Owns these rules. Must never read a clock, nor a file, nor ask for another token.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mailsluice.auth.tokens.kept import AHEAD, Kept
from mailsluice.auth.tokens.moment import Moment

OLD = 300.0
"""A refused token of this age in seconds may be dropped: a permission may have been granted since."""
_LAST_USE = 120.0
"""Seconds before its end from which a token is not used any more: connecting and AUTH take time."""
_DOUBT = 900.0
"""A token that let somebody in is dropped after it was only refused for so many seconds."""
_NOTE = 300.0
"""Seconds between two notes in the file that it let somebody in."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token. Its life counts from before it was `asked` for; after `renew` seconds it is renewed.

    `let_in`: when a server last accepted it. `doubted`: when one first refused it after that. `noted`: when
    the file last learned of this, and `is_doubt_noted` whether it has the doubt.
    """

    value: str = field(repr=False)
    asked: Moment
    lifetime: float
    renew: float
    let_in: Moment | None = None
    doubted: Moment | None = None
    noted: Moment | None = None
    is_doubt_noted: bool = False

    @classmethod
    def of(cls, kept: Kept, now: Moment) -> Held | None:
        """The token that was kept; None if it was asked for in the future: then a clock is or was wrong."""
        if kept.asked > now.wall + AHEAD:
            return None
        let_in, doubted = (now.at(wall) if wall else None for wall in (kept.let_in, kept.refused))
        return cls(
            kept.token,
            now.at(kept.asked),
            kept.lifetime,
            kept.renew,
            let_in=let_in,
            doubted=doubted,
            noted=doubted or let_in,
            is_doubt_noted=doubted is not None,
        )

    def kept(self) -> Kept:
        """What the next process should know."""
        return Kept(
            self.value,
            self.asked.wall,
            self.lifetime,
            self.renew,
            self.let_in.wall if self.let_in else 0.0,
            self.doubted.wall if self.doubted else 0.0,
        )

    def is_fresh(self, now: Moment) -> bool:
        """Whether it need not be renewed yet."""
        return now.since(self.asked) < self.renew

    def is_usable(self, now: Moment) -> bool:
        """Whether it can still be used for a login."""
        return now.since(self.asked) < self.lifetime - _LAST_USE

    def let_in_at(self, now: Moment) -> Held:
        """The same token, which let somebody in now."""
        return replace(self, let_in=now, doubted=None)

    def refused_at(self, now: Moment) -> Held:
        """The same token, which was refused now."""
        return replace(self, doubted=self.doubted or now)

    def is_lost(self, now: Moment) -> bool:
        """Whether, refused now, it is good for nothing: it never let anybody in, or not for a long time."""
        return self.let_in is None or (self.doubted is not None and now.since(self.doubted) >= _DOUBT)

    def is_note_due(self, now: Moment) -> bool:
        """Whether the file should learn of it, if it is to be written seldom."""
        return self.noted is None or now.since(self.noted) >= _NOTE
