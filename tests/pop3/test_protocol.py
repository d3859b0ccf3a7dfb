from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.errors import ConnectionLost, Phase, ProtocolViolation, ServerError
from mailsluice.pop3 import commands as c
from mailsluice.pop3.commands import Verb
from mailsluice.pop3.events import (
    Answered,
    BodyChunk,
    Challenged,
    Closed,
    Event,
    Greeted,
    TurnedAway,
)
from mailsluice.pop3.protocol import TRANSITIONS, Answer, LocalProtocolError, Pop3Protocol, State
from pop3.scripted import Cut

ALL = [
    c.CAPA,
    c.AUTH_XOAUTH2,
    c.sasl_response(b"r"),
    c.user("u"),
    c.password("p"),
    c.STAT,
    c.UIDL,
    c.LIST,
    c.retr(1),
    c.top(1, 0),
    c.dele(1),
    c.QUIT,
]
MAY_BE_SENT: dict[State, set[c.Verb]] = {
    State.GREETING: set(),
    State.AUTHORIZATION: {Verb.CAPA, Verb.AUTH_XOAUTH2, Verb.USER, Verb.PASS, Verb.QUIT},
    State.SASL: {Verb.SASL_RESPONSE},
    State.TRANSACTION: {
        Verb.CAPA,
        Verb.STAT,
        Verb.UIDL,
        Verb.LIST,
        Verb.RETR,
        Verb.TOP,
        Verb.DELE,
        Verb.QUIT,
    },
    State.UPDATE: set(),
    State.CLOSED: set(),
}
TAG = (
    "UwBDADEAUABSADgAMABDAEEAMAAxADAANQAuAGwAYQBtAHAAcgBkADgAMAAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A"
)


def in_state(state: State) -> Pop3Protocol:
    protocol = Pop3Protocol("peer:995")
    protocol.state = state
    return protocol


def events(protocol: Pop3Protocol, chunks: list[bytes]) -> Iterator[Event]:
    """What happens as the octets come; the chunks of one body joined."""
    body = b""
    for chunk in chunks:
        protocol.receive_data(chunk)
        while (event := protocol.next_event()) is not None:
            if not isinstance(event, BodyChunk):
                yield event
                continue
            body += event.data
            if event.last:
                yield BodyChunk(body, last=True)
                body = b""


def test_the_greeting_opens_the_session(cut: Cut) -> None:
    protocol = in_state(State.GREETING)
    assert list(events(protocol, cut(b"+OK hello\r\n"))) == [Greeted("hello")]
    assert protocol.state is State.AUTHORIZATION


@pytest.mark.parametrize(
    ("bracket", "tag"),
    [
        (f"[{TAG}]", "SC1PR80CA0105.lamprd80.prod.outlook.com"),
        ("[]", ""),
        ("[x]", ""),
        ("[eA==]", ""),
        ("[GwBbAA==]", "?["),
        ("<1896.697170952@dbc.mtview.ca.us>", ""),
    ],
)
def test_the_greetings_bracket_names_the_machine(bracket: str, tag: str, cut: Cut) -> None:
    protocol = in_state(State.GREETING)
    text = f"The Microsoft Exchange POP3 service is ready. {bracket}"
    assert list(events(protocol, cut(f"+OK {text}\r\n".encode()))) == [Greeted(text, tag)]


def test_a_greeting_of_err_is_no_session(cut: Cut) -> None:
    protocol = in_state(State.GREETING)
    assert list(events(protocol, cut(b"-ERR busy\r\n"))) == [TurnedAway("busy")]
    assert protocol.state is State.CLOSED


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", ALL, ids=lambda command: command.verb.value)
def test_a_command_goes_out_only_where_the_state_is_for_it(state: State, command: c.Command) -> None:
    protocol = in_state(state)
    if command.verb in MAY_BE_SENT[state]:
        assert protocol.send(command) == command.line
    else:
        with pytest.raises(LocalProtocolError):
            protocol.send(command)


@pytest.mark.parametrize(
    ("state", "command", "reply", "after"),
    [
        (State.AUTHORIZATION, c.password("p"), b"+OK", State.TRANSACTION),
        (State.AUTHORIZATION, c.password("p"), b"-ERR", State.AUTHORIZATION),
        (State.AUTHORIZATION, c.AUTH_XOAUTH2, b"+ ", State.SASL),
        (State.AUTHORIZATION, c.AUTH_XOAUTH2, b"+", State.SASL),
        (State.AUTHORIZATION, c.AUTH_XOAUTH2, b"-ERR", State.AUTHORIZATION),
        (State.AUTHORIZATION, c.QUIT, b"+OK", State.CLOSED),
        (State.SASL, c.sasl_response(b""), b"+ eA==", State.SASL),
        (State.SASL, c.sasl_response(b""), b"+OK", State.TRANSACTION),
        (State.SASL, c.sasl_response(b""), b"-ERR", State.AUTHORIZATION),
        (State.TRANSACTION, c.dele(1), b"-ERR", State.TRANSACTION),
        (State.TRANSACTION, c.QUIT, b"+OK", State.UPDATE),
        (State.TRANSACTION, c.QUIT, b"-ERR", State.UPDATE),
    ],
)
def test_an_answer_moves_the_state(
    state: State, command: c.Command, reply: bytes, after: State, cut: Cut
) -> None:
    protocol = in_state(state)
    protocol.send(command)
    assert len(list(events(protocol, cut(reply + b"\r\n")))) == 1
    assert protocol.state is after


