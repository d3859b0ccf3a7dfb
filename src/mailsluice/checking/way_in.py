"""The way in: from the secret to the claims of a token, for one credential.

Owns the order of these steps. Must never keep a token longer than the check, and never show one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from mailsluice.auth.secrets import secrets_of
from mailsluice.auth.text import looks_like_id
from mailsluice.checking.means import PROVIDER_WAIT, Means
from mailsluice.checking.provider import endpoint_of
from mailsluice.checking.reach import Reached, reach
from mailsluice.checking.secrets import secret_warnings, sign_in_warnings
from mailsluice.checking.steps import Note, Step
from mailsluice.config.credentials import CommandCredential, EntraCredential, PasswordCredential, Way
from mailsluice.config.models import Mailbox
from mailsluice.config.references import references
from mailsluice.diagnosis.claims import Claims, claims_in
from mailsluice.diagnosis.facts import Access, Facts, History
from mailsluice.diagnosis.filling import filled
from mailsluice.diagnosis.judgement import judge_token
from mailsluice.diagnosis.known import described
from mailsluice.errors import MailsluiceError, SecretError
from mailsluice.model import BearerToken, Login


@dataclass(frozen=True, slots=True)
class WayIn:
    """What came of it: a login, or the error that ended it. `facts` are what is known by then."""

    facts: Facts
    login: Login | None = None
    error: MailsluiceError | None = None
    step: Step | None = None


def try_way_in(mailbox: Mailbox, means: Means) -> WayIn:
    """Go the way to a login for this mailbox: secret, provider, token, claims."""
    name = mailbox.credential
    subject, credential = f"credentials.{name}", means.config.credentials[name]
    facts = Facts(Access.of(name, credential))
    step = Step.SECRET
    try:
        with means.journal.step(subject, Step.SECRET) as note:
            _read_secrets(name, means, note)
        if isinstance(credential, EntraCredential) and credential.way is not Way.MANAGED_IDENTITY:
            reached = _reach_provider(credential, means)
            if reached.error:
                return _ended(facts, reached.error, reached.step, means)
        step = Step.TOKEN
        with means.journal.step(subject, Step.TOKEN) as note:
            login = means.credentials.login(mailbox)
            claims = claims_in(login.value) if isinstance(login, BearerToken) else None
            note.say(_ends(claims, means) if isinstance(login, BearerToken) else "none: a password is sent")
    except MailsluiceError as error:
        return _ended(_with_form_of_secret(facts, credential, means), error, step, means)
    facts = replace(facts, claims=claims, history=History(means.clock.now()))
    if isinstance(login, BearerToken):
        _look_at_claims(subject, replace(facts, host=mailbox.host), means)
    return WayIn(facts, login)


def _ended(facts: Facts, error: MailsluiceError, step: Step | None, means: Means) -> WayIn:
    """The way that ended with this error at this step."""
    if step is not Step.TOKEN and facts.access:
        subject = f"credentials.{facts.access.credential}"
        means.journal.leave_out(subject, Step.TOKEN, f"the step before it ({step}) has failed")
    return WayIn(facts, None, error, step)


def _read_secrets(name: str, means: Means, note: Note) -> None:
    """Read each secret of this credential, and the sign-in, as the daemon would. Raises SecretError."""
    config = means.config
    credential = config.credentials[name]
    uses = [use for use in references(config) if use.section == f"credentials.{name}"]
    found = [str(use.ref) for use in uses]
    doubts: list[str] = []
    for use in uses:
        if use.key != "certificate_password":  # it is read with the certificate
            doubts += secret_warnings(config, use.ref, [use])
    if isinstance(credential, EntraCredential) and credential.way.is_delegated:
        account, warnings = sign_in_warnings(name, credential, config.service.state_dir)
        found, doubts = [f"{account} signed in"], list(warnings)
    if doubts:
        note.doubt("; ".join(doubts))
    else:
        note.say(", ".join(found) or _without(credential))


def _without(credential: EntraCredential | CommandCredential | PasswordCredential) -> str:
    if isinstance(credential, CommandCredential):
        return "none: a program gives the token"
    return "none: it proves itself without one"


def _reach_provider(credential: EntraCredential, means: Means) -> Reached:
    """Connect to the provider before it is asked: a firewall on the way is named in seconds."""
    quick = means.within(PROVIDER_WAIT)
    return reach(
        endpoint_of(credential, means),
        means.journal,
        clock=means.clock,
        deadlines=quick.deadlines,
        connections=means.connections,
    )


def _ends(claims: Claims | None, means: Means) -> str:
    if claims is None or claims.ends is None:
        return "given; it does not say when it ends"
    left = claims.ends - means.clock.now()
    return f"given, good for {max(0, left // timedelta(minutes=1))} minutes"


def _look_at_claims(subject: str, facts: Facts, means: Means) -> None:
    with means.journal.step(subject, Step.CLAIMS) as note:
        if facts.claims is None:
            note.say("this token cannot be read; Exchange Online decides alone")
        elif cause := judge_token(facts):
            note.doubt(f"the token {described(facts.claims)}: {filled(cause.means, facts)}")
        else:
            note.say(f"the token {described(facts.claims)}")


def _with_form_of_secret(facts: Facts, credential: object, means: Means) -> Facts:
    """The facts, with whether the client secret has the form of an ID."""
    if isinstance(credential, EntraCredential) and credential.client_secret:
        with suppress(SecretError):
            secret = secrets_of(means.config).reader(credential.client_secret)()
            return replace(facts, secret_is_id=looks_like_id(secret))
    return facts
