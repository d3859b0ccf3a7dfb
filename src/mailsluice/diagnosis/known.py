"""What is known: the facts in words, so that an administrator sees what a judgement is based on.

Owns these sentences. Must never judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mailsluice.diagnosis.claims import Claims
from mailsluice.diagnosis.facts import Access, Facts, History
from mailsluice.obs.clean import printable

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def known(facts: Facts) -> tuple[str, ...]:
    """A sentence for each fact that matters, without full stops."""
    return tuple(printable(sentence) for sentence in _sentences(facts))


def described(claims: Claims) -> str:
    """For whom the token is, and what it permits, as the end of a sentence about it."""
    permits = claims.permits or "no permission (no roles, no scp)"
    person = f", in the name of {claims.person}" if claims.person else ""
    return printable(f"is for {claims.audience or 'nobody (no aud)'}, with {permits}{person}")


def _sentences(facts: Facts) -> Iterator[str]:
    if facts.claims:
        yield f"the token {described(facts.claims)}"
        if facts.claims.begins and facts.history:
            begun = ago(facts.claims.begins, facts.history.now)
            yield f"the token was issued {begun}, and knows no later change"
    if facts.history:
        yield from _of_history(facts.section, facts.access, facts.history)
    for door, opened in facts.doors.items():
        if door is not facts.door:
            yield f"{door.value} {'lets this mailbox in' if opened else 'does not let it in either'}"
    if facts.others_reached is not None:
        yield f"{'other servers answer' if facts.others_reached else 'no other server answers either'}"
    if facts.found_nowhere:
        yield "no other cloud has this tenant"
    if facts.found_in:
        yield f"the cloud {facts.found_in} has this tenant"


def _of_history(section: str, access: Access | None, history: History) -> Iterator[str]:
    if history.let_in:
        yield f"{section} was let in {ago(history.let_in, history.now)}"
    else:
        yield f"{section} was never let in, as far as this state directory knows"
    if history.sibling and history.sibling_let_in:
        when = ago(history.sibling_let_in, history.now)
        yield f"{history.sibling}, which has the same credential, was let in {when}"
    elif history.refused and access:
        count = f"{history.refused} other mailbox{'' if history.refused == 1 else 'es'}"
        yield f"{count} of credentials.{access.credential} did not get in either, and none got in"


def ago(then: datetime, now: datetime) -> str:
    """How long ago that was, in words. A clock that was set back is named: then nobody knows."""
    gone = now - then
    if gone < -_MINUTE:
        return "at a time that this machine's clock has not reached"
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if gone >= unit:
            count = gone // unit
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "less than a minute ago"