def test_whatever_may_be_sent_has_an_answer_of_err() -> None:
    for state, verb, _ in TRANSITIONS:
        assert (state, verb, Answer.ERR) in TRANSITIONS


def test_a_body_comes_between_its_reply_and_the_next(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.retr(1))
    protocol.send(c.retr(2))
    protocol.send(c.dele(1))
    wire = b"+OK 5 octets\r\n..a\r\n.\r\n-ERR no such message\r\n+OK marked\r\n"
    assert list(events(protocol, cut(wire))) == [
        Answered(c.retr(1), "5 octets", accepted=True),
        BodyChunk(b".a\r\n", last=True),
        Answered(c.retr(2), "no such message", accepted=False),
        Answered(c.dele(1), "marked", accepted=True),
    ]
    assert protocol.idle


def test_an_empty_body_is_a_last_chunk_of_nothing(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.UIDL)
    assert list(events(protocol, cut(b"+OK\r\n.\r\n"))) == [
        Answered(c.UIDL, "", accepted=True),
        BodyChunk(b"", last=True),
    ]


def test_a_refused_listing_has_no_body(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.UIDL)
    assert list(events(protocol, cut(b"-ERR no\r\n"))) == [Answered(c.UIDL, "no", accepted=False)]
    assert protocol.idle


@pytest.mark.parametrize("line", [b"+OK a\n", b"+OK  a\r\r\n", b"+OK\ta\r\n"])
def test_odd_line_ends_and_blanks_in_a_reply_are_borne(line: bytes, cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.STAT)
    assert list(events(protocol, cut(line))) == [Answered(c.STAT, "a", accepted=True)]


def test_every_event_is_true() -> None:
    empty: list[Event] = [Closed(), BodyChunk(b"", last=False), TurnedAway("")]
    assert all(empty)


def test_a_challenge_stays_out_of_what_is_printed() -> None:
    assert repr(Challenged(c.AUTH_XOAUTH2, b"canary")) == "Challenged(<AUTH XOAUTH2>)"


def test_a_challenge_is_handed_on_as_it_came(cut: Cut) -> None:
    protocol = in_state(State.AUTHORIZATION)
    protocol.send(c.AUTH_XOAUTH2)
    assert list(events(protocol, cut(b"+ eyJ9\r\n"))) == [Challenged(c.AUTH_XOAUTH2, b"eyJ9")]


@pytest.mark.parametrize("command", [c.AUTH_XOAUTH2, c.password("p"), c.QUIT])
def test_nothing_is_asked_ahead_of_an_answer_that_may_change_the_state(command: c.Command) -> None:
    protocol = in_state(State.AUTHORIZATION)
    protocol.send(command)
    with pytest.raises(LocalProtocolError):
        protocol.send(c.CAPA)


def test_quit_may_be_sent_while_answers_are_due(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.dele(1))
    protocol.send(c.QUIT)
    came = list(events(protocol, cut(b"+OK\r\n+OK\r\n")))
    assert came == [Answered(c.dele(1), "", accepted=True), Answered(c.QUIT, "", accepted=True)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"OK",
        b"+OKAY",
        b"+ok",
        b"ERR",
        b" +OK",
        b"* OK IMAP4",
        b"HTTP/1.1 400 Bad",
        b"\xff\xfe\0",
        b"-",
        b"++",
    ],
)
def test_what_is_no_reply_breaks_the_protocol(line: bytes, cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.retr(1))
    with pytest.raises(ProtocolViolation) as broken:
        list(events(protocol, cut(line + b"\r\n")))
    assert broken.value.phase is Phase.RETRIEVE
    assert broken.value.reply.isprintable()
    assert protocol.state is State.CLOSED


@pytest.mark.parametrize(
    ("state", "command", "line"),
    [
        (State.GREETING, None, b"+ hello"),
        (State.TRANSACTION, c.dele(1), b"+ go on"),
        (State.AUTHORIZATION, c.AUTH_XOAUTH2, b"+OK at once"),
        (State.TRANSACTION, None, b"+OK unasked"),
    ],
)
def test_a_reply_that_has_no_place_breaks_the_protocol(
    state: State, command: c.Command | None, line: bytes, cut: Cut
) -> None:
    protocol = in_state(state)
    if command is not None:
        protocol.send(command)
    with pytest.raises(ProtocolViolation, match="not allowed"):
        list(events(protocol, cut(line + b"\r\n")))


