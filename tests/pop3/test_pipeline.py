from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    DeadlineExceeded,
    MessageTooLarge,
    Phase,
)
from mailsluice.model import Listed
from mailsluice.pop3.client import Client
from mailsluice.pop3.pipeline import WINDOW
from mailsluice.pop3.protocol import LocalProtocolError
from pop3.scripted import Wire

Connect = Callable[..., Client]

ALIVE = "C: STAT\nS: +OK 0 0"


def message(number: int) -> bytes:
    return b"+OK\r\nmessage %d\r\n.\r\n" % number


def listed(count: int, size: int | None = 10) -> list[Listed]:
    return [Listed(number, b"u%d" % number, size) for number in range(1, count + 1)]


def one_by_one(count: int) -> Callable[[Wire], None]:
    """Answer so many RETRs, each only when it is asked, and then a STAT."""

    def script(wire: Wire) -> None:
        for number in range(1, count + 1):
            wire.expect(b"RETR %d" % number)
            wire.expect_no_more()
            wire.send(message(number))
        wire.play(ALIVE)

    return script


def read(arrivals: Iterator[object]) -> list[bytes]:
    return [b"".join(arrival.chunks) for arrival in arrivals]  # type: ignore[attr-defined]


def test_nothing_wanted_asks_for_nothing(logged_in: Connect) -> None:
    client = logged_in(lambda wire: wire.play(ALIVE))
    assert read(client.retrieve([], 100)) == []
    client.stat()


