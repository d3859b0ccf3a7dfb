"""What an error means, in the light of what the server said."""

from __future__ import annotations

import pytest

from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    DeadlineExceeded,
    GaveWay,
    LoginRefused,
    MailsluiceError,
    Phase,
    ProtocolViolation,
    SecretError,
    ServerError,
    ServerUnreachable,
    SinkError,
    TokenRefused,
    TokenUnavailable,
)
from mailsluice.outcome import Answer, Disposition
from mailsluice.session.triage import triage


@pytest.mark.parametrize(
    ("kind", "phase", "reply", "disposition"),
    [
        (
            LoginRefused,
            Phase.AUTH,
            "Authentication failure: unknown user name or bad password.",
            Disposition.OPERATOR,
        ),
        (LoginRefused, Phase.AUTH, "Logon failure: unknown user name or bad password.", Disposition.OPERATOR),
        (LoginRefused, Phase.AUTH, "Server Unavailable. 21", Disposition.BACK_OFF),
        (LoginRefused, Phase.AUTH, "Protocol error. Connection is closed. 10", Disposition.BUG),
        (LoginRefused, Phase.AUTH, "[IN-USE] Mailbox is open elsewhere", Disposition.RETRY),
        (LoginRefused, Phase.AUTH, "maildrop already locked", Disposition.RETRY),
        (LoginRefused, Phase.AUTH, "unable to lock maildrop", Disposition.RETRY),
        (LoginRefused, Phase.AUTH, "[LOGIN-DELAY] wait", Disposition.BACK_OFF),
        (LoginRefused, Phase.AUTH, "[SYS/TEMP] try again", Disposition.BACK_OFF),
        (LoginRefused, Phase.AUTH, "[SYS/PERM] no", Disposition.OPERATOR),
        (LoginRefused, Phase.AUTH, "words nobody knows", Disposition.OPERATOR),
        (CommandRefused, Phase.LISTING, "Command is not valid in this state.", Disposition.OPERATOR),
        (CommandRefused, Phase.RETRIEVE, "Command is not valid in this state.", Disposition.RETRY),
        (CommandRefused, Phase.LISTING, "Server Unavailable. 21", Disposition.BACK_OFF),
        (CommandRefused, Phase.LISTING, "User is authenticated but not connected.", Disposition.OPERATOR),
        (
            CommandRefused,
            Phase.LISTING,
            "Request is throttled. Suggested Backoff Time: 299961 milliseconds",
            Disposition.BACK_OFF,
        ),
        (ProtocolViolation, Phase.GREETING, "TLS 1.0 and 1.1 are not supported.", Disposition.OPERATOR),
        (ProtocolViolation, Phase.LISTING, "garbage", Disposition.BACK_OFF),
    ],
)
def test_phase_and_reply_decide_when_to_try_again(
    kind: type[ServerError], phase: Phase, reply: str, disposition: Disposition
) -> None:
    assert triage(kind("refused", phase=phase, reply=reply)).disposition is disposition


def test_a_reply_that_says_it_passes_makes_a_refusal_a_matter_of_trying_later() -> None:
    passing = LoginRefused("no", phase=Phase.AUTH, reply="Server Unavailable. 21")
    lasting = CommandRefused("no", phase=Phase.LISTING, reply="Command is not valid in this state.")

    assert triage(passing).exit_code == 75
    assert triage(lasting).exit_code == 77


def test_words_that_speak_of_a_bug_have_its_exit_code() -> None:
    error = LoginRefused("no", phase=Phase.AUTH, reply="Protocol error. Connection is closed. 10")

    assert triage(error).exit_code == 70


def test_a_refused_mailbox_of_which_nothing_is_known_names_what_may_be_wrong() -> None:
    error = LoginRefused(
        "no", phase=Phase.AUTH, reply="Authentication failure: unknown user name or bad password."
    )

    remedy = triage(error).remedy

    for cause in ("FullAccess", "New-ServicePrincipal", "POP is off", "POP.AccessAsApp", "throttles"):
        assert cause in remedy


def test_words_of_a_server_that_nobody_knows_have_no_remedy() -> None:
    assert triage(LoginRefused("no", phase=Phase.AUTH, reply="words nobody knows")).remedy == ""


def test_an_error_that_is_no_servers_keeps_its_own_verdict() -> None:
    verdict = triage(SinkError("disk full", remedy="make room"))

    assert verdict.disposition is Disposition.BACK_OFF
    assert verdict.remedy == "make room"


def test_an_errors_own_remedy_is_not_overwritten() -> None:
    error = LoginRefused("no", phase=Phase.AUTH, reply="[IN-USE]", remedy="its own")

    assert triage(error).remedy == "its own"


@pytest.mark.parametrize(
    "error",
    [
        TokenRefused("no"),
        TokenUnavailable("no answer"),
        DeadlineExceeded("silent", phase=Phase.AUTH),
        ConnectionLost("reset", phase=Phase.AUTH),
        LoginRefused("no", phase=Phase.AUTH, reply="words nobody knows"),
        LoginRefused(
            "no", phase=Phase.AUTH, reply="Authentication failure: unknown user name or bad password."
        ),
        LoginRefused("no", phase=Phase.AUTH, reply="Logon failure: unknown user name or bad password."),
        LoginRefused("no", phase=Phase.AUTH, reply="[SYS/TEMP] try again"),
        CommandRefused("no", phase=Phase.LISTING, reply="Server Unavailable. 21"),
        CommandRefused("no", phase=Phase.LISTING, reply="Request is throttled."),
    ],
)
def test_what_a_throttled_tenant_looks_like_concerns_the_credential_as_a_whole(
    error: MailsluiceError,
) -> None:
    assert triage(error).of_credential


@pytest.mark.parametrize(
    "error",
    [
        SinkError("full"),
        SecretError("gone"),
        ServerUnreachable("no route", phase=Phase.CONNECT),
        DeadlineExceeded("silent", phase=Phase.RETRIEVE),
        ConnectionLost("reset", phase=Phase.RETRIEVE),
        ProtocolViolation("garbage", phase=Phase.AUTH),
        CommandRefused("no", phase=Phase.LISTING, reply="Command is not valid in this state."),
        LoginRefused("no", phase=Phase.AUTH, reply="[IN-USE]"),
        LoginRefused("no", phase=Phase.AUTH, reply="[LOGIN-DELAY]"),
        LoginRefused("no", phase=Phase.AUTH, reply="Protocol error. Connection is closed. 10"),
    ],
)
def test_what_befalls_one_mailbox_does_not_concern_its_credential(error: MailsluiceError) -> None:
    assert not triage(error).of_credential


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (DeadlineExceeded("silent", phase=Phase.AUTH), Answer.MISSED),
        (ServerUnreachable("no route", phase=Phase.CONNECT), Answer.MISSED),
        (GaveWay("others waited", phase=Phase.AUTH), Answer.NOT_AWAITED),
        (LoginRefused("no", phase=Phase.AUTH, reply="no"), Answer.GIVEN),
        (ConnectionLost("reset", phase=Phase.AUTH), Answer.GIVEN),
        (SinkError("full"), Answer.GIVEN),
    ],
)
def test_who_was_silent_or_unreachable_gave_no_answer(error: MailsluiceError, answer: Answer) -> None:
    assert triage(error).answer is answer


def test_that_a_session_gave_way_does_not_concern_its_credential() -> None:
    assert not triage(GaveWay("others waited", phase=Phase.AUTH)).of_credential
