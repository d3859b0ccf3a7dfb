from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    Obstacle,
    Phase,
    ProtocolViolation,
    ServerUnreachable,
    Stopped,
)
from mailsluice.model import BearerToken, DeletePermit, Listed, Password
from mailsluice.net.connections import Connections
from mailsluice.net.stages import Stage
from mailsluice.pop3.client import Client, connect
from pop3.scripted import HOST, ScriptedServer, Wire, mailbox, playing, server_context

if TYPE_CHECKING:
    from mailsluice.config.models import Mailbox
    from mailsluice.session import ports

    def _keeps_the_promises(client: Client, mailbox: Mailbox, connections: Connections) -> ports.Client:
        """Not run: the type checker proves that the client is what the session asks for."""
        arrivals: list[ports.Arrival] = list(client.retrieve([], 1))
        del arrivals
        return connect(mailbox, clock=SystemClock(), connections=connections)


Connect = Callable[..., Client]

TOKEN = BearerToken("canary-token")
RESPONSE = base64.b64encode(b"user=a@x.example\x01auth=Bearer canary-token\x01\x01").decode()

EXCHANGE = """
S: +OK The Microsoft Exchange POP3 service is ready. [YQBiAA==]
C: AUTH XOAUTH2
S: +
"""


WHOLE = f"""
C: {RESPONSE}
S: +OK User successfully authenticated.
C: UIDL
S: +OK
S: 1 6499
S: 2 6500
S: .
C: LIST
S: +OK 2 220
S: 1 120
S: 2 100
S: .
C: CAPA
S: +OK
S: TOP
S: UIDL
S: SASL PLAIN XOAUTH2
S: USER
S: .
C: RETR 1
S: +OK
S: Subject: one
S:
S: ..
S: .
C: RETR 2
S: +OK
S: Subject: two
S: .
C: DELE 1
S: +OK
C: DELE 2
S: +OK
C: QUIT
S: +OK Microsoft Exchange Server POP3 server signing off.
"""


def test_a_port_of_plain_pop3_is_told_from_the_one_that_has_tls(
    connections: Connections, ca_file: Path
) -> None:
    with ScriptedServer(playing("S: +OK ready"), None) as server, pytest.raises(ServerUnreachable) as caught:
        connect(mailbox(server.port, ca_file), clock=SystemClock(), connections=connections)
    assert caught.value.obstacle is Obstacle.NO_TLS


def test_who_watches_a_connection_that_opens_is_told_each_stage_and_then_the_tls_is_known(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    told: list[Stage] = []
    script = playing("S: +OK ready")
    with ScriptedServer(script, server_context(authority, HOST)) as server:
        client = connect(
            mailbox(server.port, ca_file),
            clock=SystemClock(),
            connections=connections,
            observe=lambda stage, found: told.append(stage) if found else None,
        )
        with client:
            assert told == [Stage.NAME, Stage.TCP, Stage.TLS]
            assert client.tls is not None
            assert client.tls.certificate.names == (HOST,)
    assert client.tls is None


def test_a_session_with_exchange_online_from_greeting_to_quit(connected: Connect) -> None:
    client = connected(playing(EXCHANGE, WHOLE))
    assert client.greeting.tag == "ab"
    client.authenticate("a@x.example", TOKEN)
    listing = client.listing()
    assert tuple(listing) == (Listed(1, b"6499", 120), Listed(2, b"6500", 100))
    messages = [b"".join(arrival.chunks) for arrival in client.retrieve(listing, 1000)]
    assert messages == [b"Subject: one\r\n\r\n.\r\n", b"Subject: two\r\n"]
    client.delete([DeletePermit(b"6499"), DeletePermit(b"6500")])
    assert client.deleted == 2
    client.quit()


def test_a_greeting_of_err_loses_the_connection_with_the_servers_words(connected: Connect) -> None:
    with pytest.raises(ConnectionLost, match="turned us away") as lost:
        connected(playing("S: -ERR Server Unavailable. 21"))
    assert lost.value.reply == "Server Unavailable. 21"
    assert lost.value.phase is Phase.GREETING


@pytest.mark.parametrize("line", ["HTTP/1.1 400 Bad Request", "* OK IMAP4rev1 ready"])
def test_another_protocol_is_not_mistaken_for_pop3(connected: Connect, line: str) -> None:
    with pytest.raises(ProtocolViolation) as broken:
        connected(playing(f"S: {line}"))
    assert broken.value.reply == line


def test_a_refused_token_is_told_in_the_servers_words(connected: Connect) -> None:
    words = "Authentication failure: unknown user name or bad password."
    client = connected(playing(EXCHANGE, f"C: {RESPONSE}\nS: -ERR {words}"))
    with pytest.raises(LoginRefused, match=r"a@x\.example") as refused:
        client.authenticate("a@x.example", TOKEN)
    assert refused.value.reply == words
    assert "canary" not in str(refused.value)


def test_a_challenge_after_the_token_is_answered_and_its_reason_told(connected: Connect) -> None:
    challenge = base64.b64encode(b'{"status":"400","scope":"https://x.example/ canary-token"}').decode()
    client = connected(playing(EXCHANGE, f"C: {RESPONSE}\nS: + {challenge}\nC: \nS: -ERR no"))
    with pytest.raises(LoginRefused, match=r"status 400, scope https://x\.example/") as refused:
        client.authenticate("a@x.example", TOKEN)
    assert refused.value.reply == "no"
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "challenge",
    [
        RESPONSE,
        base64.b64encode(b"canary-token").decode(),
        base64.b64encode(b'"canary-token"').decode(),
        base64.b64encode(b'{"status":"\\u0063anary-token"}').decode(),
        base64.b64encode(b'{"status":"' + b"x" * 285 + b'canary-token"}').decode(),
        base64.b64encode(f'{{"scope":"{RESPONSE}"}}'.encode()).decode(),
        "canary-token",
    ],
    ids=["our own line", "the token", "text", "escaped", "at the cut", "our line quoted", "plain"],
)
def test_a_challenge_that_echoes_the_token_is_quoted_without_it(connected: Connect, challenge: str) -> None:
    client = connected(playing(EXCHANGE, f"C: {RESPONSE}\nS: + {challenge}\nC: \nS: -ERR no"))
    with pytest.raises(LoginRefused) as refused:
        client.authenticate("a@x.example", TOKEN)
    for secret in ("canary", RESPONSE[:40], base64.b64encode(b"canary-token").decode()):
        assert secret not in str(refused.value)


