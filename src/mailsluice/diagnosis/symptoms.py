"""The symptoms: what a server says or does, and what may be the cause.

Owns the words of Exchange Online, and for each its possible causes, the commonest first, and the disposition.
The causes of Entra ID's numbers are in `numbers`.

Must never know more than the error itself: `evidence` has what else is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.numbers import NUMBERS
from mailsluice.errors import ConnectionLost, MailsluiceError, Obstacle, Phase, ServerError, TokenError
from mailsluice.outcome import Disposition


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is seen, and what it may come from.

    `seen` is what it looks like, for people. `causes` are the possible ones, the commonest first, if an
    application asks; `of_person` those if a person's sign-in is used, where they differ.
    """

    seen: str
    causes: tuple[Cause, ...]
    of_person: tuple[Cause, ...] = ()

    def possible(self, *, is_person: bool) -> tuple[Cause, ...]:
        """The causes that are possible, the commonest first."""
        return (self.of_person or self.causes) if is_person else self.causes


@dataclass(frozen=True, slots=True)
class Reply:
    """Words of a mail server in these phases: the symptom, when to try again, and whom it concerns.

    Exchange sends no response codes (RFC 2449 §8), so only the phase and the text can tell. If another server
    sends a code, it is read. `of_credential`: it may concern all mailboxes of the credential.
    """

    words: re.Pattern[str]
    symptom: Symptom
    disposition: Disposition
    of_credential: bool = False
    phases: frozenset[Phase] = frozenset(Phase)


_LOGIN = (
    Cause.NO_FULL_ACCESS,
    Cause.NO_SERVICE_PRINCIPAL,
    Cause.DOOR_OFF,
    Cause.NO_MAILBOX,
    Cause.NO_CONSENT,
    Cause.NO_ROLE,
    Cause.OTHER_PERMISSION,
    Cause.WRONG_RESOURCE,
    Cause.OTHER_TENANT,
    Cause.TOKEN_ENDED,
    Cause.THROTTLED,
)
_LOGIN_OF_PERSON = (
    Cause.NO_FULL_ACCESS,
    Cause.DOOR_OFF,
    Cause.NO_MAILBOX,
    Cause.NO_PERSON_CONSENT,
    Cause.WRONG_RESOURCE,
    Cause.OTHER_TENANT,
    Cause.TOKEN_ENDED,
    Cause.THROTTLED,
)
_PASSWORD = (Cause.PASSWORD_RETIRED, Cause.WRONG_PASSWORD)
_OPENING = (
    Cause.NO_FULL_ACCESS,
    Cause.DOOR_OFF,
    Cause.NO_MAILBOX,
    Cause.NO_SERVICE_PRINCIPAL,
    Cause.NO_CONSENT,
    Cause.NO_ROLE,
    Cause.OTHER_PERMISSION,
    Cause.UNAVAILABLE,
)
_OPENING_OF_PERSON = (
    Cause.NO_FULL_ACCESS,
    Cause.DOOR_OFF,
    Cause.NO_MAILBOX,
    Cause.NO_PERSON_CONSENT,
    Cause.UNAVAILABLE,
)
_OPENED_NOT = Symptom(
    "the login is accepted, but the mailbox is not opened (`authenticated but not connected`)",
    _OPENING,
    _OPENING_OF_PERSON,
)

_HUNG_UP = Symptom(
    "the login is accepted, and then the connection is closed",
    (Cause.UNAVAILABLE, *(cause for cause in _OPENING if cause is not Cause.UNAVAILABLE)),
    (Cause.UNAVAILABLE, *(cause for cause in _OPENING_OF_PERSON if cause is not Cause.UNAVAILABLE)),
)
"""Another form of the same. It is also what any connection may do, so the passing cause comes first."""


def _reply(
    words: str,
    symptom: Symptom,
    disposition: Disposition,
    *phases: Phase,
    of_credential: bool = False,
) -> Reply:
    compiled = re.compile(words, re.IGNORECASE)
    return Reply(compiled, symptom, disposition, of_credential, frozenset(phases or Phase))


