"""What is said at the SMTP door before TLS and after it, and what its answers mean."""

from __future__ import annotations

import threading

import pytest
import trustme

from checking.knock import CHALLENGE, LINE, TOKEN, Doors, upgrading
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.judgement import judge
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    DeadlineExceeded,
    LoginRefused,
    Obstacle,
    Phase,
    ProtocolViolation,
    ServerError,
    ServerUnreachable,
    ServerUntrusted,
    Stopped,
)
from mailsluice.net.proxy import Proxy
from pop3.scripted import HOST, Script, ScriptedServer, Wire, playing, server_context
from support.connect_proxy import ConnectProxy

GREETING = "S: 220 FR0P281CA.outlook.office365.com Microsoft ESMTP MAIL Service ready\n"
EHLO = "C: EHLO [127.0.0.1]\n"
OFFER = (
    GREETING
    + EHLO
    + "S: 250-FR0P281CA.outlook.office365.com Hello [192.0.2.1]\nS: 250-SIZE 157286400\nS: 250 STARTTLS\n"
)
CLEAR = OFFER + "C: STARTTLS\nS: 220 2.0.0 SMTP server ready\n"
TO_TOKEN = EHLO + f"S: 250-Hello\nS: 250 AUTH LOGIN XOAUTH2\nC: AUTH XOAUTH2\nS: 334\nC: {LINE}\n"
REFUSED = "S: 535 5.7.3 Authentication unsuccessful [FR0P281CA.DEUP281.PROD.OUTLOOK.COM]"
DISABLED = (
    "S: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {}. "
    "Visit https://aka.ms/smtp_auth_disabled for more information. [FR0P281CA]"
)


def behind_tls(doors: Doors, *transcripts: str) -> Script:
    return upgrading(doors.context, lambda wire: wire.play(CLEAR), playing(*transcripts))


def test_an_open_door_is_told_by_returning(doors: Doors) -> None:
    doors.smtp(behind_tls(doors, TO_TOKEN, "S: 235 2.7.0 Authentication successful\nC: QUIT\nS: 221 Bye"))


def test_a_refusal_has_the_words_of_the_server(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match=r"did not accept the login of a@x.example") as refused:
        doors.smtp(behind_tls(doors, TO_TOKEN, REFUSED))

    assert refused.value.phase is Phase.AUTH
    assert refused.value.reply.startswith("535 5.7.3 Authentication unsuccessful [FR0P281CA")
    assert judge(refused.value, Facts(door=Door.SMTP)).causes[0] is Cause.NO_FULL_ACCESS


@pytest.mark.parametrize("who", ["Mailbox", "Tenant"])
def test_a_door_that_is_switched_off_says_so(doors: Doors, who: str) -> None:
    with pytest.raises(LoginRefused) as refused:
        doors.smtp(behind_tls(doors, TO_TOKEN, DISABLED.format(who)))

    judgement = judge(refused.value, Facts(door=Door.SMTP))
    assert (judgement.causes, judgement.is_certain) == ((Cause.DOOR_OFF,), True)


def test_the_challenge_after_a_token_is_answered_with_an_empty_line_and_its_reason_told(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match=r"\(status 401, scope https://outlook\)"):
        doors.smtp(behind_tls(doors, TO_TOKEN, f"S: 334 {CHALLENGE}\nC: \n{REFUSED}"))


def test_a_refusal_of_several_lines_is_quoted_as_one(doors: Doors) -> None:
    with pytest.raises(LoginRefused) as refused:
        doors.smtp(behind_tls(doors, TO_TOKEN, "S: 535-5.7.3 one\nS: 535 two"))

    assert refused.value.reply == "535 5.7.3 one two"


def test_a_server_that_does_not_have_xoauth2_gets_no_token(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match="504 no"):
        doors.smtp(behind_tls(doors, EHLO + "S: 250 Hello\nC: AUTH XOAUTH2\nS: 504 no\n"))


def test_no_error_quotes_a_token_that_the_server_echoes(doors: Doors) -> None:
    with pytest.raises(LoginRefused) as refused:
        doors.smtp(behind_tls(doors, TO_TOKEN, f"S: 535 {TOKEN} {LINE}"))

    assert refused.value.reply == "535 *** ***"


@pytest.mark.parametrize(
    "offer",
    [
        GREETING + EHLO + "S: 250 STARTTLS\n",  # the first line is the server's name
        GREETING + EHLO + "S: 250-Hello\nS: 250-XSTARTTLS\nS: 250 STARTTLSX\n",
        OFFER + "C: STARTTLS\nS: 454 TLS not available\n",
    ],
)
def test_without_tls_no_token_is_sent(doors: Doors, offer: str) -> None:
    def script(wire: Wire) -> None:
        wire.play(offer)
        assert wire.until_closed() == b""

    with pytest.raises(ServerUnreachable, match="STARTTLS") as refused:
        doors.smtp(script)

    assert refused.value.obstacle is Obstacle.NO_TLS