def test_what_a_challenge_says_is_made_safe_to_print(connected: Connect) -> None:
    challenge = base64.b64encode(b'{"status":"\\u001b[2J\\ud800"}').decode()
    client = connected(playing(EXCHANGE, f"C: {RESPONSE}\nS: + {challenge}\nC: \nS: -ERR no"))
    with pytest.raises(LoginRefused, match=r"\(status \?\[2J\?\)"):
        client.authenticate("a@x.example", TOKEN)


def test_challenges_without_end_break_the_protocol(connected: Connect) -> None:
    client = connected(playing(EXCHANGE, f"C: {RESPONSE}\nS: + e30=\nC: \nS: + e30="))
    with pytest.raises(ProtocolViolation, match="another response"):
        client.authenticate("a@x.example", TOKEN)


def test_auth_refused_at_once_sends_no_token(connected: Connect) -> None:
    client = connected(playing("S: +OK\nC: AUTH XOAUTH2\nS: -ERR Protocol error. Connection is closed. 10"))
    with pytest.raises(LoginRefused) as refused:
        client.authenticate("a@x.example", TOKEN)
    assert refused.value.reply == "Protocol error. Connection is closed. 10"


def test_a_refused_password_is_told_without_it(connected: Connect) -> None:
    client = connected(playing("S: +OK\nC: USER a\nS: +OK\nC: PASS canary\nS: -ERR canary is wrong"))
    with pytest.raises(LoginRefused) as refused:
        client.authenticate("a", Password("canary"))
    assert refused.value.reply == "*** is wrong"
    assert "canary" not in str(refused.value)


def test_a_refused_user_sends_no_password(connected: Connect) -> None:
    client = connected(playing("S: +OK\nC: USER a\nS: -ERR unknown"))
    with pytest.raises(LoginRefused):
        client.authenticate("a", Password("canary"))


@pytest.mark.parametrize("login", [BearerToken("canary\r\nDELE 1"), Password("canary\r\nDELE 1")])
def test_a_login_that_would_smuggle_a_command_is_not_sent(
    connected: Connect, login: BearerToken | Password
) -> None:
    sent = []

    def script(wire: Wire) -> None:
        wire.play("S: +OK")
        sent.append(wire.until_closed())

    with connected(script) as client, pytest.raises(LoginRefused, match="nothing was sent") as refused:
        client.authenticate("a", login)
    assert "canary" not in str(refused.value)
    assert b"".join(sent) == b""