REPLIES = (
    _reply(  # and the words of RFC 1939 §4, §7, from before there were codes
        r"\[IN-USE\]|unable to lock maildrop|maildrop already locked",
        Symptom("`[IN-USE]`", (Cause.IN_USE,)),
        Disposition.RETRY,
    ),
    _reply(r"\[LOGIN-DELAY\]", Symptom("`[LOGIN-DELAY]`", (Cause.TOO_OFTEN,)), Disposition.BACK_OFF),
    _reply(
        r"\[SYS/TEMP\]",
        Symptom("`[SYS/TEMP]`", (Cause.UNAVAILABLE,)),
        Disposition.BACK_OFF,
        of_credential=True,
    ),
    _reply(r"\[SYS/PERM\]", Symptom("`[SYS/PERM]`", (Cause.SERVER_FAULT,)), Disposition.OPERATOR),
    _reply(
        r"protocol error\. connection is closed\. 10",
        Symptom("`Protocol error. Connection is closed. 10`", (Cause.LINE_TOO_LONG,)),
        Disposition.BUG,
    ),
    _reply(
        r"server unavailable\. \d+|request is throttled",
        Symptom("`Server Unavailable. 21`", (Cause.UNAVAILABLE,)),
        Disposition.BACK_OFF,
        of_credential=True,
    ),
    _reply(
        r"TLS 1\.0 and 1\.1 are not supported",
        Symptom("`TLS 1.0 and 1.1 are not supported`", (Cause.OLD_TLS,)),
        Disposition.OPERATOR,
    ),
    _reply(
        r"authentication failure: unknown user name or bad password",
        Symptom(
            "`Authentication failure: unknown user name or bad password.`",
            (*_LOGIN, *_PASSWORD),
            _LOGIN_OF_PERSON,
        ),
        Disposition.OPERATOR,
        Phase.AUTH,
        of_credential=True,
    ),
    _reply(
        r"logon failure: unknown user name or bad password",
        Symptom(
            "`Logon failure: unknown user name or bad password.`", (*_PASSWORD, *_LOGIN), _LOGIN_OF_PERSON
        ),
        Disposition.OPERATOR,
        Phase.AUTH,
        of_credential=True,
    ),
    _reply(  # IMAP and SMTP, for the credential that is tried there
        r"authenticate failed|5\.7\.3 authentication unsuccessful",
        Symptom("`AUTHENTICATE failed.`, `535 5.7.3 Authentication unsuccessful`", _LOGIN, _LOGIN_OF_PERSON),
        Disposition.OPERATOR,
        Phase.AUTH,
        of_credential=True,
    ),
    _reply(
        r"SmtpClientAuthentication is disabled",
        Symptom("`SmtpClientAuthentication is disabled`", (Cause.DOOR_OFF,)),
        Disposition.OPERATOR,
        Phase.AUTH,
    ),
    _reply(r"command is not valid in this state", _OPENED_NOT, Disposition.OPERATOR, Phase.LISTING),
    _reply(r"authenticated but not connected", _OPENED_NOT, Disposition.OPERATOR),
)
"""What mail servers say."""


_OF_KEYS = (
    (
        re.compile("key used is expired", re.IGNORECASE),
        Symptom("`The key used is expired` (AADSTS700027)", (Cause.CERTIFICATE_EXPIRED, Cause.FEDERATION)),
    ),
    (
        re.compile("key was not found", re.IGNORECASE),
        Symptom("`The key was not found` (AADSTS700027)", (Cause.CERTIFICATE_NOT_UPLOADED, Cause.FEDERATION)),
    ),
)
"""What 700027 and 50012 add about the certificate."""
_ERRORS = (
    (
        re.compile("invalid_grant|interaction_required"),
        Symptom("the provider refuses the sign-in", (), (Cause.SIGN_IN_ENDED,)),
    ),
    (
        re.compile("expired_token|bad_verification_code|authorization_declined|access_denied"),
        Symptom("the sign-in is not finished", (), (Cause.SIGN_IN_UNFINISHED,)),
    ),
    (
        re.compile("temporarily_unavailable|server_error"),
        Symptom("the provider has a passing fault", (Cause.PROVIDER_BUSY,)),
    ),
)
"""Errors without a known number: RFC 6749 §4.1.2.1, §5.2, RFC 8628 §3.5, OpenID Connect Core §3.1.2.6.

A new sign-in may end the first two, if a person signed in.
"""

