"""The judgement: which causes an error may have, in order, by all that is known.

Owns how symptom and evidence are put together, and the sentence for the log and for `status`. Must never do
anything about a cause. `check`, `poll`, the daemon, `status` and the manual all judge here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.evidence import Weight, weight
from mailsluice.diagnosis.facts import Facts
from mailsluice.diagnosis.filling import filled
from mailsluice.diagnosis.symptoms import symptom_of, symptom_of_refusal
from mailsluice.errors import MailsluiceError, TokenError

DELAY = "a change takes up to an hour"
_LONG_DELAY = "Azure keeps a managed identity's token for up to a day, so that a change may take as long"
DELAYED = {
    Cause.NO_FULL_ACCESS,
    Cause.NO_SERVICE_PRINCIPAL,
    Cause.DOOR_OFF,
    Cause.NO_CONSENT,
    Cause.NO_ROLE,
    Cause.OTHER_PERMISSION,
    Cause.NO_PERSON_CONSENT,
}
"""What was mended may look broken for a while."""
_OF_TOKENS = (
    Cause.WRONG_RESOURCE,
    Cause.NO_CONSENT,
    Cause.NO_ROLE,
    Cause.OTHER_PERMISSION,
    Cause.NO_PERSON_CONSENT,
    Cause.OTHER_TENANT,
    Cause.TOKEN_ENDED,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The causes that are left, the likeliest first. There is none if the error's own words say it all.

    `is_certain`: it is the first cause. Otherwise nothing that is known can tell them apart. `is_likely`: the
    first is likelier than all others.
    """

    causes: tuple[Cause, ...]
    is_certain: bool
    is_likely: bool = False

    def sentence(self, facts: Facts, *, check: str = "") -> str:
        """What is wrong and what to do, in one sentence; empty without a cause.

        `check` is the command that helps to tell several causes apart. If there are many, it also says how
        each is mended: that would be too long here.
        """
        if not self.causes:
            return ""
        first, *others = self.causes
        if self.is_likely or not others:
            told = _in_full(first, facts)
            told = f"probably {told}; otherwise {_in_short(others, facts)}" if others else told
        elif len(others) == 1:
            told = f"either {_in_full(first, facts)}; or {_in_full(others[0], facts)}"
        else:
            told = f"likely causes, in order: {_in_short(self.causes, facts)}"
        if check and others:
            told += f"; {check} says how to tell them apart"
        if first is Cause.NO_ROLE:
            return f"{told}; {_LONG_DELAY}"
        return f"{told}; {DELAY}" if first in DELAYED else told


def _in_full(cause: Cause, facts: Facts) -> str:
    return f"{filled(cause.means, facts)}: {filled(cause.mend, facts)}"


def _in_short(causes: Sequence[Cause], facts: Facts) -> str:
    if len(causes) == 1:
        return filled(causes[0].means, facts)
    return "; ".join(f"({n}) {filled(cause.means, facts)}" for n, cause in enumerate(causes, 1))


NOTHING = Judgement((), is_certain=False)


def judge(error: MailsluiceError, facts: Facts) -> Judgement:
    """Which causes this error may have."""
    symptom = symptom_of(error)
    if symptom is None:
        return NOTHING
    possible = symptom.possible(is_person=facts.is_person)
    return _judged(possible, _without_token(facts) if isinstance(error, TokenError) else facts)


def judge_token(facts: Facts) -> Cause | None:
    """Why this token will probably open nothing, by its claims alone; None if it may."""
    return next((cause for cause in _OF_TOKENS if weight(cause, facts) is Weight.PROVED), None)


def judge_refusal(said: str, facts: Facts) -> Judgement:
    """Which causes a refusal of the identity provider may have. `said` is the error and its description."""
    symptom = symptom_of_refusal(said)
    if symptom is None:
        return NOTHING
    return _judged(symptom.possible(is_person=facts.is_person), _without_token(facts))


def _without_token(facts: Facts) -> Facts:
    """The facts without those of an earlier token: what that permitted, the provider may refuse now."""
    return replace(facts, claims=None)


def _judged(possible: tuple[Cause, ...], facts: Facts) -> Judgement:
    weights = {cause: weight(cause, facts) for cause in possible}
    if proved := tuple(cause for cause in possible if weights[cause] is Weight.PROVED):
        return Judgement(proved[:1], is_certain=True)
    left = [cause for cause in possible if weights[cause] is not Weight.RULED_OUT]
    if not left:  # a fact must be wrong, and nobody knows which: it speaks about none
        return Judgement(possible, is_certain=False)
    left.sort(key=lambda cause: -weights[cause])  # a stable sort: among equals the commonest comes first
    is_likely = len(left) > 1 and weights[left[0]] is Weight.LIKELY and weights[left[1]] is not Weight.LIKELY
    return Judgement(tuple(left), is_certain=len(left) == 1, is_likely=is_likely)