def test_a_body_without_end_is_given_up(connected: Connect) -> None:
    def endless(wire: Wire) -> None:
        wire.play("S: +OK\nC: CAPA\nS: +OK")
        with contextlib.suppress(OSError):  # the client hangs up
            while True:
                wire.send(b"X\r\n" * 1000)

    with connected(endless) as client, pytest.raises(ProtocolViolation, match="more than") as broken:
        client.capabilities()
    assert broken.value.phase is Phase.CAPABILITIES


ONE_LISTED = "C: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: +OK\nS: 1 4\nS: .\n"


def test_nobody_asks_what_a_server_can_do_for_the_sake_of_one_message(connected: Connect) -> None:
    client = connected(
        playing(
            "S: +OK\nC: USER a\nS: +OK\nC: PASS canary\nS: +OK",
            ONE_LISTED,
            "C: RETR 1\nS: +OK\nS: x\nS: .\nC: DELE 1\nS: +OK\nC: QUIT\nS: +OK",
        )
    )
    client.authenticate("a", Password("canary"))
    assert [b"".join(arrival.chunks) for arrival in client.retrieve(client.listing(), 1000)] == [b"x\r\n"]
    client.delete([DeletePermit(b"a")])
    assert client.deleted == 1
    client.quit()


def test_a_server_that_refuses_to_say_what_it_can_do_is_asked_for_one_message_at_a_time(
    connected: Connect,
) -> None:
    client = connected(
        playing(
            "S: +OK\nC: USER a\nS: +OK\nC: PASS canary\nS: +OK",
            "C: CAPA\nS: -ERR\nC: RETR 1\nS: +OK\nS: x\nS: .\nC: RETR 2\nS: +OK\nS: y\nS: .",
        )
    )
    client.authenticate("a", Password("canary"))
    messages = [Listed(1, b"a"), Listed(2, b"b")]
    assert [b"".join(arrival.chunks) for arrival in client.retrieve(messages, 1000)] == [b"x\r\n", b"y\r\n"]


def test_stat_counts_messages_and_octets(logged_in: Connect) -> None:
    assert logged_in(playing("C: STAT\nS: +OK 2 320")).stat() == (2, 320)


def test_a_refused_stat_says_so(logged_in: Connect) -> None:
    with pytest.raises(CommandRefused, match="STAT"):
        logged_in(playing("C: STAT\nS: -ERR no")).stat()


def test_a_refused_quit_says_that_deletions_may_be_missing(logged_in: Connect) -> None:
    client = logged_in(playing("C: QUIT\nS: -ERR some deleted messages not removed"))
    with pytest.raises(CommandRefused) as refused:
        client.quit()
    assert refused.value.phase is Phase.QUIT
    assert refused.value.reply == "some deleted messages not removed"


def test_a_close_instead_of_an_answer_to_quit_loses_the_connection(logged_in: Connect) -> None:
    client = logged_in(lambda wire: wire.expect(b"QUIT"))
    with pytest.raises(ConnectionLost) as lost:
        client.quit()
    assert lost.value.phase is Phase.QUIT


def test_a_session_that_the_server_ended_carries_its_last_words(logged_in: Connect) -> None:
    client = logged_in(lambda wire: wire.play("C: UIDL\nS: -ERR Server Unavailable. 21"))
    with pytest.raises(CommandRefused):
        client.listing()
    with pytest.raises(ConnectionLost) as lost:
        client.stat()
    assert lost.value.reply in {
        "Server Unavailable. 21",
        "",
    }  # sending may notice the end before reading does


def test_leaving_the_client_closes_the_connection(logged_in: Connect, connections: Connections) -> None:
    with logged_in(playing("")):
        assert len(connections) == 1
    assert len(connections) == 0


def test_an_abort_in_the_middle_of_a_verb_stops_it(logged_in: Connect, connections: Connections) -> None:
    def cut_off(wire: Wire) -> None:
        wire.expect(b"UIDL")
        connections.abort_all()
        wire.until_closed()

    client = logged_in(cut_off)
    with pytest.raises(Stopped):
        client.listing()


def test_an_octet_at_a_time_is_as_good_as_all_at_once(connected: Connect) -> None:
    def dribble(wire: Wire) -> None:
        for asked, reply in [
            (b"", b"+OK ready\r\n"),
            (b"USER a", b"+OK\r\n"),
            (b"PASS canary", b"+OK\r\n"),
            (b"RETR 1", b"+OK\r\n..a\r\n\r\n.\r\n"),
        ]:
            if asked:
                wire.expect(asked)
            for octet in reply:
                wire.send(bytes([octet]))

    client = connected(dribble)
    client.authenticate("a", Password("canary"))
    messages = [b"".join(arrival.chunks) for arrival in client.retrieve([Listed(1, b"a")], 1000)]
    assert messages == [b".a\r\n\r\n"]
