"""What servers and Entra ID say, and what it may come from."""

from __future__ import annotations

import re

import pytest

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.symptoms import (
    OBSTACLES,
    REFUSALS,
    REPLIES,
    Reply,
    reply_of,
    symptom_of,
    symptom_of_refusal,
)
from mailsluice.errors import (
    CommandRefused,
    LoginRefused,
    MailsluiceError,
    Obstacle,
    Phase,
    ServerUnreachable,
    SinkError,
    TokenRefused,
    TokenUnavailable,
)

NUMBERS = [
    "7000215",
    "7000222",
    "7000218",
    "700025",
    "700016",
    "700027",
    "50012",
    "700030",
    "50013",
    "500133",
    "90002",
    "90038",
    "900432",
    "900382",
    "50194",
    "9001023",
    "90124",
    "90130",
    "500011",
    "650052",
    "650057",
    "650056",
    "65001",
    "90094",
    "70011",
    "28002",
    "700022",
    "1002012",
    "7000112",
    "70001",
    "50057",
    "50034",
    "50126",
    "50055",
    "50053",
    "50076",
    "50079",
    "50158",
    "50074",
    "53003",
    "530032",
    "53000",
    "50131",
    "53002",
    "530035",
    "70008",
    "700082",
    "70043",
    "50173",
    "50133",
    "50132",
    "70016",
    "70018",
    "70019",
    "50196",
    "90055",
    "90033",
    "90006",
    "90024",
    "50033",
    "90012",
    "9002313",
    "900144",
    "90014",
]
"""Those that a POP client meets."""


def said(words: str, phase: Phase = Phase.AUTH) -> LoginRefused:
    return LoginRefused("-", phase=phase, reply=words)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_that_a_pop_client_meets_has_causes(number: str) -> None:
    symptom = symptom_of_refusal(f"invalid_request AADSTS{number}: words. Trace ID: x")

    assert symptom is REFUSALS[number]
    assert symptom.possible(is_person=False)
    assert symptom.possible(is_person=True)
    assert number in symptom.seen


@pytest.mark.parametrize("obstacle", Obstacle)
def test_each_obstacle_has_causes(obstacle: Obstacle) -> None:
    error = ServerUnreachable("-", phase=Phase.CONNECT, obstacle=obstacle)

    assert symptom_of(error) is OBSTACLES[obstacle]
    assert symptom_of(TokenUnavailable("-", obstacle=obstacle)) is OBSTACLES[obstacle]
    assert OBSTACLES[obstacle].causes


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.words.pattern)
def test_each_known_reply_has_causes_and_words_for_people(reply: Reply) -> None:
    assert reply.symptom.causes
    assert reply.symptom.seen
    assert not re.search(r"[\\^$|]", reply.symptom.seen)


def test_no_symptom_names_a_cause_twice() -> None:
    for symptom in (*REFUSALS.values(), *OBSTACLES.values(), *(reply.symptom for reply in REPLIES)):
        for causes in (symptom.causes, symptom.of_person):
            assert len(set(causes)) == len(causes)


@pytest.mark.parametrize(
    "words",
    [
        "Authentication failure: unknown user name or bad password.",
        "AUTHENTICATE failed.",
        "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
    ],
)
def test_every_door_has_the_same_causes_for_a_refused_token(words: str) -> None:
    symptom = symptom_of(said(words))

    assert symptom is not None
    assert {Cause.NO_FULL_ACCESS, Cause.NO_SERVICE_PRINCIPAL, Cause.DOOR_OFF} < set(symptom.causes)
    assert Cause.NO_SERVICE_PRINCIPAL not in symptom.of_person


def test_smtp_says_itself_that_it_is_switched_off() -> None:
    symptom = symptom_of(
        said("5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the X")
    )

    assert symptom is not None
    assert symptom.causes == (Cause.DOOR_OFF,)


def test_the_words_of_a_state_count_in_that_phase_alone() -> None:
    words = "Command is not valid in this state."

    assert reply_of(CommandRefused("-", phase=Phase.LISTING, reply=words))
    assert reply_of(CommandRefused("-", phase=Phase.RETRIEVE, reply=words)) is None
    assert reply_of(said("unknown user name or bad password")) is None


def test_case_and_what_stands_around_the_words_make_no_difference() -> None:
    assert reply_of(said("SERVER UNAVAILABLE. 15 [x]")) is reply_of(said("Server Unavailable. 21"))


def test_errors_of_other_kinds_and_unknown_words_show_nothing() -> None:
    for error in (
        SinkError("Authentication failure: unknown user name or bad password."),
        said("words nobody knows"),
        said(""),
        TokenRefused("AADSTS7000215"),  # its own text is ours, and not what was said
        TokenRefused("-", said="invalid_client words nobody knows"),
        TokenRefused("-", said="AADSTS123456789: new"),
        MailsluiceError("-"),
    ):
        assert symptom_of(error) is None


def test_what_a_provider_says_is_read_even_if_it_only_could_not_answer() -> None:
    symptom = symptom_of(TokenUnavailable("-", said="temporarily_unavailable AADSTS90033: down"))

    assert symptom is REFUSALS["90033"]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("invalid_grant", Cause.SIGN_IN_ENDED),
        ("interaction_required AADSTS99: new", Cause.SIGN_IN_ENDED),
        ("expired_token", Cause.SIGN_IN_UNFINISHED),
        ("access_denied", Cause.SIGN_IN_UNFINISHED),
        ("temporarily_unavailable", Cause.PROVIDER_BUSY),
        ("server_error", Cause.PROVIDER_BUSY),
    ],
)
def test_an_error_without_a_known_number_has_a_cause_for_a_person(words: str, cause: Cause) -> None:
    symptom = symptom_of_refusal(words)

    assert symptom is not None
    assert symptom.possible(is_person=True) == (cause,)


def test_a_certificate_that_ended_is_told_from_one_that_was_not_uploaded() -> None:
    ended = symptom_of_refusal(
        "invalid_client AADSTS700027: x. [Reason - The key used is expired., Thumbprint"
    )
    other = symptom_of_refusal("invalid_client AADSTS700027: x. [Reason - The key was not found., Thumbprint")

    assert ended is not None
    assert ended.causes[0] is Cause.CERTIFICATE_EXPIRED
    assert other is not None
    assert other.causes[0] is Cause.CERTIFICATE_NOT_UPLOADED


def test_a_number_of_another_kind_does_not_become_an_expired_certificate() -> None:
    symptom = symptom_of_refusal("invalid_client AADSTS7000222: The key used is expired")

    assert symptom is not None
    assert symptom.causes == (Cause.SECRET_EXPIRED,)