@pytest.mark.parametrize(
    "injected", [b"250 AUTH XOAUTH2\r\n", b"235 2.7.0 Authentication successful\r\n" * 9]
)
def test_nothing_that_is_said_in_clear_behind_the_answer_counts_after_it(
    doors: Doors, injected: bytes
) -> None:
    """RFC 3207 §4.2: somebody on the way may have put it there."""

    def clear(wire: Wire) -> None:
        wire.play(OFFER + "C: STARTTLS")
        wire.send(b"220 ready\r\n" + injected)
        assert not wire.until_closed().startswith(b"EHLO")

    with pytest.raises(ServerUnreachable) as refused:
        doors.smtp(clear)

    assert refused.value.phase is Phase.TLS


def test_a_certificate_of_somebody_else_gets_no_token(doors: Doors) -> None:
    others = server_context(trustme.CA(), HOST)

    def clear(wire: Wire) -> None:
        wire.play(CLEAR)
        with pytest.raises(OSError, match="UNKNOWN_CA"):
            others.wrap_socket(wire._socket, server_side=True)

    with pytest.raises(ServerUntrusted):
        doors.smtp(clear)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("554 5.3.2 go away", ConnectionLost),
        ("421 4.3.2 too busy", ConnectionLost),
        ("+OK POP3 ready", ProtocolViolation),
        ("22 short", ProtocolViolation),
        ("220x", ProtocolViolation),
        ("220-one\r\n250 two", ProtocolViolation),
        ("220 " + "x" * 20_000, ProtocolViolation),
    ],
)
def test_a_greeting_of_anything_else_is_the_end(doors: Doors, said: str, kind: type[ServerError]) -> None:
    def script(wire: Wire) -> None:
        wire.send(said.encode() + b"\r\n")
        wire.until_closed()

    with pytest.raises(kind) as error:
        doors.smtp(script)

    assert isinstance(error.value, ServerError)
    assert error.value.phase is Phase.GREETING


def test_an_answer_without_end_is_the_end(doors: Doors) -> None:
    def script(wire: Wire) -> None:
        wire.send(b"220-x\r\n" * 300 + b"220 x\r\n")
        wire.until_closed()

    with pytest.raises(ProtocolViolation, match="more than 200 lines"):
        doors.smtp(script)


def test_a_server_that_refuses_ehlo_is_quoted(doors: Doors) -> None:
    with pytest.raises(CommandRefused, match=r"refused EHLO: '502 5.5.1 no'"):
        doors.smtp(playing(GREETING + EHLO + "S: 502 5.5.1 no"))


@pytest.mark.parametrize("begun", ["", "S: 220-half"])
def test_a_server_that_is_silent_before_tls_has_its_time_and_no_more(doors: Doors, begun: str) -> None:
    with pytest.raises(DeadlineExceeded, match=r"in phase greeting: silent or too slow for 0.1 s"):
        doors.smtp(playing(begun), tls=0.1)


def test_a_server_that_goes_before_tls_is_lost(doors: Doors) -> None:
    with pytest.raises(ConnectionLost, match="in phase greeting"):
        doors.smtp(lambda wire: wire.play(OFFER))


def test_a_server_that_breaks_off_before_tls_is_lost(doors: Doors) -> None:
    def script(wire: Wire) -> None:
        wire.play(OFFER + "C: STARTTLS")
        wire.reset()

    with pytest.raises(ConnectionLost, match="in phase greeting"):
        doors.smtp(script)


def test_a_stop_ends_the_wait_before_tls(doors: Doors) -> None:
    greeted = threading.Event()

    def script(wire: Wire) -> None:
        wire.play(GREETING + EHLO)
        greeted.set()
        wire.until_closed()

    def stop() -> None:
        greeted.wait(10)
        doors.connections.abort_all()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Stopped):
        doors.smtp(script)
    stopper.join()


def test_a_proxy_is_passed_before_anything_is_said(doors: Doors) -> None:
    script = behind_tls(doors, TO_TOKEN, "S: 235 ok\nC: QUIT\nS: 221 Bye")
    with ConnectProxy() as proxy, ScriptedServer(script, None) as server:
        doors.at(Door.SMTP, server.port, Proxy("127.0.0.1", proxy.port, "service.proxy", ""))

        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % server.port)


def test_no_connection_stays_open(doors: Doors) -> None:
    with pytest.raises(ConnectionLost):
        doors.smtp(playing("S: 554 go away"))

    assert len(doors.connections) == 0
