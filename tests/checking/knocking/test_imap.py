"""What is said at the IMAP door, and what its answers mean."""

from __future__ import annotations

import pytest

from checking.knock import CHALLENGE, LINE, TOKEN, Doors
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.judgement import judge
from mailsluice.errors import ConnectionLost, DeadlineExceeded, LoginRefused, Phase, ProtocolViolation
from pop3.scripted import Wire, playing

GREETING = "S: * OK The Microsoft Exchange IMAP4 service is ready. [UwBDADEA]\n"
TO_TOKEN = GREETING + f"C: A1 AUTHENTICATE XOAUTH2\nS: +\nC: {LINE}\n"
LET_IN = TO_TOKEN + "S: A1 OK AUTHENTICATE completed.\nC: A2 STATUS INBOX (MESSAGES)\n"
GOODBYE = (
    "C: A3 LOGOUT\nS: * BYE Microsoft Exchange Server IMAP4 server signing off.\nS: A3 OK LOGOUT completed."
)


def test_an_open_door_is_told_by_returning(doors: Doors) -> None:
    doors.imap(playing(LET_IN + "S: * STATUS INBOX (MESSAGES 3)\nS: A2 OK STATUS completed.\n" + GOODBYE))


def test_a_refusal_has_the_words_of_the_server(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match=r"did not accept the login of a@x.example") as refused:
        doors.imap(playing(TO_TOKEN + "S: A1 NO AUTHENTICATE failed."))

    assert (refused.value.phase, refused.value.reply) == (Phase.AUTH, "NO AUTHENTICATE failed.")


def test_the_challenge_after_a_token_is_answered_with_an_empty_line_and_its_reason_told(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match=r"\(status 401, scope https://outlook\)"):
        doors.imap(playing(TO_TOKEN + f"S: + {CHALLENGE}\nC: \nS: A1 NO AUTHENTICATE failed."))


def test_a_challenge_without_end_is_a_refusal(doors: Doors) -> None:
    with pytest.raises(LoginRefused):
        doors.imap(playing(TO_TOKEN + f"S: + {CHALLENGE}\nC: \nS: + {CHALLENGE}"))


@pytest.mark.parametrize("word", ["NO", "BAD"])
def test_a_server_that_does_not_have_xoauth2_gets_no_token(doors: Doors, word: str) -> None:
    with pytest.raises(LoginRefused, match="not supported"):
        doors.imap(playing(f"{GREETING}C: A1 AUTHENTICATE XOAUTH2\nS: A1 {word} not supported\n"))


def test_a_login_that_opens_no_mailbox_is_a_door_that_is_shut(doors: Doors) -> None:
    """Exchange Online says so only to the first command after the login."""
    said = "S: A2 BAD User is authenticated but not connected.\nS: * BYE Connection closed. 14"
    with pytest.raises(LoginRefused, match="does not open the mailbox") as refused:
        doors.imap(playing(LET_IN + said))

    assert refused.value.phase is Phase.LISTING
    assert judge(refused.value, Facts(door=Door.IMAP)).causes[0] is Cause.NO_FULL_ACCESS


def test_a_goodbye_before_the_answer_is_the_answer(doors: Doors) -> None:
    def script(wire: Wire) -> None:
        wire.play(LET_IN + "S: * BYE Connection closed. 14")

    with pytest.raises(LoginRefused, match=r"BYE Connection closed. 14"):
        doors.imap(script)


def test_lines_that_nobody_asked_for_are_passed_over(doors: Doors) -> None:
    doors.imap(
        playing(
            TO_TOKEN + "S: * CAPABILITY IMAP4rev1\nS: a1 ok done\nC: A2 STATUS INBOX (MESSAGES)\n"
            "S: * STATUS INBOX (MESSAGES 0)\nS: * 1 EXISTS\nS: A2 OK\n" + GOODBYE
        )
    )


@pytest.mark.parametrize("greeting", ["* PREAUTH hello", "+OK POP3 ready", "220 smtp", "* OKAY", "\x00"])
def test_a_greeting_of_anything_else_gets_no_token(doors: Doors, greeting: str) -> None:
    def script(wire: Wire) -> None:
        wire.send(greeting.encode() + b"\r\n")
        assert wire.until_closed() == b""

    with pytest.raises(ProtocolViolation, match="no greeting of IMAP"):
        doors.imap(script)


def test_a_server_that_turns_us_away_is_quoted(doors: Doors) -> None:
    with pytest.raises(ConnectionLost, match="turned us away: 'too many'"):
        doors.imap(playing("S: * BYE too many"))


@pytest.mark.parametrize("line", ["A2 OK early", "A9 OK", "B1 OK", "OK", ")", "%s" % ("x" * 300)])
def test_a_line_that_is_no_answer_ends_it(doors: Doors, line: str) -> None:
    with pytest.raises(ProtocolViolation) as violated:
        doors.imap(playing(f"{TO_TOKEN}S: {line}\n"))

    assert violated.value.phase is Phase.AUTH


def test_a_server_that_goes_is_lost_and_refuses_nothing(doors: Doors) -> None:
    def script(wire: Wire) -> None:
        wire.play(TO_TOKEN)

    with pytest.raises(ConnectionLost, match="closed the connection in phase auth"):
        doors.imap(script)


def test_a_server_that_is_silent_has_its_time_and_no_more(doors: Doors) -> None:
    with pytest.raises(DeadlineExceeded, match="in phase auth"):
        doors.imap(playing(TO_TOKEN), auth=0.1)


def test_a_server_that_goes_at_the_goodbye_has_let_us_in(doors: Doors) -> None:
    def script(wire: Wire) -> None:
        wire.play(LET_IN + "S: A2 OK\nC: A3 LOGOUT")
        wire.reset()

    doors.imap(script)


def test_no_error_quotes_a_token_that_the_server_echoes(doors: Doors) -> None:
    with pytest.raises(LoginRefused) as refused:
        doors.imap(playing(TO_TOKEN + f"S: A1 NO failed for {TOKEN} in {LINE}"))

    assert refused.value.reply == "NO failed for *** in ***"


def test_an_address_that_cannot_be_sent_is_not_sent(doors: Doors) -> None:
    with pytest.raises(LoginRefused, match="nothing was sent") as refused:
        doors.at(Door.IMAP, 1, token="canary\r\nA2 LOGOUT")

    assert "canary" not in str(refused.value)
