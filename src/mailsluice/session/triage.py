"""Triage: what an error means for its mailbox, if the server's words are taken into account.

An error means what its row in `outcome` says, unless the server's words say more: `diagnosis.symptoms` knows
them. Must never act: it returns a verdict, and the schedule acts on it.

The diagnosis is imported when there is an error: a good poll does without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailsluice.errors import MailsluiceError, Phase, ServerError
from mailsluice.outcome import Answer, Disposition, ExitCode

if TYPE_CHECKING:
    from mailsluice.diagnosis.symptoms import Reply


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error means: when to try again, what to do until then, and the exit code of a single poll.

    `of_credential`: as far as we can know, it concerns the whole credential and not this mailbox alone. A
    server that throttles a tenant may refuse any login of the tenant, or not answer it.
    """

    disposition: Disposition
    remedy: str
    exit_code: ExitCode
    of_credential: bool = False
    answer: Answer = Answer.GIVEN


def triage(error: MailsluiceError) -> Verdict:
    """The verdict on an error: that of its outcome, or of the server's words if we know them.

    A server's error that has no remedy yet gets one for what is not known about: see `explaining`.
    """
    reply = _reply_in(error)
    if reply is None:
        outcome = error.outcome
        of_credential = outcome.of_credential and _is_at_login(error)
        return Verdict(outcome.disposition, _remedy(error), error.exit_code, of_credential, outcome.answer)
    return Verdict(reply.disposition, _remedy(error), reply.disposition.exit_code, reply.of_credential)


def is_explained(error: MailsluiceError) -> bool:
    """Whether the server's words are known. Such words are about the server or the mailbox, not a message."""
    return _reply_in(error) is not None


def passes_by_itself(error: MailsluiceError) -> bool:
    """Whether the server's words are known, and are about something that passes by itself."""
    reply = _reply_in(error)
    return reply is not None and reply.disposition.passes


def _reply_in(error: MailsluiceError) -> Reply | None:
    if not isinstance(error, ServerError):
        return None
    from mailsluice.diagnosis.symptoms import reply_of  # noqa: PLC0415  see above

    return reply_of(error)


def _remedy(error: MailsluiceError) -> str:
    if error.remedy or not isinstance(error, ServerError):
        return error.remedy
    from mailsluice.diagnosis.facts import Facts  # noqa: PLC0415  see above
    from mailsluice.diagnosis.judgement import judge  # noqa: PLC0415

    return judge(error, Facts()).sentence(Facts())


def _is_at_login(error: MailsluiceError) -> bool:
    """Whether the error came at the login, or while a token was fetched."""
    return not isinstance(error, ServerError) or error.phase is Phase.AUTH
