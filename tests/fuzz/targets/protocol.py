"""The protocol core: a server's octets, cut anywhere, while we say what a poll says."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.feed import Feed, cut, unstuffed
from mailsluice.errors import ServerError
from mailsluice.pop3 import commands as c
from mailsluice.pop3.events import Answered, BodyChunk, Closed, Event
from mailsluice.pop3.protocol import LocalProtocolError, Pop3Protocol

SECRET = "canary-secret"
PAYLOAD = f"user=a\x01auth=Bearer {SECRET}\x01\x01".encode()
TURN = b"\xff\xff"
"""Context what the server says at one turn from what it says at the next."""

LOGINS: tuple[tuple[c.Command, ...], ...] = (
    (c.AUTH_XOAUTH2, c.sasl_response(PAYLOAD, SECRET.encode()), c.sasl_response(b"")),
    (c.user("a@x.example"), c.password(SECRET)),
)
POLLS: tuple[tuple[tuple[c.Command, ...], ...], ...] = (
    ((c.UIDL,), (c.LIST,), (c.retr(1),), (c.retr(2),), (c.dele(1),), (c.QUIT,)),
    ((c.UIDL, c.LIST), (c.retr(1), c.retr(2), c.top(3, 0)), (c.dele(1), c.dele(2)), (c.QUIT,)),
    ((c.STAT,), (c.retr(1), c.retr(2)), (c.QUIT,)),
)

_IN_PASSWORD = b"+OK\r\n\xff\xff+OK\r\n\xff\xff+OK\r\n\xff\xff+OK\r\n\xff\xff"
SEEDS = (
    b"\x01\x00\x10\x40\x80\xa0"
    + _IN_PASSWORD
    + b"+OK\r\n1 a\r\n2 b\r\n.\r\n\xff\xff+OK\r\n1 9\r\n.\r\n\xff\xff"
    b"+OK\r\na\r\n..b\r\n.\r\n\xff\xff-ERR no\r\n\xff\xff+OK\r\n\xff\xff+OK\r\n",
    b"\x01\x01\x90\xa0\xb0\xf0" + _IN_PASSWORD + b"+OK\r\n1 a\r\n.\r\n+OK\r\n1 9\r\n.\r\n\xff\xff+OK\r\n.\r\n"
    b"+OK\r\n\n.\r\nx\r.\r\n.\r\n-ERR [SYS/TEMP] x\r\n\xff\xff+OK\r\n+OK\r\n\xff\xff-ERR\r\n",
    (
        b"\x00\x02\x01\x02\x03\xf0+OK [YQBiAA==]\r\n\xff\xff+OK\r\nTOP\r\n.\r\n\xff\xff+\r\n\xff\xff+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"
        b"\xff\xff-ERR Logon failure\r\n"
    ),
    b"\x00\x02\x01\x02\x03\xf0+OK\r\n\xff\xff-ERR\r\n\xff\xff+ \r\n\xff\xff+OK\r\n\xff\xff+OK 1 2\r\n\xff\xff",
    b"\x01\x00\x00\x00\x00\x00+OK\r\n\xff\xff-ERR no\r\n\xff\xff-ERR canary-secret\r\n\xff\xff",
    b"\x00\x00\x00\x00\x00\x00-ERR no\r\n",
    b"\x01\x00\x00\x00\x00\x00+OK\r\n\xff\xff-ERR\r\n\xff\xff+OK\r\n\xff\xff-ERR what is canary-secret\r\n",
)
END = BodyChunk(b"", last=True)
WORDS = (b"+OK", b"-ERR", b"+ ", b"\r\n", b"\r\n.\r\n", b"\r\n..", b"\xff\xff", b"canary-secret", b"\n.\r\n")


def check(data: bytes) -> None:
    feed = Feed(data)
    commands = ((), (c.CAPA,), *((each,) for each in feed.one_of(LOGINS)), *feed.one_of(POLLS))
    places = feed.take(4)
    turns = [
        turn.replace(SECRET.encode(), b"?")
        if number < 3
        else turn  # before it was sent, it is the server's word
        for number, turn in enumerate(feed.rest().split(TURN))
    ]
    said = _settled(_merged(_dialogue(commands, turns, b"")))
    assert said == _settled(_merged(_dialogue(commands, turns, places)))
    assert said == _settled(_merged(_dialogue(commands, turns, bytes(range(256)))))
    for turn, asked in zip(turns, commands, strict=False):
        if asked and asked[0].verb in {c.Verb.UIDL, c.Verb.RETR}:
            _check_bodies(asked, turn, places)


def _dialogue(
    commands: tuple[tuple[c.Command, ...], ...], turns: list[bytes], places: bytes
) -> Iterator[Event | tuple[str, str]]:
    """What happens, to the first error, which comes as its kind and its words."""
    protocol = Pop3Protocol("peer:995")
    try:
        for asked, turn in zip(commands, turns, strict=False):
            for command in asked:
                protocol.send(command)
            yield from _heard(protocol, turn, places)
        protocol.receive_eof()
        while event := protocol.next_event():
            yield event
            if not protocol.idle or isinstance(event, Closed):
                break
    except LocalProtocolError as error:
        yield type(error).__name__, str(error)
    except ServerError as error:
        assert SECRET not in f"{error} {error.reply}"
        assert str(error).isprintable()
        yield type(error).__name__, str(error)


def _heard(protocol: Pop3Protocol, turn: bytes, places: bytes) -> Iterator[Event]:
    for piece in cut(turn, places):
        protocol.receive_data(piece)
        while event := protocol.next_event():
            shown = getattr(event, "text", "")
            assert SECRET not in repr(event)
            assert shown.isprintable()
            assert len(shown) <= 301
            yield event
        assert len(protocol._buffer) - protocol._at <= (8192 if protocol._body is None else 0)


def _merged(happened: Iterator[Event | tuple[str, str]]) -> list[object]:
    """What happened, but for where a body was cut; after its octets, if any, comes its END."""
    merged: list[object] = []
    for event in happened:
        if not isinstance(event, BodyChunk):
            merged.append(event)
            continue
        if merged and isinstance(merged[-1], bytes):
            merged[-1] += event.data
        elif event.data:
            merged.append(event.data)
        if event.last:
            merged.append(END)
    return merged


def _settled(merged: list[object]) -> list[object]:
    """What happened, but for how it is noticed that more comes after a body's end: that depends on when it comes.

    If it came with the end, nothing of that was handed out.
    """
    *before, last = merged
    if not (type(last) is tuple and before):
        return merged
    if before[-1] is END:
        before.pop()
    elif "sent more after the end" not in last[1]:
        return merged
    if isinstance(before[-1], bytes):
        before.pop()
    return [*before, "over"]


def _check_bodies(asked: tuple[c.Command, ...], wire: bytes, places: bytes) -> None:
    """In a session that is logged in, every body is what the slow way makes of it."""
    protocol = Pop3Protocol("peer:995")
    first: tuple[tuple[c.Command, ...], ...] = ((c.user("a"),), (c.password(SECRET),), asked)
    for commands in first:
        protocol.receive_data(b"+OK\r\n")
        assert protocol.next_event()
        for command in commands:
            protocol.send(command)
    try:
        happened = _merged(_heard(protocol, wire, places))
    except ServerError:
        return
    for number, event in enumerate(happened):
        if isinstance(event, Answered) and event.accepted:
            body, ended, rest = unstuffed(wire.partition(b"\n")[2])
            after = happened[number + 1 : number + 3]
            if not ended:
                assert len(after) <= 1
                return
            assert after[: 1 + bool(body)] == [*filter(None, [body]), END]
            wire = rest
        elif not (isinstance(event, bytes) or event is END):
            wire = wire.partition(b"\n")[2]