def test_what_came_before_the_question_is_no_answer(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.STAT)
    list(events(protocol, cut(b"+OK 1 2\r\n")))
    for chunk in cut(b"+OK marked\r\n"):
        protocol.receive_data(chunk)
    with pytest.raises(ProtocolViolation, match="unasked"):
        protocol.send(c.dele(1))


def test_a_message_after_whose_end_more_comes_is_not_taken_for_whole() -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.retr(1))
    with pytest.raises(ProtocolViolation, match="after the end"):
        list(events(protocol, [b"+OK\r\na dot that was not stuffed:\r\n.\r\nthe rest\r\n.\r\n"]))


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_reply_without_end_breaks_the_protocol(end: bytes, cut: Cut) -> None:
    protocol = in_state(State.GREETING)
    with pytest.raises(ProtocolViolation, match="more than 8192 octets") as broken:
        list(events(protocol, cut(b"+OK " + b"x" * 8200 + end)))
    assert len(broken.value.reply) < 400


def test_a_reply_of_512_octets_is_borne(cut: Cut) -> None:
    protocol = in_state(State.GREETING)
    assert len(list(events(protocol, cut(b"+OK " + b"x" * 506 + b"\r\n")))) == 1


@pytest.mark.parametrize("state", [State.GREETING, State.AUTHORIZATION, State.SASL, State.TRANSACTION])
def test_an_end_too_early_loses_the_connection(state: State) -> None:
    protocol = in_state(state)
    protocol.receive_eof()
    with pytest.raises(ConnectionLost, match="peer:995"):
        protocol.next_event()


@pytest.mark.parametrize("wire", [b"", b"+O", b"+OK\r\n", b"+OK\r\nbody\r\n.\r"])
def test_an_end_within_an_answer_loses_the_connection(wire: bytes, cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.retr(1))
    list(events(protocol, cut(wire)))
    protocol.receive_eof()
    with pytest.raises(ConnectionLost) as lost:
        protocol.next_event()
    assert lost.value.phase is Phase.RETRIEVE


@pytest.mark.parametrize("state", [State.UPDATE, State.CLOSED])
def test_an_end_after_quit_is_in_order(state: State) -> None:
    protocol = in_state(state)
    protocol.receive_eof()
    assert protocol.next_event() == Closed()
    assert protocol.state is State.CLOSED


def test_an_end_before_the_answer_to_quit_loses_the_connection() -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.QUIT)
    protocol.receive_eof()
    with pytest.raises(ConnectionLost) as lost:
        protocol.next_event()
    assert lost.value.phase is Phase.QUIT


def test_a_close_after_a_refusal_carries_the_refusals_words(cut: Cut) -> None:
    protocol = in_state(State.TRANSACTION)
    protocol.send(c.STAT)
    list(events(protocol, cut(b"-ERR Protocol error. Connection is closed. 10\r\n")))
    protocol.send(c.UIDL)
    protocol.receive_eof()
    with pytest.raises(ConnectionLost) as lost:
        protocol.next_event()
    assert lost.value.reply == "Protocol error. Connection is closed. 10"
    assert "Connection is closed. 10" in str(lost.value)
    assert lost.value.phase is Phase.LISTING


@pytest.mark.parametrize("echo", [b"-ERR bad %s", b"%s"])
@pytest.mark.parametrize(
    ("state", "command", "secret"),
    [
        (State.AUTHORIZATION, c.password("canary"), b"canary"),
        (State.SASL, c.sasl_response(b"user=a canary", b"canary"), b"canary"),
        (State.SASL, c.sasl_response(b"user=a canary", b"canary"), b"dXNlcj1hIGNhbmFyeQ=="),
    ],
)
def test_an_echo_of_a_secret_is_not_quoted(
    state: State, command: c.Command, secret: bytes, echo: bytes, cut: Cut
) -> None:
    protocol = in_state(state)
    protocol.send(command)
    try:
        said = str(list(events(protocol, cut(echo % secret + b"\r\n"))))
    except ProtocolViolation as broken:
        said = str(broken) + broken.reply
    assert secret.decode() not in said
    assert "***" in said


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20), st.sampled_from([b"+OK\r\n", b"\r\n.\r\n", b"-ERR \r\n", b"+ \r\n"])
        )
    ).map(b"".join)
)
def test_no_octets_raise_anything_but_a_servers_error(cut: Cut, wire: bytes) -> None:
    protocol = in_state(State.TRANSACTION)
    for command in (c.UIDL, c.retr(1), c.dele(1)):
        protocol.send(command)
    with contextlib.suppress(ServerError):
        list(events(protocol, cut(wire)))
        protocol.receive_eof()
        protocol.next_event()