def test_messages_come_in_the_order_asked_for(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        for number in (3, 1):
            wire.expect(b"RETR %d" % number)
            wire.send(message(number))

    client = logged_in(script)
    wanted = [Listed(3, b"c"), Listed(1, b"a")]
    arrivals = [(arrival.listed, b"".join(arrival.chunks)) for arrival in client.retrieve(wanted, 100)]
    assert arrivals == [(wanted[0], b"message 3\r\n"), (wanted[1], b"message 1\r\n")]


def test_a_message_not_read_is_read_away_before_the_next(logged_in: Connect) -> None:
    client = logged_in(one_by_one(2))
    arrivals = client.retrieve(listed(2), 100)
    next(arrivals)
    assert b"".join(next(arrivals).chunks) == b"message 2\r\n"
    arrivals.close()
    client.stat()


def test_a_message_half_read_is_read_away_before_the_next(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK\r\nhalf\r\n")
        wire.send(b"other half\r\n.\r\n")
        wire.expect(b"RETR 2")
        wire.send(message(2))

    arrivals = logged_in(script).retrieve(listed(2), 100)
    assert next(next(arrivals).chunks).startswith(b"half")
    assert b"".join(next(arrivals).chunks) == b"message 2\r\n"


def test_chunks_that_were_read_are_not_given_again(logged_in: Connect) -> None:
    client = logged_in(one_by_one(1))
    arrivals = client.retrieve(listed(1), 100)
    arrival = next(arrivals)
    assert b"".join(arrival.chunks) == b"message 1\r\n"
    assert b"".join(arrival.chunks) == b""
    arrivals.close()
    client.stat()


@pytest.mark.parametrize("capabilities", [(), ("PIPELINING",)])
def test_a_refused_message_leaves_the_session_alive(
    logged_in: Connect, capabilities: tuple[str, ...]
) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"-ERR cannot convert\r\n")
        wire.expect(b"RETR 2")
        wire.send(message(2))
        wire.play(ALIVE)

    client = logged_in(script, *capabilities)
    arrivals = client.retrieve(listed(2), 100)
    refused_arrival = next(arrivals)
    with pytest.raises(CommandRefused) as refused:
        next(refused_arrival.chunks)
    assert (refused.value.phase, refused.value.reply) == (Phase.RETRIEVE, "cannot convert")
    assert read(arrivals) == [b"message 2\r\n"]
    client.stat()


def test_an_empty_message_is_a_refusal(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK here\r\n.\r\n")
        wire.expect(b"RETR 2")
        wire.send(message(2))
        wire.play(ALIVE)

    client = logged_in(script)
    arrivals = client.retrieve(listed(2), 100)
    chunks = next(arrivals).chunks
    with pytest.raises(CommandRefused, match=r"RETR 1 .* empty") as refused:
        next(chunks)
    assert (refused.value.phase, refused.value.reply) == (Phase.RETRIEVE, "here")
    assert read(arrivals) == [b"message 2\r\n"]
    client.stat()


def test_an_empty_message_that_list_calls_empty_is_whole(logged_in: Connect) -> None:
    client = logged_in(lambda wire: wire.play("C: RETR 1\nS: +OK\nS: ."))
    assert read(client.retrieve(listed(1, size=0), 100)) == [b""]


def test_a_message_of_one_empty_line_is_whole(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK\r\n\r\n.\r\n")

    assert read(logged_in(script).retrieve(listed(1), 100)) == [b"\r\n"]


def test_a_refusal_that_nobody_looks_at_is_passed_over(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"-ERR no\r\n")
        wire.expect(b"RETR 2")
        wire.send(message(2))

    arrivals = logged_in(script).retrieve(listed(2), 100)
    next(arrivals)
    assert read(arrivals) == [b"message 2\r\n"]


def test_without_pipelining_nothing_is_asked_ahead(logged_in: Connect) -> None:
    client = logged_in(one_by_one(3))
    assert len(read(client.retrieve(listed(3), 100))) == 3
    client.stat()


def test_with_pipelining_a_window_of_messages_is_asked_for_at_once_and_more_when_half_have_come(
    logged_in: Connect,
) -> None:
    half = WINDOW // 2

    def script(wire: Wire) -> None:
        wire.expect(*(b"RETR %d" % number for number in range(1, WINDOW + 1)))
        wire.send(b"".join(message(number) for number in range(1, half)))
        wire.expect_no_more()
        wire.send(message(half))
        wire.expect(b"RETR %d" % (WINDOW + 1))
        wire.send(b"".join(message(number) for number in range(half + 1, WINDOW + 2)))
        wire.play(ALIVE)

    client = logged_in(script, "PIPELINING")
    expected = [b"message %d\r\n" % number for number in range(1, WINDOW + 2)]
    assert read(client.retrieve(listed(WINDOW + 1), 100)) == expected
    client.stat()


def test_beyond_8_mib_by_list_no_more_is_asked_until_half_have_come(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(*(b"RETR %d" % number for number in range(1, 6)))
        wire.send(message(1) + message(2))
        wire.expect_no_more()
        wire.send(message(3))
        wire.expect(b"RETR 6", b"RETR 7")
        wire.send(b"".join(message(number) for number in range(4, 8)))

    client = logged_in(script, "PIPELINING")
    assert len(read(client.retrieve(listed(7, 2**21), 100))) == 7


@pytest.mark.parametrize("size", [None, 2**23 + 1])
def test_nothing_is_asked_behind_what_is_large_or_of_unknown_size(
    logged_in: Connect, size: int | None
) -> None:
    client = logged_in(one_by_one(2), "PIPELINING")
    assert len(read(client.retrieve(listed(2, size), 100))) == 2
    client.stat()


def test_a_message_is_taken_when_it_is_asked_for(logged_in: Connect) -> None:
    client = logged_in(one_by_one(2))
    messages = iter(listed(3))
    arrivals = client.retrieve(messages, 100)
    assert next(arrivals).listed.number == 1
    assert next(arrivals).listed.number == 2
    arrivals.close()
    assert next(messages).number == 3
    client.stat()


def test_closing_early_reads_away_what_was_asked_ahead(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1", b"RETR 2", b"RETR 3")
        wire.send(message(1) + b"-ERR no\r\n" + message(3))
        wire.play(ALIVE)

    client = logged_in(script, "PIPELINING")
    arrivals = client.retrieve(listed(3), 100)
    next(arrivals)
    arrivals.close()
    client.stat()


def test_after_giving_up_nothing_is_read_away(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1", b"RETR 2")
        wire.send(b"+OK\r\nthe beginning of what never ends\r\n")
        assert wire.until_closed() == b""

    client = logged_in(script, "PIPELINING")
    arrivals = client.retrieve(listed(2), 100)
    next(next(arrivals).chunks)
    client.abandon()
    arrivals.close()
    with pytest.raises(ConnectionLost):
        client.quit()


def test_closing_before_the_first_asks_for_nothing(logged_in: Connect) -> None:
    client = logged_in(lambda wire: wire.play(ALIVE))
    client.retrieve(listed(3), 100).close()
    client.stat()


def test_another_verb_within_an_open_retrieval_is_a_bug(logged_in: Connect) -> None:
    client = logged_in(one_by_one(1))
    arrivals = client.retrieve(listed(1), 100)
    next(arrivals)
    with pytest.raises(LocalProtocolError):
        client.stat()
    arrivals.close()
    client.stat()


def test_a_message_of_the_ceilings_octets_is_whole(logged_in: Connect) -> None:
    client = logged_in(one_by_one(1))
    assert read(client.retrieve(listed(1), 11)) == [b"message 1\r\n"]
    client.stat()


@pytest.mark.parametrize("capabilities", [(), ("PIPELINING",)])
def test_beyond_the_ceiling_the_connection_is_closed(
    logged_in: Connect, capabilities: tuple[str, ...]
) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(message(1) + (message(2) if capabilities else b""))
        wire.until_closed()

    client = logged_in(script, *capabilities)
    arrivals = client.retrieve(listed(2), 10)
    first = next(arrivals)
    with pytest.raises(MessageTooLarge, match="more than 10 octets") as large:
        b"".join(first.chunks)
    assert large.value.octets > 10
    with pytest.raises(ConnectionLost):
        read(arrivals)
    arrivals.close()
    with pytest.raises(ConnectionLost):
        client.stat()


def test_the_ceiling_holds_for_what_is_read_away(logged_in: Connect) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(message(1))
        wire.until_closed()

    arrivals = logged_in(script).retrieve(listed(1), 10)
    next(arrivals)
    with pytest.raises(MessageTooLarge):
        arrivals.close()


@pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
def test_a_message_cut_short_is_never_taken_for_whole(
    logged_in: Connect, leave: Callable[[Wire], None]
) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK\r\nall but the end\r\n.")
        leave(wire)

    arrivals = logged_in(script).retrieve(listed(1), 100)
    arrival = next(arrivals)
    with pytest.raises(ConnectionLost) as lost:
        b"".join(arrival.chunks)
    assert lost.value.phase is Phase.RETRIEVE


def test_a_steady_pace_is_enough_however_long_it_takes(logged_in: Connect) -> None:
    parts = [b"x" * 998 + b"\r\n"] * 20

    def script(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK\r\n" + b"".join(parts) + b".\r\n")

    client = logged_in(script, retrieve=10.0, progress=1000)
    assert read(client.retrieve(listed(1), 10**6)) == [b"".join(parts)]


def test_too_slow_a_pace_exceeds_the_deadline(logged_in: Connect) -> None:
    def trickle(wire: Wire) -> None:
        wire.expect(b"RETR 1")
        wire.send(b"+OK\r\nx")
        wire.until_closed()

    arrivals = logged_in(trickle, retrieve=0.05).retrieve(listed(1), 100)
    chunks = next(arrivals).chunks
    with pytest.raises(DeadlineExceeded, match="retrieve"):
        b"".join(chunks)
