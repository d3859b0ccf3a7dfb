"""The judgement: the 26 situations that it must name, and days on which it must not be misled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Access, Door, Facts
from mailsluice.diagnosis.judgement import NOTHING, Judgement, judge, judge_refusal, judge_token
from mailsluice.diagnosis.symptoms import OBSTACLES, REFUSALS
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    MailsluiceError,
    Obstacle,
    Phase,
    ProtocolViolation,
    SecretError,
    ServerUnreachable,
    ServerUntrusted,
    TokenRefused,
    TokenUnavailable,
)
from support.judging import (
    ACCESS,
    CLAIMS,
    DAY,
    FACTS,
    FULL_FACTS,
    HOUR,
    MINUTE,
    NOW,
    PERSON_CLAIMS,
    PERSON_FACTS,
    TENANT,
    by,
    with_claims,
    with_history,
)

AUTH_FAILURE = LoginRefused(
    "-", phase=Phase.AUTH, reply="Authentication failure: unknown user name or bad password."
)
NOT_CONNECTED = CommandRefused("-", phase=Phase.LISTING, reply="User is authenticated but not connected.")
ITS_OWN = (Cause.NO_FULL_ACCESS, Cause.DOOR_OFF, Cause.NO_MAILBOX)
"""What each mailbox has by itself."""


def refused(number: str, words: str = "words") -> TokenRefused:
    return TokenRefused("-", said=f"invalid_client AADSTS{number}: {words}. Trace ID: x")


def barred(obstacle: Obstacle) -> ServerUnreachable:
    return ServerUnreachable("-", phase=Phase.CONNECT, obstacle=obstacle)


def unanswered(obstacle: Obstacle) -> TokenUnavailable:
    return TokenUnavailable("-", obstacle=obstacle)


def untrusted(obstacle: Obstacle) -> ServerUntrusted:
    return ServerUntrusted("-", phase=Phase.TLS, obstacle=obstacle)


SIBLING = with_history(sibling="orders", sibling_let_in=NOW - MINUTE)
UNKNOWN = Facts(ACCESS)
CERTIFICATE_CLOCK = replace(FACTS, claims=None, clock_ahead=600.0)
DEVICE = replace(PERSON_FACTS, claims=None)

SITUATIONS: dict[str, tuple[MailsluiceError, Facts, Cause, tuple[Cause, ...]]] = {
    "01 unknown tenant": (refused("90002"), UNKNOWN, Cause.UNKNOWN_TENANT, (Cause.WRONG_CLOUD,)),
    "02 wrong client id": (refused("700016"), UNKNOWN, Cause.UNKNOWN_CLIENT, (Cause.WRONG_CLOUD,)),
    "03 secret id instead of its value": (
        refused("7000215"), replace(by(Way.SECRET), secret_is_id=True), Cause.SECRET_ID, (),
    ),
    "03 another wrong secret": (refused("7000215"), by(Way.SECRET), Cause.WRONG_SECRET, (Cause.SECRET_ID,)),
    "04 expired secret": (refused("7000222"), by(Way.SECRET), Cause.SECRET_EXPIRED, ()),
    "05 certificate not uploaded": (
        refused("700027", "[Reason - The key was not found.]"),
        FACTS, Cause.CERTIFICATE_NOT_UPLOADED, (),
    ),
    "06 expired certificate": (
        refused("700027", "[Reason - The key used is expired., Thumbprint"), FACTS, Cause.CERTIFICATE_EXPIRED, (),
    ),
    "08 clock off by ten minutes, certificate": (refused("700024"), CERTIFICATE_CLOCK, Cause.CLOCK, ()),
    "08 clock off, assertion of another machine": (
        refused("700024"), replace(by(Way.ASSERTION), clock_ahead=600.0), Cause.CLOCK, (Cause.ASSERTION_OLD,),
    ),
    "08 clock right, assertion old": (
        refused("700024"), replace(by(Way.ASSERTION), clock_ahead=1.0), Cause.ASSERTION_OLD, (),
    ),
    "09 no admin consent": (AUTH_FAILURE, with_claims(roles=()), Cause.NO_CONSENT, ()),
    "09 no admin consent, and the provider says so": (refused("65001"), FACTS, Cause.NO_CONSENT, ()),
    "10 IMAP granted and not POP": (
        AUTH_FAILURE, with_claims(roles=("IMAP.AccessAsApp",)), Cause.OTHER_PERMISSION, (),
    ),
    "10 IMAP granted and not POP, and IMAP opens": (
        AUTH_FAILURE, replace(with_claims(roles=("IMAP.AccessAsApp",)), doors={Door.IMAP: True}),
        Cause.OTHER_PERMISSION, (),
    ),
    "11 Graph token": (
        AUTH_FAILURE, with_claims(audience="https://graph.microsoft.com", roles=("Mail.Read",)),
        Cause.WRONG_RESOURCE, (),
    ),
    "12 wrong cloud": (refused("90002"), replace(UNKNOWN, found_in="gcc-high"), Cause.WRONG_CLOUD, ()),
    "12 wrong cloud, and the provider says so": (
        refused("900382"), UNKNOWN, Cause.WRONG_CLOUD, (Cause.UNKNOWN_TENANT,),
    ),
    "13 the app registration's object id": (
        AUTH_FAILURE, with_history(refused=2), Cause.NO_SERVICE_PRINCIPAL, (*ITS_OWN, Cause.THROTTLED),
    ),
    "14 no FullAccess, siblings work": (
        AUTH_FAILURE, SIBLING, Cause.NO_FULL_ACCESS,
        (Cause.DOOR_OFF, Cause.NO_MAILBOX, Cause.THROTTLED),
    ),
    "15 POP switched off, IMAP opens": (
        AUTH_FAILURE, replace(SIBLING, doors={Door.IMAP: True}), Cause.DOOR_OFF, (Cause.THROTTLED,),
    ),
    "16 alias, a person's other address": (
        AUTH_FAILURE, replace(PERSON_FACTS, mailbox="jo@acme.example"), Cause.DOOR_OFF,
        (Cause.NO_MAILBOX, Cause.THROTTLED),
    ),
    "17 conditional access": (refused("53003"), FACTS, Cause.POLICY, ()),
    "18 MFA demanded": (refused("50076"), DEVICE, Cause.MFA, ()),
    "19 refresh token dead": (refused("700082"), DEVICE, Cause.SIGN_IN_ENDED, ()),
    "20 login host refused": (unanswered(Obstacle.REFUSED), FACTS, Cause.REFUSED_BY_FIREWALL, ()),
    "20 login host dropped": (
        unanswered(Obstacle.DROPPED), replace(FACTS, others_reached=True), Cause.DROPPED_BY_FIREWALL, (),
    ),
    "21 mail host refused": (barred(Obstacle.REFUSED), FACTS, Cause.REFUSED_BY_FIREWALL, ()),
    "21 mail host dropped": (
        barred(Obstacle.DROPPED), replace(FACTS, others_reached=True), Cause.DROPPED_BY_FIREWALL, (),
    ),
    "21 nothing can be reached": (
        barred(Obstacle.DROPPED), replace(FACTS, others_reached=False), Cause.NO_NETWORK,
        (Cause.DROPPED_BY_FIREWALL,),
    ),
    "22 TLS opened on the way to the mail host": (
        untrusted(Obstacle.UNTRUSTED), FACTS, Cause.INTERCEPTED, (Cause.OWN_AUTHORITY,),
    ),
    "22 TLS opened on the way to the provider": (
        unanswered(Obstacle.UNTRUSTED), replace(FACTS, host="login.microsoftonline.com"),
        Cause.INTERCEPTED, (Cause.OWN_AUTHORITY,),
    ),
    "22 a server of one's own": (
        untrusted(Obstacle.UNTRUSTED), replace(FACTS, host="mail.acme.example"),
        Cause.OWN_AUTHORITY, (Cause.INTERCEPTED,),
    ),
    "23 TLS too old": (barred(Obstacle.OLD_TLS), FACTS, Cause.OLD_TLS, ()),
    "23 TLS too old, and the server says so": (
        ProtocolViolation("-", phase=Phase.GREETING, reply="TLS 1.0 and 1.1 are not supported. Please"),
        FACTS, Cause.OLD_TLS, (),
    ),
    "24 throttled, worked an hour ago": (
        AUTH_FAILURE, with_history(let_in=NOW - HOUR), Cause.THROTTLED,
        (*ITS_OWN, Cause.NO_SERVICE_PRINCIPAL),
    ),
    "25 refused after the login": (
        NOT_CONNECTED, FACTS, Cause.NO_FULL_ACCESS,
        (Cause.DOOR_OFF, Cause.NO_MAILBOX, Cause.NO_SERVICE_PRINCIPAL, Cause.UNAVAILABLE),
    ),
    "25 refused after the login of another person": (
        NOT_CONNECTED, PERSON_FACTS, Cause.NO_FULL_ACCESS,
        (Cause.DOOR_OFF, Cause.NO_MAILBOX, Cause.UNAVAILABLE),
    ),
    "26 mailbox locked": (
        LoginRefused("-", phase=Phase.AUTH, reply="[IN-USE] locked"), FACTS, Cause.IN_USE, (),
    ),
    "26 server unavailable": (
        LoginRefused("-", phase=Phase.AUTH, reply="Server Unavailable. 21"), FACTS, Cause.UNAVAILABLE, (),
    ),
}  # fmt: skip
"""What is seen and known; the first cause; the others that are left. Number 7, a key and a certificate that are not
a pair, is seen before anybody is asked."""


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_has_the_right_cause_first_and_only_possible_ones_left(name: str) -> None:
    error, facts, first, others = SITUATIONS[name]

    judged = judge(error, facts)

    assert judged.causes[0] is first
    assert set(judged.causes[1:]) == set(others) - {first}
    assert judged.is_certain == (not others)


def test_what_an_earlier_token_permitted_tells_nothing_about_a_refusal() -> None:
    assert judge(refused("650056"), FACTS) == Judgement((Cause.NO_CONSENT,), is_certain=True)
    assert judge_refusal("AADSTS650056", FACTS) == Judgement((Cause.NO_CONSENT,), is_certain=True)


def test_an_error_of_our_own_says_it_all_itself() -> None:
    for error in (
        SecretError("its private key and its certificate do not belong together"),
        ConnectionLost("-", phase=Phase.AUTH),
        TokenUnavailable("-"),
    ):
        assert judge(error, FACTS) is NOTHING


def test_all_that_can_be_seen_has_a_cause_whatever_is_known() -> None:
    everything = [replace(FULL_FACTS, access=replace(ACCESS, way=way)) for way in (*Way, None)]
    for facts in (Facts(), FACTS, PERSON_FACTS, *everything):
        for number in REFUSALS:
            assert judge(refused(number), facts).causes
        for obstacle in OBSTACLES:
            assert judge(barred(obstacle), facts).causes
        for error in (AUTH_FAILURE, NOT_CONNECTED):
            assert judge(error, facts).causes


def test_facts_that_contradict_what_was_said_speak_about_nothing() -> None:
    """An assertion that is not valid now, by a certificate, and a clock that is right: the clock was just set."""
    judged = judge(refused("700024"), replace(FACTS, clock_ahead=0.0))

    assert judged == Judgement((Cause.CLOCK, Cause.ASSERTION_OLD), is_certain=False)


# Ordinary days.


def test_a_service_principal_that_was_removed_today_is_left_although_a_sibling_got_in_yesterday() -> None:
    judged = judge(AUTH_FAILURE, with_history(sibling="orders", sibling_let_in=NOW - 20 * HOUR))

    assert Cause.NO_SERVICE_PRINCIPAL in judged.causes


def test_when_all_mailboxes_stop_at_once_what_they_share_comes_first() -> None:
    judged = judge(AUTH_FAILURE, with_history(let_in=NOW - 2 * DAY, refused=5))

    assert judged.causes[0] is Cause.NO_SERVICE_PRINCIPAL


def test_a_mailbox_that_was_throttled_for_six_hours_keeps_that_cause() -> None:
    judged = judge(AUTH_FAILURE, with_history(let_in=NOW - 6 * HOUR))

    assert judged.causes[0] is Cause.NO_FULL_ACCESS
    assert Cause.THROTTLED in judged.causes


def test_a_token_from_before_the_consent_is_still_the_cause() -> None:
    old = with_claims(roles=(), begins=NOW - 20 * HOUR, ends=NOW + 4 * HOUR)

    judged = judge(AUTH_FAILURE, old)

    assert judged == Judgement((Cause.NO_CONSENT,), is_certain=True)
    assert "takes up to an hour" in judged.sentence(old)


def test_a_machines_identity_keeps_its_token_for_a_day() -> None:
    machine = replace(by(Way.MANAGED_IDENTITY), claims=replace(CLAIMS, roles=()))

    judged = judge(AUTH_FAILURE, machine)

    assert judged.causes == (Cause.NO_ROLE,)
    assert "for up to a day" in judged.sentence(machine)
    assert "no app registration" in judged.sentence(machine)


def test_a_domain_with_a_hyphen_is_not_taken_for_another_tenant() -> None:
    facts = replace(FACTS, access=replace(ACCESS, tenant="my-acme.example"))

    assert not judge(AUTH_FAILURE, facts).is_certain


def test_a_wrong_clock_alone_does_not_end_a_token() -> None:
    fast = replace(with_claims(ends=NOW - HOUR), clock_ahead=3 * 3600.0)

    assert Cause.TOKEN_ENDED not in judge(AUTH_FAILURE, fast).causes


def test_a_certificate_that_ended_is_the_clocks_fault_first_where_microsoft_runs_the_server() -> None:
    at_microsoft = judge(untrusted(Obstacle.EXPIRED), FACTS)
    own = judge(untrusted(Obstacle.EXPIRED), replace(FACTS, host="mail.acme.example"))
    clock_right = judge(untrusted(Obstacle.EXPIRED), replace(FACTS, clock_ahead=1.0))

    assert at_microsoft.causes == (Cause.CLOCK, Cause.INTERCEPTED, Cause.CERTIFICATE_ENDED)
    assert own.causes[0] is Cause.CERTIFICATE_ENDED
    assert clock_right.causes == (Cause.INTERCEPTED, Cause.CERTIFICATE_ENDED)


def test_what_mailboxes_share_comes_before_their_own_if_all_are_refused_at_once() -> None:
    judged = judge(AUTH_FAILURE, with_history(let_in=NOW - HOUR, refused=2))

    assert judged.causes[:3] == (Cause.THROTTLED, Cause.NO_SERVICE_PRINCIPAL, Cause.NO_FULL_ACCESS)


def test_a_password_on_ones_own_exchange_is_wrong_and_not_retired() -> None:
    facts = Facts(Access("old", takes_password=True), "a@acme.example", host="mail.acme.example")
    error = LoginRefused("-", phase=Phase.AUTH, reply="Logon failure: unknown user name or bad password.")

    assert judge(error, facts).causes[0] is Cause.WRONG_PASSWORD
    at_microsoft = judge(error, replace(facts, host="outlook.office365.com"))
    assert (at_microsoft.causes, at_microsoft.is_certain) == ((Cause.PASSWORD_RETIRED,), True)
    assert Cause.PASSWORD_RETIRED not in judge(error, FACTS).causes


def test_words_that_any_server_may_say_accuse_no_certain_one() -> None:
    facts = Facts(Access("old", takes_password=True), "a@acme.example", host="mail.acme.example")
    passing = LoginRefused("-", phase=Phase.AUTH, reply="[SYS/TEMP] try later")
    refused = LoginRefused("-", phase=Phase.AUTH, reply="Logon failure: unknown user name or bad password.")

    for error in (passing, refused, ConnectionLost("-", phase=Phase.LISTING)):
        assert "Exchange Online" not in judge(error, facts).sentence(facts)


def test_authorities_that_are_missing_here_are_not_taken_for_inspection_alone() -> None:
    judged = judge(untrusted(Obstacle.UNTRUSTED), FACTS)

    assert "ca-certificates" in judged.sentence(FACTS)
    assert not judged.is_certain


def test_a_refused_person_is_told_causes_of_persons() -> None:
    assert judge(refused("65001"), DEVICE).causes == (Cause.NO_PERSON_CONSENT,)
    assert judge(refused("7000218"), DEVICE).causes == (Cause.NO_PUBLIC_FLOWS,)
    assert judge_refusal("invalid_grant", DEVICE).causes == (Cause.SIGN_IN_ENDED,)
    assert judge_refusal("expired_token", DEVICE).causes == (Cause.SIGN_IN_UNFINISHED,)
    assert judge_refusal("words", DEVICE) is NOTHING


def test_a_token_that_can_open_nothing_is_known_before_it_is_used() -> None:
    assert judge_token(FACTS) is None
    assert judge_token(PERSON_FACTS) is None
    assert judge_token(replace(FACTS, claims=None)) is None
    assert judge_token(with_claims(roles=())) is Cause.NO_CONSENT
    assert judge_token(with_claims(audience="https://graph.microsoft.com")) is Cause.WRONG_RESOURCE
    assert judge_token(with_claims(tenant=TENANT.replace("1", "9"))) is Cause.OTHER_TENANT
    assert judge_token(replace(by(Way.MANAGED_IDENTITY), claims=replace(CLAIMS, roles=()))) is Cause.NO_ROLE
    person = replace(PERSON_FACTS, claims=replace(PERSON_CLAIMS, scopes=("IMAP.AccessAsUser.All",)))
    assert judge_token(person) is Cause.NO_PERSON_CONSENT
    ended = replace(with_claims(ends=NOW - HOUR), clock_ahead=0.0)
    assert judge_token(ended) is Cause.TOKEN_ENDED


# The sentence.