REFUSALS: Mapping[str, Symptom] = {
    number: Symptom(f"`AADSTS{number}`", *causes) for number, causes in NUMBERS.items()
}
"""What Entra ID says, by its number."""
_ABOUT_KEYS = (REFUSALS["700027"], REFUSALS["50012"])

OBSTACLES: Mapping[Obstacle, Symptom] = {
    Obstacle.NAME: Symptom("the name is not found", (Cause.NO_SUCH_HOST, Cause.NO_NETWORK)),
    Obstacle.RESOLVER: Symptom("no name server answers", (Cause.NO_DNS, Cause.NO_NETWORK)),
    Obstacle.SILENT: Symptom("the connection is accepted, and then nothing comes", (Cause.SILENT,)),
    Obstacle.REFUSED: Symptom("the connection is refused", (Cause.REFUSED_BY_FIREWALL,)),
    Obstacle.DROPPED: Symptom(
        "there is no answer to the connection", (Cause.DROPPED_BY_FIREWALL, Cause.NO_NETWORK)
    ),
    Obstacle.NO_ROUTE: Symptom("there is no route", (Cause.NO_NETWORK, Cause.REFUSED_BY_FIREWALL)),
    Obstacle.PROXY: Symptom("the proxy makes no tunnel", (Cause.PROXY,)),
    Obstacle.HANDSHAKE: Symptom("the TLS handshake is broken off", (Cause.BROKEN_OFF,)),
    Obstacle.OLD_TLS: Symptom("only an old TLS is offered", (Cause.OLD_TLS,)),
    Obstacle.NO_TLS: Symptom("there is no TLS", (Cause.NO_TLS,)),
    Obstacle.UNTRUSTED: Symptom(
        "the certificate is of an unknown authority", (Cause.INTERCEPTED, Cause.OWN_AUTHORITY)
    ),
    Obstacle.EXPIRED: Symptom(
        "the certificate has expired", (Cause.CERTIFICATE_ENDED, Cause.CLOCK, Cause.INTERCEPTED)
    ),
    Obstacle.NOT_YET_VALID: Symptom(
        "the certificate is not valid yet", (Cause.CLOCK, Cause.CERTIFICATE_EARLY, Cause.INTERCEPTED)
    ),
    Obstacle.OTHER_NAME: Symptom(
        "the certificate is for another name", (Cause.OTHER_NAME, Cause.INTERCEPTED)
    ),
    Obstacle.WEAK: Symptom("the certificate is too weak", (Cause.WEAK_CERTIFICATE, Cause.INTERCEPTED)),
}
"""What stands in the way to a server."""


def reply_of(error: MailsluiceError) -> Reply | None:
    """The words of a mail server in this error, if they are known."""
    if not isinstance(error, ServerError):
        return None
    found = (reply for reply in REPLIES if error.phase in reply.phases and reply.words.search(error.reply))
    return next(found, None)


def symptom_of(error: MailsluiceError) -> Symptom | None:
    """What this error shows, if it is known."""
    if reply := reply_of(error):
        return reply.symptom
    if isinstance(error, ConnectionLost) and error.phase is Phase.LISTING:
        return _HUNG_UP
    if isinstance(error, ServerError | TokenError) and error.obstacle is not None:
        return OBSTACLES[error.obstacle]
    if isinstance(error, TokenError):
        return symptom_of_refusal(error.said)
    return None


def symptom_of_refusal(said: str) -> Symptom | None:
    """What an identity provider's error shows: `said` is the error and its description."""
    number = re.search(r"AADSTS(\d+)", said)
    if number and (symptom := REFUSALS.get(number[1])):
        of_keys = _OF_KEYS if symptom in _ABOUT_KEYS else ()
        return next((told for words, told in of_keys if words.search(said)), symptom)
    return next((symptom for error, symptom in _ERRORS if error.match(said)), None)
