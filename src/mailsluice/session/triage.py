"""Triage: what an error means for its mailbox, if the server's words are taken into account.

An error means what its row in `outcome` says, unless the server's words say more. Owns all texts of Exchange
Online that mailsluice knows. Exchange sends no response codes (RFC 2449 §8), so only the phase and the text
can tell. If another server sends a code, it is read. Must never act: it returns a verdict, and the schedule
acts on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailsluice.errors import MailsluiceError, Phase, ServerError
from mailsluice.outcome import Answer, Disposition, ExitCode


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


@dataclass(frozen=True, slots=True)
class _Rule:
    reply: re.Pattern[str]
    disposition: Disposition
    remedy: str
    of_credential: bool
    phases: frozenset[Phase] = frozenset(Phase)


def _rule(
    reply: str, disposition: Disposition, remedy: str, *phases: Phase, of_credential: bool = False
) -> _Rule:
    return _Rule(
        re.compile(reply, re.IGNORECASE), disposition, remedy, of_credential, frozenset(phases or Phase)
    )


_CHECK_ACCESS = (
    "check in this order: POP is on for the mailbox (Set-CASMailbox -PopEnabled $true); the app's service "
    "principal, or the person who signed in, has FullAccess to it (Add-MailboxPermission). For an app, also: "
    "New-ServicePrincipal was given the object id of the Enterprise application, not of the app "
    "registration; POP.AccessAsApp has admin consent. "
    "Changes take up to an hour. Under throttling the same words come back and pass by themselves"
)

_RULES = (
    _rule(r"\[IN-USE\]", Disposition.RETRY, "another program has the mailbox open"),
    _rule(r"\[LOGIN-DELAY\]", Disposition.BACK_OFF, "the server wants fewer logins: poll less often"),
    _rule(r"\[SYS/TEMP\]", Disposition.BACK_OFF, "the server has a passing fault", of_credential=True),
    _rule(r"\[SYS/PERM\]", Disposition.OPERATOR, "the server has a lasting fault: ask who runs it"),
    _rule(
        r"protocol error\. connection is closed\. 10",
        Disposition.BUG,
        "the server found a command too long: please report this with the log line",
    ),
    _rule(
        r"server unavailable\. \d+|request is throttled",
        Disposition.BACK_OFF,
        "Exchange could not reach the mailbox or is throttling; it passes by itself",
        of_credential=True,
    ),
    _rule(
        r"TLS 1\.0 and 1\.1 are not supported",
        Disposition.OPERATOR,
        "something between here and the server speaks an old TLS: look for a proxy that opens TLS",
    ),
    _rule(
        r"authentication failure: unknown user name or bad password",
        Disposition.OPERATOR,
        _CHECK_ACCESS,
        Phase.AUTH,
        of_credential=True,
    ),
    _rule(
        r"logon failure: unknown user name or bad password",
        Disposition.OPERATOR,
        "Exchange Online takes no passwords any more: use a credential of kind entra. "
        "Under throttling the same words come back and pass by themselves.",
        Phase.AUTH,
        of_credential=True,
    ),
    _rule(
        r"command is not valid in this state",
        Disposition.OPERATOR,
        "the token was accepted but the mailbox was not opened; " + _CHECK_ACCESS,
        Phase.LISTING,
    ),
    _rule(
        r"authenticated but not connected",
        Disposition.OPERATOR,
        "the token was accepted but the mailbox was not opened; " + _CHECK_ACCESS,
    ),
)


def triage(error: MailsluiceError) -> Verdict:
    """The verdict on an error: that of its outcome, or of the server's words if we know them."""
    rule = _rule_for(error)
    if rule is None:
        outcome = error.outcome
        of_credential = outcome.of_credential and _is_at_login(error)
        return Verdict(outcome.disposition, error.remedy, error.exit_code, of_credential, outcome.answer)
    remedy = error.remedy or rule.remedy
    return Verdict(rule.disposition, remedy, rule.disposition.exit_code, rule.of_credential)


def is_explained(error: MailsluiceError) -> bool:
    """Whether the server's words are known. Such words are about the server or the mailbox, not a message."""
    return _rule_for(error) is not None


def passes_by_itself(error: MailsluiceError) -> bool:
    """Whether the server's words are known, and are about something that passes by itself."""
    rule = _rule_for(error)
    return rule is not None and rule.disposition.passes


def _rule_for(error: MailsluiceError) -> _Rule | None:
    if not isinstance(error, ServerError):
        return None
    found = (rule for rule in _RULES if error.phase in rule.phases and rule.reply.search(error.reply))
    return next(found, None)


def _is_at_login(error: MailsluiceError) -> bool:
    """Whether the error came at the login, or while a token was fetched."""
    return not isinstance(error, ServerError) or error.phase is Phase.AUTH
